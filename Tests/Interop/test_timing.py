"""How long a refusal takes tells nobody who exists: medians of interleaved samples, printed."""

import http.client
import itertools
import re
import secrets
import statistics
import time
import urllib.parse
from collections.abc import Callable

import pytest

from people import PASSWORD
from served import Server

addresses = (f"198.51.{third}.{last}" for third, last in itertools.product(range(256), range(1, 255)))
Attempt = Callable[[], float]


class Wire:
    """One connection that is kept; each request seems to come from another address: none is slowed down."""

    def __init__(self, server: Server) -> None:
        self.connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=20)

    def post(self, path: str, form: dict[str, str], status: int, cookie: str = "") -> float:
        """Seconds from the first octet sent to the last one read."""
        headers = {
            "Content-Type": "application/x-www-form-urlencoded", "X-Forwarded-For": next(addresses),
            "Cookie": cookie,
        }
        body = urllib.parse.urlencode(form)
        start = time.perf_counter()
        self.connection.request("POST", path, body, headers)
        reply = self.connection.getresponse()
        reply.read()
        took = time.perf_counter() - start
        assert reply.status == status, reply.status
        return took

    def page(self, path: str) -> tuple[str, str]:
        """A page, and the cookie that came with it."""
        self.connection.request("GET", path)
        reply = self.connection.getresponse()
        text = reply.read().decode()
        return text, (reply.getheader("Set-Cookie") or "").partition(";")[0]


@pytest.fixture(scope="module")
def proxied(serve: Callable[..., Server]) -> Server:
    return serve("--trusted-proxy")


def medians(attempts: dict[str, Attempt], rounds: int) -> dict[str, float]:
    """Each in turn, so that whatever else the machine does meets all of them alike."""
    samples: dict[str, list[float]] = {name: [] for name in attempts}
    for number in range(rounds + 1):
        for name, attempt in attempts.items():
            took = attempt()
            # The first one of each finds nothing prepared.
            if number > 0:
                samples[name].append(took)
    return {name: statistics.median(taken) for name, taken in samples.items()}


def assert_alike(found: dict[str, float], tolerance: float, capsys: pytest.CaptureFixture[str]) -> None:
    spread = max(found.values()) - min(found.values())
    with capsys.disabled():
        listed = ", ".join(f"{name} {median * 1000:.2f} ms" for name, median in found.items())
        print(f"\n  medians: {listed}; apart: {spread * 1000:.2f} ms of {tolerance * 1000:.2f} ms allowed")
    assert spread < tolerance


def test_an_unknown_client_takes_as_long_as_a_wrong_secret(
    proxied: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    wire = Wire(proxied)
    options = ["--grant-type", "client_credentials", "--auth-method", "client_secret_post"]
    known = proxied.add_client("timing-known", *options)
    disabled = proxied.add_client("timing-disabled", *options)
    proxied.command("client", "disable", disabled["client_id"])

    def attempt(client: Callable[[], str]) -> Attempt:
        return lambda: wire.post(
            "/oauth2/token", {
                "grant_type": "client_credentials", "client_id": client(),
                "client_secret": secrets.token_urlsafe(32),
            }, 401)

    found = medians({
        "wrong secret": attempt(lambda: known["client_id"]),
        "unknown client": attempt(lambda: secrets.token_urlsafe(16)),
        "disabled client": attempt(lambda: disabled["client_id"]),
    }, rounds=300)
    assert_alike(found, max(0.00015, 0.2 * max(found.values())), capsys)


def test_an_unknown_user_takes_as_long_as_a_wrong_password(
    proxied: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    wire = Wire(proxied)
    proxied.add_user("timing-known", PASSWORD)
    proxied.add_user("timing-without-password")
    proxied.add_user("timing-disabled", PASSWORD)
    proxied.command("user", "disable", "timing-disabled")
    page, cookie = wire.page("/sign-in")
    form = re.search(r'name="form" value="([^"]+)"', page)
    assert form

    def attempt(name: Callable[[], str]) -> Attempt:
        return lambda: wire.post(
            "/sign-in", {"form": form[1], "user": name(), "password": "a wrong password"}, 403, cookie)

    found = medians({
        "wrong password": attempt(lambda: "timing-known"),
        "unknown user": attempt(lambda: secrets.token_hex(6)),
        "no password": attempt(lambda: "timing-without-password"),
        "disabled user": attempt(lambda: "timing-disabled"),
    }, rounds=15)
    assert_alike(found, 0.2 * max(found.values()), capsys)
