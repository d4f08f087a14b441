"""requests-oauthlib against the server."""

import secrets

import pytest
from oauthlib.oauth2 import BackendApplicationClient, InvalidGrantError
from requests_oauthlib import OAuth2Session

from library_fixtures import REDIRECT_URI, SCOPE, Provider
from visitor import Visitor


def begin(provider: Provider, visitor: Visitor, name: str, *options: str) -> tuple[OAuth2Session, str, dict, str]:
    """A session with tokens, the secret of its client, the tokens, and the nonce."""
    client = provider.add_client(name, *options)
    session = OAuth2Session(client["client_id"], redirect_uri=REDIRECT_URI, scope=SCOPE.split(), pkce="S256")
    nonce = secrets.token_urlsafe()
    link, _ = session.authorization_url(provider.metadata["authorization_endpoint"], nonce=nonce)
    secret = client.get("client_secret")
    tokens = session.fetch_token(
        provider.metadata["token_endpoint"], authorization_response=visitor.go(link), client_secret=secret,
        include_client_id=secret is None or None)
    return session, secret, tokens, nonce


def test_code_with_pkce_then_refresh_and_userinfo(provider: Provider, visitor: Visitor) -> None:
    session, secret, tokens, nonce = begin(provider, visitor, "oauthlib")
    subject = provider.check_id_token(tokens["id_token"], session.client_id, nonce)
    assert session.get(provider.metadata["userinfo_endpoint"]).json()["sub"] == subject
    url = provider.metadata["token_endpoint"]
    auth = (session.client_id, secret)
    fresh = session.refresh_token(url, auth=auth)
    assert fresh["refresh_token"] != tokens["refresh_token"]
    assert fresh["access_token"] != tokens["access_token"]
    provider.check_id_token(fresh["id_token"], session.client_id, nonce=None)
    assert session.get(provider.metadata["userinfo_endpoint"]).json()["sub"] == subject
    # The answer was lost, says the client: it gets the same again.
    assert session.refresh_token(url, refresh_token=tokens["refresh_token"], auth=auth)["access_token"] == fresh["access_token"]
    last = session.refresh_token(url, refresh_token=fresh["refresh_token"], auth=auth)
    # Two generations old is a stolen one, and ends the grant.
    for token in (tokens["refresh_token"], last["refresh_token"]):
        with pytest.raises(InvalidGrantError):
            session.refresh_token(url, refresh_token=token, auth=auth)
    assert session.get(provider.metadata["userinfo_endpoint"]).status_code == 401


def test_a_public_client(provider: Provider, visitor: Visitor) -> None:
    session, _, tokens, nonce = begin(
        provider, visitor, "oauthlib-public", "--public", "--id-token-alg", "ES256")
    provider.check_id_token(tokens["id_token"], session.client_id, nonce, "ES256")
    fresh = session.refresh_token(provider.metadata["token_endpoint"], client_id=session.client_id)
    assert fresh["refresh_token"] != tokens["refresh_token"]


def test_the_state_of_another_session_is_refused(provider: Provider, visitor: Visitor) -> None:
    client = provider.add_client("oauthlib-state")
    session = OAuth2Session(client["client_id"], redirect_uri=REDIRECT_URI, scope=SCOPE.split(), pkce="S256")
    link, state = session.authorization_url(provider.metadata["authorization_endpoint"])
    answer = visitor.go(link)
    assert f"state={state}" in answer and "iss=https%3A%2F%2F127.0.0.1" in answer
    with pytest.raises(Exception, match="mismatching_state"):
        session.fetch_token(
            provider.metadata["token_endpoint"], client_secret=client["client_secret"],
            authorization_response=answer.replace(f"state={state}", "state=other"))


@pytest.mark.parametrize("in_body", [False, True], ids=["client_secret_basic", "client_secret_post"])
def test_client_credentials(provider: Provider, in_body: bool) -> None:
    client = provider.add_client(f"oauthlib-cc-{in_body}")
    session = OAuth2Session(client=BackendApplicationClient(client["client_id"], scope=["basic"]))
    tokens = session.fetch_token(
        provider.metadata["token_endpoint"], client_id=client["client_id"], client_secret=client["client_secret"],
        include_client_id=in_body or None)
    assert tokens["scope"] == ["basic"] and "refresh_token" not in tokens
