"""Apache in front of an application: mod_auth_openidc signs users in, mod_oauth2 takes access tokens."""

import secrets
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session

from apache import Apache, free_port
from library_fixtures import REDIRECT_URI, SCOPE, Provider
from visitor import Visitor

Start = Callable[[int, list[str], str], Apache]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[Apache] = []

    def start(port: int, modules: list[str], configuration: str) -> Apache:
        running.append(Apache(tmp_path, port, modules, configuration))
        return running[-1]

    yield start
    for apache in running:
        apache.stop()


def test_mod_auth_openidc_signs_a_user_in(
    provider: Provider, visitor: Visitor, tmp_path: Path, start: Start
) -> None:
    port = free_port()
    callback = f"http://127.0.0.1:{port}/protected/callback"
    client = provider.server.add_client("Apache", "--redirect-uri", callback, "--scope", "openid")
    certificate = tmp_path / "provider.pem"
    certificate.write_text(provider.certificate.read_text())
    apache = start(port, ["auth_openidc"], f"""
OIDCProviderMetadataURL {provider.issuer}/.well-known/openid-configuration
OIDCCABundlePath {certificate}
OIDCClientID {client["client_id"]}
OIDCClientSecret {client["client_secret"]}
OIDCRedirectURI {callback}
OIDCCryptoPassphrase {secrets.token_urlsafe()}
OIDCPKCEMethod S256
OIDCScope openid
OIDCRemoteUserClaim sub
OIDCPassClaimsAs environment
<Location /protected>
  AuthType openid-connect
  Require valid-user
  Header set X-Subject "%{{OIDC_CLAIM_sub}}e"
  Header set X-Userinfo "%{{OIDC_USERINFO_sub}}e"
  Header set X-Issuer "%{{OIDC_CLAIM_iss}}e"
  Header set X-Token "%{{OIDC_access_token}}e"
</Location>
""")
    browser = requests.Session()
    asked = browser.get(apache.url + "/protected/", allow_redirects=False)
    assert asked.status_code == 302, apache.log.read_text()
    assert asked.headers["location"].startswith(provider.issuer + "/oauth2/authorize?")
    back = visitor.go(asked.headers["location"])
    assert back.startswith(callback)
    page = browser.get(back)
    assert page.status_code == 200 and "This is protected" in page.text, apache.log.read_text()
    assert page.headers["X-Issuer"] == provider.issuer
    # Apache read userinfo with the access token; it is the same user, and the same that we are told.
    token = page.headers["X-Token"]
    told = requests.get(
        provider.metadata["userinfo_endpoint"], headers={"Authorization": f"Bearer {token}"}, timeout=10).json()
    assert page.headers["X-Subject"] == told["sub"]
    # The session lasts without asking again, and a stranger is asked.
    assert browser.get(apache.url + "/protected/", allow_redirects=False).status_code == 200
    assert requests.get(apache.url + "/protected/", allow_redirects=False, timeout=10).status_code == 302
    # The answer of one browser is of no use in another.
    assert "This is protected" not in requests.get(back, timeout=10).text


def test_mod_oauth2_protects_a_resource_by_introspection(
    provider: Provider, visitor: Visitor, start: Start
) -> None:
    resource = provider.server.add_client("Resource", "--grant-type", "client_credentials", "--may-introspect")
    options = urllib.parse.urlencode({
        "introspect.auth": "client_secret_basic", "client_id": resource["client_id"],
        "client_secret": resource["client_secret"], "introspect.ssl_verify": "false", "expiry": "1",
    })
    apache = start(free_port(), ["oauth2"], f"""
<Location /protected>
  AuthType oauth2
  OAuth2TokenVerify introspect {provider.metadata["introspection_endpoint"]} {options}
  Require valid-user
  Header set X-Subject "%{{OAUTH2_CLAIM_sub}}e"
  Header set X-Scope "%{{OAUTH2_CLAIM_scope}}e"
</Location>
""")
    client = provider.add_client("For the resource")
    session = OAuth2Session(
        client["client_id"], client["client_secret"], scope=SCOPE, redirect_uri=REDIRECT_URI,
        code_challenge_method="S256")
    verifier = secrets.token_urlsafe(48)
    link, _ = session.create_authorization_url(
        provider.metadata["authorization_endpoint"], code_verifier=verifier)
    tokens = session.fetch_token(
        provider.metadata["token_endpoint"], authorization_response=visitor.go(link), code_verifier=verifier)

    def ask(token: str | None) -> requests.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return requests.get(apache.url + "/protected/", headers=headers, timeout=10)

    page = ask(tokens["access_token"])
    assert page.status_code == 200, apache.log.read_text()
    assert page.headers["X-Scope"] == SCOPE and page.headers["X-Subject"].startswith("u_")
    for token in (None, "x" * 43, tokens["refresh_token"], tokens["access_token"][:-1]):
        assert ask(token).status_code == 401
    assert session.revoke_token(provider.metadata["revocation_endpoint"], token=tokens["access_token"]).ok
    # It asks again once its cache forgets, which it does after a second.
    deadline = time.monotonic() + 10
    while ask(tokens["access_token"]).status_code != 401:
        assert time.monotonic() < deadline, "a revoked token is still taken"
        time.sleep(0.2)
