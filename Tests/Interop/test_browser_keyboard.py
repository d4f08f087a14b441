"""Without a mouse: Tab and Enter lead through all pages, and show where they are."""

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from chromium import Chromium
from people import ALLOW, PASSWORD, App, Person


def keys(browser: Chromium, *pressed: str) -> None:
    ActionChains(browser.driver).send_keys(*pressed).perform()


def focused(browser: Chromium) -> str:
    """The name or text of what has the focus, which must be visible."""
    browser.wait_for_focus()
    found = browser.script("""
        const element = document.activeElement, style = getComputedStyle(element);
        const box = element.getBoundingClientRect();
        return {
            name: element.id || element.textContent,
            outline: style.outlineStyle === 'none' ? 0 : parseFloat(style.outlineWidth),
            top: box.top, bottom: innerHeight - box.bottom,
        };""")
    # With the outline around it.
    assert found["outline"] >= 2 and min(found["top"], found["bottom"]) >= 5, found
    return found["name"]


def tab(browser: Chromium) -> str:
    keys(browser, Keys.TAB)
    return focused(browser)


def tab_back(browser: Chromium, times: int = 1) -> str:
    ActionChains(browser.driver).key_down(Keys.SHIFT).send_keys(Keys.TAB * times).key_up(Keys.SHIFT).perform()
    return focused(browser)


def enter(browser: Chromium) -> None:
    with browser.next_page():
        keys(browser, Keys.ENTER)


def test_all_pages(device: Chromium, app: App, alice: Person) -> None:
    device.driver.get(app.link())
    # No Tab is needed to begin.
    assert focused(device) == "user"
    keys(device, alice.name)
    assert tab(device) == "password"
    keys(device, "wrong")
    assert tab(device) == "Sign in"
    enter(device)
    assert focused(device) == "password"
    keys(device, PASSWORD)
    enter(device)
    assert [tab(device) for _ in range(3)] == ["Allow", "Deny", "What you allowed"]
    assert tab_back(device, 2) == "Allow"
    enter(device)
    assert app.loopback.answer()["code"]
    device.driver.get(app.link(prompt="consent"))
    assert device.count(ALLOW) == 1
    for _ in range(3):
        tab(device)
    enter(device)
    assert device.heading == "What you allowed"
    assert [tab(device), tab(device)] == ["Withdraw access", "Sign out"]
    assert tab_back(device) == "Withdraw access"
    enter(device)
    assert device.count(".entry") == 0
    assert tab(device) == "Sign out"
    enter(device)
    assert tab(device) == "Sign out"
    enter(device)
    assert device.heading == "You are signed out"
    assert tab(device) == "Sign in"
    enter(device)
    assert device.heading == "Sign in"


def test_the_return_key_of_a_consent_page_decides_nothing(desk: Chromium, app: App, alice: Person) -> None:
    alice.sign_in(app.link())
    keys(desk, Keys.ENTER)
    keys(desk, Keys.SPACE)
    assert desk.count(ALLOW) == 1
    assert app.loopback.answers == []
