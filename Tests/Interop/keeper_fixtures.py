"""For the tests of the keeper: servers to be a client of, and a vault that keeps their tokens."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import requests

from authlib_server import AuthlibServer
from django_server import DjangoServer
from glewlwyd import Glewlwyd
from issuer_server import SCOPE as ISSUER_SCOPE
from issuer_server import IssuerServer
from keeper import Keeper
from lossy import Lossy
from served import Server


@dataclass
class Known:
    """What the keeper is told of a server: who it is there, and what a second use of a refresh token does."""

    replay: str
    client: str
    client_id: str
    client_secret: str
    scope: str
    own_client_id: str
    entry: str | None = None
    """Of the catalogue, instead of one of the test's own."""
    replies: str = "{}"
    policy: tuple[int, bool] | None = None
    """Of a server that can have several."""


@dataclass
class Peer:
    """A server, and the proxy through which the keeper reaches its token endpoint."""

    name: str
    server: Any
    known: Known
    proxy: Lossy

    def add_to(self, keeper: Keeper, name: str | None = None, own: bool = False, **more: str) -> str:
        """Adds it to a vault as a provider; `own` as a client that asks for itself. Its name there."""
        name = name or self.name
        endpoints = {
            "authorization": self.server.url + self.server.authorization, "token": self.proxy.url + self.server.token,
            "revocation": self.proxy.url + self.server.revocation}
        if self.known.entry and not more:
            source = ["--entry", self.known.entry] + [f"--endpoint={key}={url}" for key, url in endpoints.items()]
        else:
            lines = [f"name: {name}", f"title: {name}", "endpoints:"]
            lines += [f"  {key}: {url}" for key, url in endpoints.items()]
            lines += [f"client: {self.known.client}", f"refresh: {{rotates: true, replay: {self.known.replay}}}"]
            lines += [f"replies: {self.known.replies}"]
            lines += [f"{key}: {value}" for key, value in more.items()]
            entry = keeper.folder / f"{name}.yaml"
            entry.write_text("\n".join(lines) + "\n")
            source = ["--file", entry]
        keeper.run(
            "provider", "add", name, *source, "--client-id",
            self.known.own_client_id if own else self.known.client_id, "--client-secret-file",
            keeper.secret_file(f"{name}.secret", self.known.client_secret), "--scope", self.known.scope)
        return name

    def connect(self, keeper: Keeper, provider: str | None = None, *options: str) -> dict[str, Any]:
        return keeper.connect(provider or self.name, self.server.go, self.server.register, *options)

    def revoke(self, token: str) -> None:
        """At the server, past the keeper."""
        form, auth = self.authenticated({"token": token, "token_type_hint": "refresh_token"})
        assert requests.post(self.server.url + self.server.revocation, form, auth=auth, timeout=10).ok

    def refuses(self, refresh_token: str) -> bool:
        """Whether the server itself says no, asked without the keeper."""
        form, auth = self.authenticated({"grant_type": "refresh_token", "refresh_token": refresh_token})
        answer = requests.post(self.server.url + self.server.token, form, auth=auth, timeout=10)
        assert answer.status_code in (200, 400), answer.text
        return answer.status_code == 400

    def authenticated(self, form: dict[str, str]) -> tuple[dict[str, str], tuple[str, str] | None]:
        """A form and Basic credentials, as the client sends them."""
        name, secret = self.known.client_id, self.known.client_secret
        return (form, (name, secret)) if self.known.client == "basic" else (
            form | {"client_id": name, "client_secret": secret}, None)


@pytest.fixture(scope="session")
def known_servers(
    tmp_path_factory: pytest.TempPathFactory, serve: Callable[..., Server]
) -> Iterator[Callable[[str], tuple[Any, Known]]]:
    """Servers by the name of the peer, each started when somebody first asks for it."""
    servers: dict[str, Any] = {}
    secret = "planted-" + secrets.token_urlsafe(24)

    def start(name: str) -> Any:
        folder = tmp_path_factory.mktemp(name)
        match name:
            case "glewlwyd": return Glewlwyd(folder, secret)
            case "authlib": return AuthlibServer(secret)
            case "django": return DjangoServer(folder, secret)
            case "issuer": return IssuerServer(serve, "standard", "/oauth2")
            case "seed": return IssuerServer(serve, "quantimodo", "/api/v1/oauth")

    def known(name: str) -> tuple[Any, Known]:
        kind = name.split("-")[0]
        if kind not in servers:
            servers[kind] = start(kind)
        server = servers[kind]
        usual = Known("rejected", "basic", "the-keeper", secret, "measurements", "the-keeper")
        match name:
            case "glewlwyd":
                # It refuses without a word.
                return server, replace(usual, replay="revokes", replies="{error_codes: {http_400: invalid_grant}}")
            case "authlib": return server, replace(usual, client="post")
            case "django": usual = replace(usual, policy=(0, False))
            case "django-grace": usual = replace(usual, replay="within 2m", policy=(120, False))
            case "django-protected": usual = replace(usual, replay="revokes", policy=(0, True))
            case _:
                client_id = server.client["client_id"]
                # The retry window is that of `client add`.
                usual = Known(
                    "within 60s", "basic", client_id, server.client["client_secret"], ISSUER_SCOPE, client_id)
                return server, usual if name == "issuer" else replace(usual, client="post", entry="quantimodo-v1")
        return server, replace(usual, own_client_id="the-keeper-itself")

    yield known
    for server in servers.values():
        server.stop()


EVERY_PEER = ["glewlwyd", "authlib", "django", "django-grace", "django-protected", "issuer", "seed"]


@pytest.fixture(params=EVERY_PEER)
def peer(request: pytest.FixtureRequest, known_servers: Callable[[str], tuple[Any, Known]]) -> Iterator[Peer]:
    """One server after the other; `@pytest.mark.parametrize("peer", […], indirect=True)` chooses."""
    server, known = known_servers(request.param)
    if known.policy:
        server.adopt(*known.policy)
    proxy = Lossy(server.url)
    yield Peer(request.param, server, known, proxy)
    proxy.close()


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    return Keeper(tmp_path)


@pytest.fixture
def connected(keeper: Keeper, peer: Peer) -> str:
    """A connection of alice at the peer."""
    peer.add_to(keeper)
    assert peer.connect(keeper)["state"] == "live"
    return f"{peer.name}/alice"
