"""Authlib against the server."""

import secrets
from pathlib import Path

import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import ECKey, RSAKey

from library_fixtures import REDIRECT_URI, SCOPE, Provider
from visitor import Visitor


def begin(session: OAuth2Session, provider: Provider, visitor: Visitor) -> tuple[dict, str]:
    """Tokens, and the nonce they were asked for with."""
    nonce, verifier = secrets.token_urlsafe(), secrets.token_urlsafe(48)
    link, state = session.create_authorization_url(
        provider.metadata["authorization_endpoint"], code_verifier=verifier, nonce=nonce)
    tokens = session.fetch_token(
        provider.metadata["token_endpoint"], authorization_response=visitor.go(link), state=state,
        code_verifier=verifier)
    return tokens, nonce


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_code_refresh_introspection_and_revocation(provider: Provider, visitor: Visitor, method: str) -> None:
    client = provider.add_client(f"authlib-{method}", "--id-token-alg", "EdDSA")
    session = OAuth2Session(
        client["client_id"], client["client_secret"], token_endpoint_auth_method=method, scope=SCOPE,
        revocation_endpoint_auth_method=method, redirect_uri=REDIRECT_URI, code_challenge_method="S256")
    tokens, nonce = begin(session, provider, visitor)
    subject = provider.check_id_token(tokens["id_token"], client["client_id"], nonce, "EdDSA")
    metadata = provider.metadata
    fresh = session.refresh_token(metadata["token_endpoint"], refresh_token=tokens["refresh_token"])
    assert fresh["refresh_token"] != tokens["refresh_token"]
    seen = session.introspect_token(metadata["introspection_endpoint"], token=fresh["access_token"]).json()
    assert seen["active"] and seen["client_id"] == client["client_id"] and seen["sub"] == subject
    assert session.revoke_token(metadata["revocation_endpoint"], token=fresh["refresh_token"]).status_code == 200
    for token in (fresh["access_token"], fresh["refresh_token"], tokens["access_token"]):
        seen = session.introspect_token(metadata["introspection_endpoint"], token=token).json()
        assert seen == {"active": False}
    with pytest.raises(OAuthError, match="invalid_grant"):
        session.refresh_token(metadata["token_endpoint"], refresh_token=fresh["refresh_token"])


def test_private_key_jwt(provider: Provider, visitor: Visitor, tmp_path: Path, key: ECKey | RSAKey) -> None:
    algorithm = key.get("alg")
    client = provider.add_key_client(f"authlib-{algorithm}", tmp_path, key)
    endpoint = provider.metadata["token_endpoint"]
    session = OAuth2Session(
        client["client_id"], key, scope=SCOPE, redirect_uri=REDIRECT_URI,
        code_challenge_method="S256",
        token_endpoint_auth_method=PrivateKeyJWT(endpoint, alg=algorithm, headers={"kid": "its-own"}))
    tokens, nonce = begin(session, provider, visitor)
    provider.check_id_token(tokens["id_token"], client["client_id"], nonce)
    fresh = session.refresh_token(endpoint, refresh_token=tokens["refresh_token"])
    assert fresh["access_token"] != tokens["access_token"]


def test_a_wrong_key_is_refused(provider: Provider, tmp_path: Path) -> None:
    client = provider.add_key_client("authlib-wrong", tmp_path, ECKey.generate_key("P-256", {"kid": "its-own"}))
    other = ECKey.generate_key("P-256")
    endpoint = provider.metadata["token_endpoint"]
    session = OAuth2Session(
        client["client_id"], other, scope="basic",
        token_endpoint_auth_method=PrivateKeyJWT(endpoint, alg="ES256", headers={"kid": "its-own"}))
    with pytest.raises(OAuthError, match="invalid_client"):
        session.fetch_token(endpoint, grant_type="client_credentials")
