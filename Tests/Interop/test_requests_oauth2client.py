"""requests-oauth2client against the server: it validates what it gets strictly."""

from pathlib import Path

import pytest
from joserfc.jwk import ECKey, RSAKey
from requests_oauth2client import (
    InvalidClient,
    InvalidGrant,
    MismatchingIssuer,
    OAuth2Client,
    PrivateKeyJwt,
)

from library_fixtures import REDIRECT_URI, SCOPE, Provider
from visitor import Visitor


def discover(provider: Provider, **options: object) -> OAuth2Client:
    return OAuth2Client.from_discovery_endpoint(issuer=provider.issuer, redirect_uri=REDIRECT_URI, **options)


def test_discovery_code_refresh_introspection_and_revocation(provider: Provider, visitor: Visitor) -> None:
    registered = provider.add_client("oauth2client")
    client = discover(
        provider, client_id=registered["client_id"], client_secret=registered["client_secret"])
    request = client.authorization_request(scope=SCOPE, max_age=3600)
    # Checks state and iss; the client checks the id_token with nonce, at_hash, auth_time and signature.
    tokens = client.authorization_code(request.validate_callback(visitor.go(str(request))), validate=True)
    subject = tokens.id_token.sub
    assert client.userinfo(tokens)["sub"] == subject
    fresh = client.refresh_token(tokens)
    assert fresh.refresh_token != tokens.refresh_token
    assert client.introspect_token(fresh.access_token)["sub"] == subject
    assert client.revoke_refresh_token(fresh)
    assert client.introspect_token(fresh.access_token) == {"active": False}
    with pytest.raises(InvalidGrant):
        client.refresh_token(fresh)


def test_private_key_jwt(provider: Provider, visitor: Visitor, tmp_path: Path, key: ECKey | RSAKey) -> None:
    registered = provider.add_key_client(f"oauth2client-{key.get('alg')}", tmp_path, key)
    client = discover(provider, auth=PrivateKeyJwt(registered["client_id"], key.as_dict(private=True)))
    assert client.client_credentials(scope="basic").scope == "basic"
    request = client.authorization_request(scope=SCOPE)
    tokens = client.authorization_code(request.validate_callback(visitor.go(str(request))), validate=True)
    assert client.introspect_token(tokens.access_token)["client_id"] == registered["client_id"]
    assert client.revoke_access_token(tokens)


def test_an_answer_of_another_issuer_is_refused(provider: Provider, visitor: Visitor) -> None:
    """The mix-up attack (RFC 9207): the client knows by `iss` whose answer it is."""
    registered = provider.add_client("oauth2client-mix-up")
    client = discover(
        provider, client_id=registered["client_id"], client_secret=registered["client_secret"])
    request = client.authorization_request(scope="basic")
    answer = visitor.go(str(request))
    with pytest.raises(MismatchingIssuer):
        request.validate_callback(answer.replace("iss=https", "iss=http"))


def test_a_wrong_secret_is_refused(provider: Provider) -> None:
    registered = provider.add_client("oauth2client-wrong")
    client = discover(provider, client_id=registered["client_id"], client_secret="x" * 43)
    with pytest.raises(InvalidClient):
        client.client_credentials(scope="basic")
