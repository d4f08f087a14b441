"""From a client's link to the client: a user signs in, reads, allows, denies, withdraws, signs out."""

import time

from chromium import Chromium
from loopback import Loopback
from people import ALLOW, DENY, App, Person


def test_sign_in_read_and_approve(device: Chromium, app: App, alice: Person) -> None:
    device.driver.get(app.link())
    assert device.heading == "Sign in"
    assert f"to continue to {app.name}" in device.text
    alice.fill_in(password="a wrong password")
    assert "The user name or the password is not right." in device.find("[role=alert]").text
    assert device.driver.title == "Error: Sign in"
    for field in ("#user", "#password"):
        assert device.find(field).get_attribute("aria-describedby") == "trouble"
        assert device.find(field).get_attribute("aria-invalid") == "true"
    # What was entered stays, except for the password, which has the focus.
    assert device.find("#user").get_attribute("value") == alice.name
    assert device.find("#password").get_attribute("value") == ""
    device.wait_for_focus()
    assert device.script("return document.activeElement.id") == "password"
    alice.fill_in()
    assert device.heading == f"{app.name} asks for access to your account"
    assert f"You are signed in as {alice.name}." in device.text
    assert app.loopback.origin.removeprefix("http://") in device.text
    for text, scope in [
        # The vault keeps a name and an address of its users, and no more.
        ("Know who you are when you sign in", "openid"), ("See your profile, such as your name", "profile"),
        ("See your email address", "email"), ("Keep this access while you are away", "offline_access"),
        ("Read your measurements", "readmeasurements"),
    ]:
        assert any(
            text in item.text and scope in item.text
            for item in device.driver.find_elements("css selector", ".scopes li"))
    device.press(ALLOW)
    assert device.heading == "Back at the application"
    answer = app.loopback.answer()
    assert answer["state"] == "a state & more"
    assert answer["iss"] == app.server.url
    tokens = app.redeem(answer["code"])
    assert tokens["token_type"].lower() == "bearer" and tokens["refresh_token"] and tokens["id_token"]


def test_deny(device: Chromium, app: App, alice: Person) -> None:
    alice.sign_in(app.link())
    device.press(DENY)
    answer = app.loopback.answer()
    assert answer["error"] == "access_denied"
    assert answer["state"] == "a state & more"
    assert answer["iss"] == app.server.url
    assert "code" not in answer
    # Nothing is remembered of a denial.
    device.driver.get(app.link())
    assert device.count(ALLOW) == 1


def test_the_callback_may_send_the_user_on(desk: Chromium, app: App, alice: Person) -> None:
    """Chromium applies `form-action` to the whole chain of redirects after a form."""
    home = Loopback("localhost")
    home.pages["/home"] = "<h1>Home</h1>"
    try:
        app.loopback.onward = home.origin + "/home"
        # After the consent form, and after the sign-in form where consent is remembered.
        alice.sign_in(app.link())
        desk.press(ALLOW)
        assert desk.heading == "Home"
        assert app.loopback.answer()["code"]
        alice.sign_out()
        alice.sign_in(app.link())
        assert desk.heading == "Home"
        assert app.loopback.answer()["code"]
        desk.driver.get(app.link(prompt="consent"))
        desk.press(DENY)
        assert desk.heading == "Home"
        assert app.loopback.answer()["error"] == "access_denied"
    finally:
        home.close()


def test_consent_is_remembered_until_it_is_asked_for_again(desk: Chromium, app: App, alice: Person) -> None:
    alice.sign_in(app.link(scope="openid basic"))
    desk.press(ALLOW)
    assert app.loopback.answer()["code"]
    desk.driver.get(app.link(scope="openid basic"))
    assert desk.heading == "Back at the application"
    assert app.loopback.answer()["code"]
    desk.driver.get(app.link(scope="openid", prompt="none"))
    assert app.loopback.answer()["code"]
    # More than was allowed: asked, or told to the client where nobody may be asked.
    desk.driver.get(app.link(prompt="none"))
    assert app.loopback.answer()["error"] == "consent_required"
    desk.driver.get(app.link())
    assert desk.count(ALLOW) == 1
    desk.driver.get(app.link(scope="openid basic", prompt="consent"))
    assert desk.count(ALLOW) == 1
    desk.press(ALLOW)
    assert app.loopback.answer()["code"]
    alice.sign_out()
    desk.driver.get(app.link(prompt="none"))
    assert app.loopback.answer()["error"] == "login_required"


def test_withdrawing_ends_the_grant(device: Chromium, app: App, alice: Person) -> None:
    alice.sign_in()
    assert device.heading == "What you allowed"
    assert "No application may use it." in device.text
    tokens = app.redeem(alice.allow(app)["code"])
    tokens = app.refresh(tokens["refresh_token"])
    assert tokens["access_token"]
    device.driver.get(app.server.url + "/account/consents")
    assert device.find(".entry h2").text == app.name
    device.press(".entry button")
    assert "has no access any more" in device.find("[role=status]").text
    assert device.count(".entry") == 0
    assert app.refresh(tokens["refresh_token"])["error"] == "invalid_grant"
    device.driver.get(app.link())
    assert device.count(ALLOW) == 1


def test_sign_out(device: Chromium, app: App, alice: Person) -> None:
    alice.sign_in()
    device.find("nav a").click()
    assert device.heading == "Sign out?"
    device.press("form button")
    assert device.heading == "You are signed out"
    device.driver.get(app.link())
    assert device.heading == "Sign in"
    device.driver.get(app.server.url + "/account/consents")
    assert device.heading == "Sign in"


def test_an_app_on_this_device_is_asked_about_each_time(
    desk: Chromium, alice: Person, loopback: Loopback
) -> None:
    # RFC 8252 section 8.6: any program may listen at that port.
    app = App(alice.server, loopback, is_public=True)
    alice.sign_in(app.link())
    desk.press(ALLOW)
    assert app.redeem(loopback.answer()["code"])["access_token"]
    desk.driver.get(app.link())
    assert desk.count(ALLOW) == 1
    desk.driver.get(app.link(prompt="none"))
    assert loopback.answer()["error"] == "consent_required"


def test_prompt_login_asks_for_the_password_again(desk: Chromium, app: App, alice: Person) -> None:
    alice.sign_in()
    signed_in = int(time.time())
    while int(time.time()) == signed_in:
        # A sign-in of the same second counts as one that came after the question.
        time.sleep(0.05)
    desk.driver.get(app.link(prompt="login", login_hint=alice.name))
    assert desk.find("#user").get_attribute("value") == alice.name
    desk.wait_for_focus()
    assert desk.script("return document.activeElement.id") == "password"
    alice.fill_in()
    assert desk.count(ALLOW) == 1
