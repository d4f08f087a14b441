"""The servers of the matrix: each is started with a clock of its own, and has one client and one user."""

import base64
import hashlib
import http.client
import json
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests

from authlib_server import AuthlibServer
from django_server import DjangoServer
from fake_clock import FakeClock
from glewlwyd import Glewlwyd
from people import PASSWORD
from served import Server
from visitor import Visitor

REDIRECT_URI = "http://127.0.0.1:1/callback"


@dataclass(frozen=True)
class Pair:
    access: str
    refresh: str


class Ours:
    """`tokenvault serve`, with a client under one policy."""

    authorization, token, userinfo = "/oauth2/authorize", "/oauth2/token", "/oauth2/userinfo"

    def __init__(self, folder: Path, policy: str) -> None:
        self.server = Server(folder)
        self.url = self.server.url
        client = self.server.add_client(
            "a-client", "--redirect-uri", "http://127.0.0.1/callback", "--scope", "openid offline_access basic",
            "--rotation", policy, "--idle-lifetime", "30d", "--absolute-lifetime", "30d")
        self.client_id, self.client_secret = client["client_id"], client["client_secret"]
        self.server.add_user("alice", PASSWORD)

    def go(self, link: str) -> str:
        return Visitor(self.url, "alice").go(link)

    def stop(self) -> None:
        self.server.stop()


class Authlib:
    authorization, token, userinfo = AuthlibServer.authorization, AuthlibServer.token, AuthlibServer.userinfo

    def __init__(self, client_secret: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("authlib_process.py")], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        self.process.stdin.write(client_secret + "\n")
        self.process.stdin.flush()
        self.url = self.process.stdout.readline().strip()
        assert self.url, "Authlib did not start"

    def go(self, link: str) -> str:
        answer = requests.get(link, allow_redirects=False, timeout=10)
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]

    def stop(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=20)


class Column:
    """A server with one client, as the client and its API see it."""

    def __init__(
        self, server: Any, clock: FakeClock, client_id: str, client_secret: str, scope: str, method: str
    ) -> None:
        self.server, self.clock, self.scope = server, clock, scope
        self.address = urlsplit(server.url).netloc
        self.headers = {"Content-Type": "application/x-www-form-urlencoded", "Connection": "close"}
        self.credentials = {}
        if method == "basic":
            known = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
            self.headers["Authorization"] = "Basic " + known
        else:
            self.credentials = {"client_id": client_id, "client_secret": client_secret}
        self.client_id = client_id

    def sign_in(self) -> Pair:
        """A new grant: the user allows, the client redeems the code."""
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code", "client_id": self.client_id, "redirect_uri": REDIRECT_URI, "scope": self.scope,
            "state": secrets.token_urlsafe(), "code_challenge": challenge, "code_challenge_method": "S256"}
        back = self.server.go(f"{self.server.url}{self.server.authorization}?{urlencode(query)}")
        code = dict(parse_qsl(urlsplit(back).query))["code"]
        pair = self.pair(
            grant_type="authorization_code", code=code, redirect_uri=REDIRECT_URI, code_verifier=verifier)
        assert pair, "the code was refused"
        return pair

    def refresh(self, pair: Pair) -> Pair | None:
        """Nil: the server refuses it."""
        return self.pair(grant_type="refresh_token", refresh_token=pair.refresh)

    def refresh_and_hang_up(self, pair: Pair) -> None:
        """Sends the request and closes; the server has a second to be done with it."""
        connection = self.connection()
        self.send(connection, grant_type="refresh_token", refresh_token=pair.refresh)
        connection.close()
        time.sleep(1)

    def accepts(self, pair: Pair) -> bool:
        """Whether an API of the server takes the access token."""
        connection = self.connection()
        connection.request("GET", self.server.userinfo, headers={
            "Authorization": "Bearer " + pair.access, "Connection": "close"})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        assert answer.status in (200, 401, 403), answer.status
        return answer.status == 200

    def refresh_at_once(self, pair: Pair, count: int) -> list[Pair | None]:
        """All connections are open before the first request is sent, and all are sent before an answer is read."""
        connections = [self.connection() for _ in range(count)]
        for connection in connections:
            connection.connect()
        form = {"grant_type": "refresh_token", "refresh_token": pair.refresh}
        for connection in connections:
            self.send(connection, **form)
        return [self.answer(connection, form) for connection in connections]

    def pair(self, **form: str) -> Pair | None:
        connection = self.connection()
        self.send(connection, **form)
        return self.answer(connection, form)

    def answer(self, connection: http.client.HTTPConnection, form: dict[str, str], tries: int = 5) -> Pair | None:
        """A server that fails is asked again, as clients do."""
        try:
            answer = connection.getresponse()
            body = answer.read()
        except (ConnectionError, http.client.HTTPException):
            body = None
        finally:
            connection.close()
        if body is None or answer.status >= 500:
            assert tries > 1, f"{self.server.url} fails"
            connection = self.connection()
            self.send(connection, **form)
            return self.answer(connection, form, tries - 1)
        if answer.status == 200:
            tokens = json.loads(body)
            return Pair(tokens["access_token"], tokens["refresh_token"])
        assert answer.status in (400, 401, 403), (answer.status, body)
        return None

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.address, timeout=60)

    def send(self, connection: http.client.HTTPConnection, **form: str) -> None:
        connection.request("POST", self.server.token, urlencode(form | self.credentials), self.headers)


OURS = ["strict", "until-first-use:1d", "until-first-use:30d", "stale-tolerant:1000:30d"]
OTHERS = {
    "django-oauth-toolkit": "django-oauth-toolkit", "django-protected": "the same, reuse protection",
    "authlib": "Authlib", "glewlwyd": "glewlwyd"}


def start(name: str, folder: Path, clock: FakeClock) -> Column:
    if name in OURS:
        server = Ours(folder, name)
        return Column(server, clock, server.client_id, server.client_secret, "openid offline_access basic", "basic")
    secret = secrets.token_urlsafe(24)
    if name == "authlib":
        return Column(Authlib(secret), clock, "the-keeper", secret, "measurements", "post")
    if name == "glewlwyd":
        return Column(Glewlwyd(folder, secret), clock, "the-keeper", secret, "measurements", "basic")
    server = DjangoServer(folder, secret)
    server.adopt(0, name == "django-protected")
    return Column(server, clock, "the-keeper", secret, "measurements", "basic")
