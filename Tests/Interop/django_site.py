"""A site with django-oauth-toolkit: `python django_site.py FOLDER PORT`; the client's secret comes on standard input."""

import sys
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
from django.conf import settings

CLIENT_ID, SCOPE, USER = "the-keeper", "measurements", "alice"


def signed_in(get_response):
    """Middleware: whoever comes is alice."""
    from django.contrib.auth.models import User

    def respond(request):
        request.user = User.objects.get(username=USER)
        return get_response(request)

    return respond


def toolkit(grace: int, protects: bool) -> dict:
    """`grace`: seconds in which a refresh token may be sent again; `protects`: any later use ends the whole grant."""
    return {
        "SCOPES": {SCOPE: "Read measurements"}, "DEFAULT_SCOPES": [SCOPE], "ACCESS_TOKEN_EXPIRE_SECONDS": 3600,
        "ROTATE_REFRESH_TOKEN": True,
        "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": grace, "REFRESH_TOKEN_REUSE_PROTECTION": protects}


def configure(folder: Path) -> None:
    settings.configure(
        SECRET_KEY="of no use elsewhere", ALLOWED_HOSTS=["127.0.0.1"], ROOT_URLCONF=__name__, USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "oauth2_provider"],
        MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware", f"{__name__}.signed_in"],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
                    "OPTIONS": {"context_processors": ["django.template.context_processors.request"]}}],
        DATABASES={"default": {
            "ENGINE": "django.db.backends.sqlite3", "NAME": folder / "django.db", "OPTIONS": {"timeout": 20}}},
        LOGGING={"version": 1, "disable_existing_loggers": True},
        # The slow one is for passwords that people think of.
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"], OAUTH2_PROVIDER=toolkit(0, False))
    django.setup()


def fill(client_secret: str) -> None:
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from oauth2_provider.models import Application

    call_command("migrate", verbosity=0)
    user = User.objects.create(username=USER)
    for kind, name in [("authorization-code", CLIENT_ID), ("client-credentials", CLIENT_ID + "-itself")]:
        Application.objects.create(
            name=name, client_id=name, client_secret=client_secret, user=user, client_type="confidential",
            authorization_grant_type=kind, redirect_uris="http://127.0.0.1/callback")


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


class Threaded(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128


def __getattr__(name: str):
    """What Django reads of its root of URLs, once it is up."""
    if name != "urlpatterns":
        raise AttributeError(name)
    from django.http import HttpResponse
    from django.urls import include, path
    from oauth2_provider.decorators import protected_resource
    from oauth2_provider.settings import oauth2_settings

    def policy(request, grace: int, protects: int):
        """For the tests: one site in place of one for each policy."""
        settings.OAUTH2_PROVIDER = toolkit(grace, protects == 1)
        oauth2_settings.reload()
        return HttpResponse()

    me = protected_resource()(lambda request: HttpResponse(USER))
    return [path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")), path("me", me),
            path("policy/<int:grace>/<int:protects>", policy)]


if __name__ == "__main__":
    sys.modules["django_site"] = sys.modules["__main__"]
    folder, port = sys.argv[1:]
    configure(Path(folder))
    fill(sys.stdin.read())
    from django.core.wsgi import get_wsgi_application

    make_server("127.0.0.1", int(port), get_wsgi_application(), Threaded, Quiet).serve_forever()
