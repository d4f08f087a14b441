"""Names from outside: long, from right to left, or written to be code."""

import unicodedata

import pytest

import page_checks
from chromium import Chromium
from loopback import Loopback
from people import ALLOW, App, Person
from served import Server

# Each with one that is left open, and would turn around what follows.
DIRECTIONS = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
NAMES = {
    "one-long-word": "Extraordinarily" * 13 + "verbal",
    "long-text": "A tracker of moods " * 10,
    "right-to-left": "متتبع المزاج اليومي",
    "turned-around": "\u202edekcart era sdoom\u2067",
    "markup": "<script>document.title='owned'</script><b onmouseover=alert(1)>\"'`{{user}}&amp;",
    "marks": "Z\u0310\u0311\u0312\u0313\u0314\u0315\u031a\u031b\u033d\u033e\u033f\u0340" * 10,
}
TITLES = ["Sign in", "Error: Sign in", "Allow access?", "What you allowed", "Sign out?"]


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_a_name_stays_text_in_its_place(
    phone: Chromium, server: Server, loopback: Loopback, name: str, request: pytest.FixtureRequest
) -> None:
    app = App(server, loopback, name=name.strip()[:200])
    # A user's name turns nothing around, and is kept in NFC.
    person = Person(server, phone, name=unicodedata.normalize("NFC", app.name.translate(DIRECTIONS)))
    shown = app.name.translate(DIRECTIONS)
    problems: list[str] = []

    def check(page: str, status: int = 200) -> None:
        assert phone.driver.title in TITLES
        # After the case: the name itself is no name of a file.
        picture = f"{page}-{request.node.callspec.id}"
        problems.extend(page_checks.everything(phone, picture, [server.url, loopback.origin], status))
        assert phone.count("bdi *") == 0

    phone.driver.get(app.link(login_hint=person.name))
    check("name-sign-in")
    person.fill_in(password="a wrong password")
    check("name-sign-in-wrong", 403)
    person.fill_in()
    assert phone.script("return document.querySelector('h1 bdi').textContent") == shown
    user = phone.script("return document.querySelector('.lead bdi').textContent")
    assert user == person.name
    check("name-consent")
    assert phone.heading.endswith(" asks for access to your account")
    # What stands behind the name keeps its direction: "asks" is read from left to right.
    first, last = phone.script("""
        const text = document.querySelector('h1 bdi').nextSibling;
        return [1, 4].map(index => {
            const range = document.createRange();
            range.setStart(text, index);
            range.setEnd(text, index + 1);
            return range.getBoundingClientRect().left;
        })""")
    assert first < last
    phone.press(ALLOW)
    assert loopback.answer()["code"]
    phone.driver.get(app.server.url + "/account/consents")
    assert phone.script("return document.querySelector('h2 bdi').textContent") == shown
    check("name-consents")
    phone.driver.get(app.server.url + "/sign-out")
    check("name-sign-out")
    assert problems == []
