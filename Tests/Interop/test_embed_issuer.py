"""Examples/EmbedIssuer: a service that issues tokens to applications for users of its own."""

import secrets
import subprocess
import time
from collections.abc import Iterator

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session

from apache import free_port
from library_fixtures import REDIRECT_URI
from served import ROOT, SECONDS, Server
from visitor import Visitor

SCOPE = "openid email readmeasurements"


@pytest.fixture(scope="module")
def service(server: Server) -> Iterator[str]:
    """Its URL; `tokenvault serve` works on the same vault meanwhile."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with (server.folder / "embed.log").open("wb") as log:
        process = subprocess.Popen(
            [ROOT / ".build/debug/EmbedIssuer", str(port)], cwd=server.folder, stdout=log,
            stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + SECONDS
        while True:
            assert process.poll() is None and time.monotonic() < deadline, (server.folder / "embed.log").read_text()
            try:
                requests.get(url + "/health/live", timeout=2)
                break
            except requests.ConnectionError:
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        assert process.wait(SECONDS) == 0


def session_of(server: Server, scope: str = SCOPE) -> OAuth2Session:
    client = server.add_client(
        f"Diary {secrets.token_hex(4)}", "--redirect-uri", REDIRECT_URI, "--scope", SCOPE)
    return OAuth2Session(
        client["client_id"], client["client_secret"], scope=scope, redirect_uri=REDIRECT_URI,
        code_challenge_method="S256")


def sign_in(session: OAuth2Session, url: str, name: str) -> dict:
    verifier = secrets.token_urlsafe(48)
    link, _ = session.create_authorization_url(url + "/oauth2/authorize", code_verifier=verifier)
    answer = Visitor(url, name).go(link)
    return session.fetch_token(url + "/oauth2/token", authorization_response=answer, code_verifier=verifier)


def test_its_users_data_is_read_with_a_token_until_it_is_revoked(server: Server, service: str) -> None:
    session = session_of(server)
    tokens = sign_in(session, service, "alice")
    assert session.get(service + "/oauth2/userinfo").json()["email"] == "alice@example.com"
    assert session.get(service + "/api/measurements").json() == [61, 60]
    refreshed = session.refresh_token(service + "/oauth2/token", refresh_token=tokens["refresh_token"])
    assert session.get(service + "/api/measurements").json() == [61, 60]
    # By another process, on the same vault: seen at once.
    assert session.revoke_token(server.url + "/oauth2/revoke", token=refreshed["refresh_token"]).ok
    refused = requests.get(
        service + "/api/measurements", headers={"Authorization": f"Bearer {refreshed['access_token']}"}, timeout=10)
    assert refused.status_code == 401 and "invalid_token" in refused.headers["WWW-Authenticate"]


def test_each_user_has_its_own_data_and_each_scope_its_own_reach(server: Server, service: str) -> None:
    session = session_of(server)
    sign_in(session, service, "bob")
    assert session.get(service + "/api/measurements").json() == [80]
    narrow = session_of(server, "openid")
    sign_in(narrow, service, "bob")
    refused = narrow.get(service + "/api/measurements")
    assert refused.status_code == 403 and "insufficient_scope" in refused.headers["WWW-Authenticate"]
    assert "email" not in narrow.get(service + "/oauth2/userinfo").json()
    assert requests.get(service + "/api/measurements", timeout=10).status_code == 401


def test_a_sign_in_that_nobody_asked_for_is_refused(service: str) -> None:
    answer = requests.post(service + "/sign-in", {"name": "alice"}, allow_redirects=False, timeout=10)
    assert answer.status_code == 403 and "Set-Cookie" not in answer.headers
