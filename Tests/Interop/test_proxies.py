"""The proxies of docs/operations.md, each with the path kept and with the path stripped."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session
from requests.adapters import HTTPAdapter

from apache import free_port
from certificate import Certificate
from library_fixtures import REDIRECT_URI, SCOPE
from people import PASSWORD
from proxies import KINDS, Proxy
from served import Server
from visitor import Visitor

PATHS = ["/id", "/two"]


class From(HTTPAdapter):
    """Connections from another address of this machine."""

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__()

    def init_poolmanager(self, *arguments: object, **options: object) -> None:
        super().init_poolmanager(*arguments, source_address=(self.address, 0), **options)


@dataclass
class Host:
    """Two issuers behind one proxy."""

    proxy: Proxy
    issuers: dict[str, Server]

    def add_client(self, path: str, *arguments: str) -> dict[str, Any]:
        return self.issuers[path].add_client(
            secrets.token_hex(4), "--redirect-uri", REDIRECT_URI, "--scope", SCOPE, *arguments)

    def metadata(self, path: str, place: str) -> dict[str, Any]:
        answer = requests.get(self.proxy.url + place, timeout=10)
        assert answer.status_code == 200, f"{place}: {answer.status_code} {self.proxy.logs}"
        assert answer.json()["issuer"] == self.proxy.url + path
        return answer.json()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Certificate]:
    certificate = Certificate(tmp_path_factory.mktemp("certificate"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("REQUESTS_CA_BUNDLE", str(certificate.chain))
        yield certificate


@pytest.fixture(scope="module", params=KINDS)
def host(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, serve: Callable[..., Server],
    certificate: Certificate
) -> Iterator[Host]:
    port, first, second = free_port(), free_port(), free_port()
    issuers = {
        path: serve("--listen", f"127.0.0.1:{own}", "--issuer", f"https://localhost:{port}{path}", "--trusted-proxy")
        for path, own in zip(PATHS, (first, second), strict=True)
    }
    for issuer in issuers.values():
        issuer.add_user("alice", PASSWORD)
    proxy = Proxy(request.param, tmp_path_factory.mktemp("proxy"), port, (first, second), certificate)
    yield Host(proxy, issuers)
    proxy.stop()


@pytest.mark.parametrize("path", PATHS)
def test_what_the_metadata_name_is_there(host: Host, path: str) -> None:
    metadata = host.metadata(path, "/.well-known/oauth-authorization-server" + path)
    assert host.metadata(path, path + "/.well-known/openid-configuration") == metadata
    named = {name: url for name, url in metadata.items() if name.endswith("_endpoint") or name == "jwks_uri"}
    assert len(named) == 8
    pages = {page: f"{host.proxy.url}{path}/{page}" for page in ("sign-in", "account/consents", "sign-out", "health/live")}
    for name, url in (named | pages).items():
        assert url.startswith(host.proxy.url + path + "/"), name
        assert requests.get(url, timeout=10, allow_redirects=False).status_code != 404, url


def test_users_sign_in_at_both_issuers_in_one_browser(host: Host) -> None:
    session = requests.Session()
    # Twice each: at the second visit nothing is asked but consent, at the most.
    for path in PATHS * 2:
        metadata = host.metadata(path, path + "/.well-known/openid-configuration")
        client = host.add_client(path)
        visitor = Visitor(host.proxy.url, "alice")
        visitor.session = session
        application = OAuth2Session(
            client["client_id"], client["client_secret"], scope=SCOPE, redirect_uri=REDIRECT_URI,
            code_challenge_method="S256")
        verifier = secrets.token_urlsafe(48)
        # Answers have it in a header.
        state = secrets.token_hex(2500)
        link, _ = application.create_authorization_url(
            metadata["authorization_endpoint"], state=state, code_verifier=verifier)
        tokens = application.fetch_token(
            metadata["token_endpoint"], authorization_response=visitor.go(link), state=state, code_verifier=verifier)
        assert application.refresh_token(metadata["token_endpoint"])["access_token"] != tokens["access_token"]
    cookies = {cookie.name for cookie in session.cookies}
    assert len(cookies) == 4, cookies
    for path in PATHS:
        assert "alice" in session.get(f"{host.proxy.url}{path}/account/consents", timeout=10).text


@pytest.mark.parametrize("path", PATHS)
def test_failures_count_by_the_address_that_the_proxy_saw(host: Host, path: str) -> None:
    client = host.add_client(path, "--grant-type=client_credentials")
    guesser, stranger = requests.Session(), requests.Session()
    guesser.mount("https://", From("127.0.0.2"))
    stranger.mount("https://", From("127.0.0.3"))

    def guess(session: requests.Session, number: int) -> int:
        forged = f"198.51.100.{number}"
        return session.post(
            f"{host.proxy.url}{path}/oauth2/token", {"grant_type": "client_credentials"},
            auth=(client["client_id"], f"wrong-{number}"), timeout=10,
            headers={"X-Forwarded-For": forged, "Forwarded": f"for={forged}", "X-Real-IP": forged}).status_code

    answers = [guess(guesser, number) for number in range(14)]
    assert answers[0] == 401 and answers[-1] == 429, answers
    assert guess(stranger, 20) == 401


def test_no_log_has_a_query_string(host: Host) -> None:
    marker = "a-secret-of-the-query"
    for path in PATHS:
        requests.get(f"{host.proxy.url}{path}/oauth2/authorize?state={marker}", timeout=10)
        # Nothing answers the proxy then, of which it says something in its log.
        host.issuers[path].stop()
        refused = requests.get(f"{host.proxy.url}{path}/oauth2/authorize?state={marker}", timeout=10)
        assert refused.status_code in (502, 503)
    assert marker not in host.proxy.logs
