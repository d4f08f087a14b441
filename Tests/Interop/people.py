"""A user at the pages of the server: links of clients, and the steps a person takes."""

import base64
import hashlib
import itertools
import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from chromium import Chromium
from loopback import Loopback
from served import Server

PASSWORD = "correct horse battery staple"
VERIFIER = "a-verifier-of-forty-three-characters-at-least"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
SCOPE = "openid profile email offline_access basic readmeasurements"
ALLOW = "button[value=allow]"
DENY = "button[value=deny]"
numbers = itertools.count(1)


@dataclass
class App:
    """A client whose redirect URI is a server of the test."""

    server: Server
    loopback: Loopback
    name: str = ""
    scope: str = SCOPE
    is_public: bool = False
    client_id: str = field(init=False)
    credentials: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        # Names are taken once.
        self.name = self.name or f"Mood Tracker {next(numbers)}"
        client = self.server.add_client(
            self.name, *(["--public"] if self.is_public else ["--auth-method", "client_secret_post"]),
            "--redirect-uri", self.loopback.callback, "--scope", self.scope)
        self.client_id = client["client_id"]
        self.credentials = {"client_id": self.client_id}
        if not self.is_public:
            self.credentials["client_secret"] = client["client_secret"]

    def link(self, **changes: str) -> str:
        """Where the client sends its users."""
        query = {
            "response_type": "code", "client_id": self.client_id, "redirect_uri": self.loopback.callback,
            "scope": self.scope, "state": "a state & more", "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        return self.server.url + "/oauth2/authorize?" + urllib.parse.urlencode(query | changes)

    def redeem(self, code: str) -> dict[str, Any]:
        return self.token(
            grant_type="authorization_code", code=code, redirect_uri=self.loopback.callback,
            code_verifier=VERIFIER)

    def refresh(self, token: str) -> dict[str, Any]:
        return self.token(grant_type="refresh_token", refresh_token=token)

    def token(self, **form: str) -> dict[str, Any]:
        body = urllib.parse.urlencode(form | self.credentials).encode()
        try:
            with urllib.request.urlopen(self.server.url + "/oauth2/token", body, timeout=10) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            return json.load(error)


@dataclass
class Person:
    """A user of the server, with a browser."""

    server: Server
    browser: Chromium
    name: str = ""

    def __post_init__(self) -> None:
        self.name = self.name or f"alice-{next(numbers)}"
        self.server.add_user(self.name, PASSWORD)

    def fill_in(self, password: str = PASSWORD, name: str | None = None) -> None:
        """Fills in the sign-in form, and sends it."""
        for selector, text in [("#user", name or self.name), ("#password", password)]:
            field = self.browser.find(selector)
            field.clear()
            field.send_keys(text)
        self.browser.press("form button")

    def sign_in(self, link: str | None = None) -> None:
        self.browser.driver.get(link or self.server.url + "/sign-in")
        self.fill_in()

    def allow(self, app: App, **changes: str) -> dict[str, str]:
        """From the client's link to its answer, in a browser that is signed in."""
        self.browser.driver.get(app.link(**changes))
        self.browser.press(ALLOW)
        return app.loopback.answer()

    def sign_out(self) -> None:
        self.browser.driver.get(self.server.url + "/sign-out")
        self.browser.press("form button")
