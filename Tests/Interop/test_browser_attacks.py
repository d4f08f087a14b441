"""Other sites, in a signed-in user's browser: they frame, forge, and wait for what is left behind."""

import html
import re
from collections.abc import Iterator

import pytest

from chromium import Chromium
from loopback import Loopback
from people import ALLOW, PASSWORD, App, Person

FOREIGN = "This form was sent from another site."


@pytest.fixture(params=["127.0.0.1", "localhost"], ids=["same-site", "cross-site"])
def evil(request: pytest.FixtureRequest) -> Iterator[Loopback]:
    """Another port is the same site, so that cookies come along; another name is not."""
    server = Loopback(request.param)
    yield server
    server.close()


def form(action: str, fields: dict[str, str]) -> str:
    inputs = "".join(f"<input type=hidden name={n} value='{html.escape(v)}'>" for n, v in fields.items())
    return f"<form method=post action='{action}'>{inputs}<button>Win a prize</button></form>"


def hidden(browser: Chromium) -> str:
    return browser.find("input[name=form]").get_attribute("value") or ""


def attack(browser: Chromium, evil: Loopback, action: str, fields: dict[str, str]) -> None:
    evil.pages["/"] = form(action, fields)
    browser.driver.get(evil.origin + "/")
    browser.press("button")


def test_no_page_can_be_framed(desk: Chromium, app: App, alice: Person, evil: Loopback) -> None:
    alice.sign_in(app.link())
    assert desk.count(ALLOW) == 1
    paths = ["/sign-in", "/sign-out", "/account/consents", app.link().removeprefix(app.server.url), "/consent"]
    for path in paths:
        evil.pages["/"] = f"<iframe src='{html.escape(app.server.url + path)}'></iframe>"
        desk.console()
        desk.driver.get(evil.origin + "/")
        complaints = desk.console()
        assert any("frame-ancestors 'none'" in text for text in complaints), (path, complaints)
        desk.driver.switch_to.frame(desk.find("iframe"))
        assert desk.count("form") == 0, path
        desk.driver.switch_to.default_content()


def test_another_site_cannot_consent_for_the_user(
    desk: Chromium, app: App, alice: Person, evil: Loopback
) -> None:
    consent = app.server.url + "/consent"
    mallory = Person(alice.server, desk)
    mallory.sign_in(app.link())
    of_another_user = hidden(desk)
    mallory.sign_out()
    alice.sign_in(app.link())
    of_another_session = hidden(desk)
    alice.sign_out()
    alice.sign_in(app.link())
    stolen = hidden(desk)
    forged = stolen[:-8] + ("A" * 8 if not stolen.endswith("A" * 8) else "B" * 8)
    for token in ("", forged, of_another_user, of_another_session, stolen):
        attack(desk, evil, consent, {"form": token, "decision": "allow"})
        assert desk.heading == "This did not work"
    assert app.loopback.answers == []
    # Nothing was allowed, and the user still may.
    desk.driver.get(app.server.url + "/account/consents")
    assert desk.count(".entry") == 0
    assert alice.allow(app)["code"]


def test_another_site_cannot_withdraw_or_sign_out(
    desk: Chromium, app: App, alice: Person, evil: Loopback
) -> None:
    alice.sign_in()
    alice.allow(app)
    for path in ("/account/consents", "/sign-out"):
        desk.driver.get(app.server.url + path)
        token = hidden(desk)
        attack(desk, evil, app.server.url + path, {"form": token})
        assert FOREIGN in desk.text
    desk.driver.get(app.server.url + "/account/consents")
    assert desk.find(".entry h2").text == app.name


def test_another_site_cannot_sign_the_user_in_as_somebody(
    desk: Chromium, app: App, alice: Person, evil: Loopback
) -> None:
    mallory = Person(alice.server, desk)
    desk.driver.get(app.server.url + "/sign-in")
    token = hidden(desk)
    for field in (token, ""):
        attack(
            desk, evil, app.server.url + "/sign-in",
            {"form": field, "user": mallory.name, "password": PASSWORD})
        assert desk.heading == "This did not work"
    desk.driver.get(app.server.url + "/account/consents")
    assert desk.heading == "Sign in"


def test_a_login_hint_from_elsewhere_runs_nothing(desk: Chromium, app: App) -> None:
    for text in (
        "\"><script>document.title='owned'</script>", "x\" autofocus onfocus=\"document.title='owned'",
    ):
        desk.driver.get(app.link(login_hint=text))
        assert desk.find("#user").get_attribute("value") == text
        assert desk.driver.title == "Sign in"
        assert desk.count("script") == 0


def test_after_sign_out_nothing_comes_back(desk: Chromium, app: App, alice: Person) -> None:
    alice.sign_in()
    alice.allow(app)
    desk.driver.get(app.link(prompt="consent"))
    assert desk.count(ALLOW) == 1
    desk.driver.get(app.server.url + "/account/consents")
    assert desk.count(".entry") == 1
    desk.find("nav a").click()
    assert desk.heading == "Sign out?"
    desk.press("form button")
    assert desk.heading == "You are signed out"
    for _ in range(4):
        desk.driver.back()
        assert desk.count(ALLOW) == 0 and desk.count(".entry") == 0, desk.driver.current_url
        assert alice.name not in desk.text


def test_a_consent_page_left_open_is_worth_nothing_after_sign_out(
    desk: Chromium, app: App, alice: Person
) -> None:
    alice.sign_in(app.link())
    first = desk.driver.current_window_handle
    desk.driver.switch_to.new_window("tab")
    try:
        alice.sign_out()
        desk.driver.close()
    finally:
        desk.driver.switch_to.window(first)
    desk.press(ALLOW)
    assert desk.heading == "Sign in"
    assert app.loopback.answers == []


def test_cookies_are_out_of_reach(desk: Chromium, app: App, alice: Person) -> None:
    alice.sign_in()
    cookies = {cookie["name"]: cookie for cookie in desk.command("Network.getAllCookies")["cookies"]}
    session, form = sorted(cookies)
    assert re.fullmatch("tokenvault-[0-9a-f]{16}", session) and form == session + "-form"
    for cookie in cookies.values():
        assert cookie["httpOnly"] and cookie["sameSite"] == "Lax" and cookie["session"]
        assert cookie["path"] == "/" and cookie["domain"] == "127.0.0.1"
    assert desk.script("return document.cookie") == ""
    # The session is sealed: it says nothing of who it is.
    assert re.fullmatch(r"[A-Za-z0-9_-]{40,}", cookies[session]["value"])
