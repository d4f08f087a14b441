"""A Django site that signs its users in with three libraries, each configured as its documentation says."""

from urllib.parse import urlencode

import django
from django.conf import settings
from django.core.management import call_command
from django.http import HttpRequest, JsonResponse
from django.urls import include, path

SITE = "client.example"
ORIGIN = f"https://{SITE}"
MOZILLA_CALLBACK = ORIGIN + "/oidc/callback/"
SOCIAL_CALLBACK = ORIGIN + "/social/complete/oidc/"
SIMPLE_CALLBACK = ORIGIN + "/simple/login-callback/"
GOODBYE = ORIGIN + "/goodbye"
urlpatterns: list = []


def configure(metadata: dict, mozilla: dict, social: dict, simple: dict) -> None:
    """Of the issuer and of three clients there; the database is in memory."""
    settings.configure(
        SECRET_KEY="of no use elsewhere", ALLOWED_HOSTS=[SITE], ROOT_URLCONF=__name__, USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", LOGOUT_REDIRECT_URL=GOODBYE,
        LOGIN_URL="/simple/login/", LOGIN_REDIRECT_URL="/",
        INSTALLED_APPS=[
            "django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions", "mozilla_django_oidc",
            "social_django", "simple_openid_connect.integrations.django"],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "mozilla_django_oidc.middleware.SessionRefresh",
            "simple_openid_connect.integrations.django.middleware.TokenVerificationMiddleware"],
        AUTHENTICATION_BACKENDS=[
            "social_core.backends.open_id_connect.OpenIdConnectAuth",
            "mozilla_django_oidc.auth.OIDCAuthenticationBackend"],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        LOGGING={"version": 1, "disable_existing_loggers": True},
        OIDC_RP_CLIENT_ID=mozilla["client_id"], OIDC_RP_CLIENT_SECRET=mozilla["client_secret"],
        OIDC_OP_AUTHORIZATION_ENDPOINT=metadata["authorization_endpoint"],
        OIDC_OP_TOKEN_ENDPOINT=metadata["token_endpoint"], OIDC_OP_USER_ENDPOINT=metadata["userinfo_endpoint"],
        OIDC_OP_JWKS_ENDPOINT=metadata["jwks_uri"], OIDC_RP_SIGN_ALGO="RS256", OIDC_STORE_ID_TOKEN=True,
        OIDC_OP_LOGOUT_ENDPOINT=metadata["end_session_endpoint"],
        OIDC_OP_LOGOUT_URL_METHOD=f"{__name__}.mozilla_logout",
        SOCIAL_AUTH_OIDC_OIDC_ENDPOINT=metadata["issuer"], SOCIAL_AUTH_OIDC_KEY=social["client_id"],
        SOCIAL_AUTH_OIDC_SECRET=social["client_secret"], SOCIAL_AUTH_OIDC_USE_PKCE=True,
        SOCIAL_AUTH_URL_NAMESPACE="social", SOCIAL_AUTH_JSONFIELD_ENABLED=True,
        OPENID_ISSUER=metadata["issuer"], OPENID_CLIENT_ID=simple["client_id"],
        OPENID_CLIENT_SECRET=simple["client_secret"], OPENID_SCOPE="openid profile email")
    django.setup()
    call_command("migrate", verbosity=0)
    # Their modules read the settings as they are imported.
    urlpatterns.extend([
        path("", home),
        path("oidc/", include("mozilla_django_oidc.urls")),
        path("social/", include("social_django.urls", namespace="social")),
        path("simple/", include("simple_openid_connect.integrations.django.urls")),
    ])


def mozilla_logout(request: HttpRequest) -> str:
    """Where mozilla-django-oidc sends users who sign out: its documentation has the site compose it."""
    return settings.OIDC_OP_LOGOUT_ENDPOINT + "?" + urlencode(
        {"id_token_hint": request.session["oidc_id_token"], "post_logout_redirect_uri": GOODBYE})


def home(request: HttpRequest) -> JsonResponse:
    """Who is signed in."""
    user = request.user
    return JsonResponse({"user": user.username, "email": getattr(user, "email", "")})
