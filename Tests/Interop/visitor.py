"""A person without a browser: follows links within the server, and fills in forms."""

from html.parser import HTMLParser
from urllib.parse import urljoin

import requests

from people import PASSWORD


class Form(HTMLParser):
    """The one form of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        if tag == "form":
            self.action = values.get("action", "")
        if tag == "input" and "name" in values:
            self.fields[values["name"]] = values.get("value", "")


class Visitor:
    """A user of the server at `url`."""

    def __init__(self, url: str, name: str) -> None:
        self.url = url
        self.name = name
        self.session = requests.Session()

    def go(self, link: str, decision: str = "allow") -> str:
        """From a client's link, through sign-in and consent, to the URL that the client gets the answer at."""
        answer = self.session.get(link, allow_redirects=False)
        for _ in range(8):
            if answer.is_redirect:
                target = urljoin(answer.url, answer.headers["location"])
                if not target.startswith(self.url + "/"):
                    return target
                answer = self.session.get(target, allow_redirects=False)
                continue
            assert answer.status_code == 200, answer.text
            form = Form(answer.text)
            known = {"user": self.name, "name": self.name, "password": PASSWORD}
            filled = form.fields | {name: value for name, value in known.items() if name in form.fields}
            # Where nothing is to be filled in there are buttons.
            if filled == form.fields:
                filled["decision"] = decision
            answer = self.session.post(urljoin(answer.url, form.action), filled, allow_redirects=False)
        raise AssertionError(f"it does not come to an end: {answer.url}")
