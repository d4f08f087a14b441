"""Three libraries that Django sites sign users in with: mozilla-django-oidc, social-auth-core, simple-openid-connect."""

import pytest
from django.test import Client

import django_clients
from django_clients import GOODBYE, MOZILLA_CALLBACK, ORIGIN, SIMPLE_CALLBACK, SITE, SOCIAL_CALLBACK
from library_fixtures import Provider
from visitor import Visitor

NO_ONE = {"user": "", "email": ""}


@pytest.fixture(scope="module")
def site(provider: Provider) -> None:
    mozilla, social, simple = (
        provider.server.add_client(
            name, "--redirect-uri", callback, "--post-logout-redirect-uri", GOODBYE,
            "--scope", "openid profile email", "--grant-type=authorization_code", "--grant-type=refresh_token")
        for name, callback in [
            ("mozilla-django-oidc", MOZILLA_CALLBACK), ("social-auth-core", SOCIAL_CALLBACK),
            ("simple-openid-connect", SIMPLE_CALLBACK)])
    django_clients.configure(provider.metadata, mozilla, social, simple)


@pytest.fixture
def person(provider: Provider, visitor: Visitor) -> Visitor:
    """A user whose e-mail address the operator has verified."""
    provider.server.command(
        "user", "set", visitor.name, "--email", f"{visitor.name}@example.com", "--email-verified",
        "--name", "Alice Liddell", "--preferred-username", f"liddell-{visitor.name}")
    return visitor


class Browser:
    """The site's side of a user's browser; `person` is its side at the server."""

    def __init__(self, person: Visitor) -> None:
        self.person = person
        self.client = Client(SERVER_NAME=SITE)

    def who(self) -> dict[str, str]:
        return self.client.get("/", secure=True).json()

    def follow(self, answer) -> None:
        """From the site to the server, through its pages, and back to the site's front page."""
        assert answer.status_code == 302, answer
        back = self.person.go(answer["location"])
        assert back.startswith(ORIGIN), back
        answer = self.client.get(back.removeprefix(ORIGIN), secure=True)
        assert (answer.status_code, answer["location"]) == (302, "/"), answer

    def sign_in(self, path: str, method: str = "get") -> None:
        assert self.who() == NO_ONE
        answer = getattr(self.client, method)(path, secure=True)
        self.link = answer["location"]
        self.follow(answer)

    def is_known_to_server(self) -> bool:
        answer = self.person.session.get(self.link + "&prompt=none", allow_redirects=False).headers["location"]
        assert "code=" in answer or "error=login_required" in answer, answer
        return "code=" in answer

    def sign_out(self, answer) -> None:
        """Here and at the server, which brings the user back and asks nothing."""
        assert self.is_known_to_server()
        assert answer.status_code == 302, answer
        at_server = self.person.session.get(answer["location"], allow_redirects=False)
        assert at_server.headers["location"] == GOODBYE, at_server.text
        assert self.who() == NO_ONE
        assert not self.is_known_to_server()


def test_mozilla_django_oidc(site: None, person: Visitor) -> None:
    browser = Browser(person)
    browser.sign_in("/oidc/authenticate/")
    assert browser.who()["email"] == f"{person.name}@example.com"
    # After a quarter of an hour it asks again, with prompt=none: the user sees nothing.
    session = browser.client.session
    session["oidc_id_token_expiration"] = 0
    session.save()
    again = browser.client.get("/", secure=True)
    assert "prompt=none" in again["location"]
    browser.follow(again)
    assert browser.who()["email"] == f"{person.name}@example.com"
    browser.sign_out(browser.client.post("/oidc/logout/", secure=True))


def test_social_auth_core(site: None, person: Visitor) -> None:
    from django.contrib.auth.models import User
    from social_django.utils import load_strategy

    browser = Browser(person)
    browser.sign_in("/social/login/oidc/", "post")
    assert browser.who() == {"user": f"liddell-{person.name}", "email": f"{person.name}@example.com"}
    user = User.objects.get(username=f"liddell-{person.name}")
    assert user.get_full_name() == "Alice Liddell"
    account = user.social_auth.get(provider="oidc")
    before = account.extra_data["refresh_token"]
    # It compares the fresh id_token with the first.
    account.refresh_token(load_strategy())
    assert account.extra_data["refresh_token"] != before


def test_simple_openid_connect(site: None, person: Visitor) -> None:
    from django.utils import timezone
    from simple_openid_connect.integrations.django.models import OpenidSession

    browser = Browser(person)
    browser.sign_in("/simple/login/")
    who = {"user": f"liddell-{person.name}", "email": f"{person.name}@example.com"}
    assert browser.who() == who
    # Its access token is over: the next request refreshes.
    session = OpenidSession.objects.get(id=browser.client.session["openid_session"])
    session.access_token_expiry = timezone.now()
    session.save()
    assert browser.who() == who
    fresh = OpenidSession.objects.get(id=session.id)
    assert fresh.refresh_token != session.refresh_token and not fresh.is_access_token_expired
    browser.sign_out(browser.client.get("/simple/logout/", secure=True))
