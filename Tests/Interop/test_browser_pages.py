"""Every page on every device: accessible, small, quiet, and nothing in it from elsewhere."""

import re

import page_checks
import pytest
from chromium import Chromium
from loopback import Loopback
from people import ALLOW, App, Person


def test_every_page(device: Chromium, app: App, alice: Person) -> None:
    site = app.server.url
    problems: list[str] = []

    def check(name: str, status: int = 200) -> None:
        problems.extend(page_checks.everything(device, name, [site, app.loopback.origin], status))

    device.driver.get(app.link())
    check("sign-in")
    alice.fill_in(password="a wrong password")
    check("sign-in-wrong", 403)
    alice.fill_in()
    check("consent")
    device.press(ALLOW)
    device.driver.get(site + "/account/consents")
    check("consents")
    device.press(".entry button")
    check("consents-withdrawn")
    device.driver.get(site + "/sign-out")
    check("sign-out")
    device.press("form button")
    check("signed-out")
    device.driver.get(app.link(client_id="nobody"))
    check("error", 400)
    assert problems == []


def test_a_sign_in_that_has_to_wait(device: Chromium, app: App, alice: Person) -> None:
    device.driver.get(app.link())
    for _ in range(60):
        alice.fill_in(password="a wrong password")
        told = re.search(r"There were too many attempts\. Try again in (\d+)", device.find("[role=alert]").text)
        # Each failure doubles the wait: until it outlasts the next form on a slow machine.
        if told and int(told[1]) >= 8:
            break
    else:
        pytest.fail("guesses are not made to wait")
    assert device.find("#user").get_attribute("aria-invalid") is None
    device.console()
    device.traffic()
    alice.fill_in(password="a wrong password")
    problems = page_checks.everything(device, "sign-in-throttled", [app.server.url], 429)
    assert problems == []


def test_password_managers_and_phones_know_the_fields(desk: Chromium, app: App) -> None:
    desk.driver.get(app.link())
    for selector, attributes in [
        ("#user", {"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}),
        ("#password", {"autocomplete": "current-password", "type": "password"}),
    ]:
        field = desk.find(selector)
        assert {name: field.get_attribute(name) for name in attributes} == attributes


def test_pages_stand_without_their_style_sheet(desk: Chromium, app: App, alice: Person) -> None:
    desk.command("Network.setBlockedURLs", urls=["*/assets/*"])
    try:
        alice.sign_in(app.link())
        assert app.name in desk.heading
        desk.press(ALLOW)
        assert app.loopback.answer()["code"]
    finally:
        desk.command("Network.setBlockedURLs", urls=[])


def test_the_checks_find_what_is_wrong(desk: Chromium, loopback: Loopback) -> None:
    loopback.pages["/bad"] = """<body style="width: 2000px"><img src="http://localhost:1/x.png">
        <p style="color: #ccc; background: #fff">faint</p><a href="/" onclick="">x</a><input>
        <script>console.error("oops")</script></body>"""
    desk.driver.get(loopback.origin + "/bad")
    for check in (page_checks.structure, page_checks.targets, page_checks.width, page_checks.console):
        assert check(desk) != [], check.__name__
    assert any("fetched" in problem for problem in page_checks.network(desk, [loopback.origin]))
    found = page_checks.accessibility(desk)
    for rule in ("color-contrast", "image-alt", "label", "html-has-lang"):
        assert any(problem.startswith(rule) for problem in found), found
