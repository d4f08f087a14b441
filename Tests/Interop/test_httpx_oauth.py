"""httpx-oauth, which signs users in to FastAPI sites, against the server."""

import asyncio
import secrets
from urllib.parse import parse_qs, urlsplit

import pytest
from httpx_oauth.clients.openid import OpenID
from httpx_oauth.exceptions import GetProfileError
from httpx_oauth.oauth2 import RefreshTokenError

from library_fixtures import REDIRECT_URI, Provider
from visitor import Visitor

SCOPES = ["openid", "email"]


@pytest.fixture(autouse=True)
def certificate(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """How a certificate of one's own is told to httpx."""
    monkeypatch.setenv("SSL_CERT_FILE", str(provider.certificate))


def test_sign_in_email_refresh_and_revocation(provider: Provider, visitor: Visitor) -> None:
    address = f"{visitor.name}@example.com"
    provider.server.command("user", "set", visitor.name, "--email", address, "--email-verified")
    registered = provider.server.add_client(
        "httpx-oauth", "--redirect-uri", REDIRECT_URI, "--scope", " ".join(SCOPES),
        "--grant-type=authorization_code", "--grant-type=refresh_token")

    async def run() -> None:
        client = OpenID(
            registered["client_id"], registered["client_secret"],
            provider.issuer + "/.well-known/openid-configuration")
        state = secrets.token_urlsafe()
        answer = parse_qs(urlsplit(visitor.go(await client.get_authorization_url(REDIRECT_URI, state))).query)
        assert answer["state"] == [state]
        tokens = await client.get_access_token(answer["code"][0], REDIRECT_URI)
        subject, email = await client.get_id_email(tokens["access_token"])
        assert email == address
        assert provider.check_id_token(tokens["id_token"], registered["client_id"], nonce=None) == subject
        assert not tokens.is_expired()
        fresh = await client.refresh_token(tokens["refresh_token"])
        assert fresh["refresh_token"] != tokens["refresh_token"]
        assert await client.get_id_email(fresh["access_token"]) == (subject, email)
        await client.revoke_token(fresh["refresh_token"], "refresh_token")
        with pytest.raises(GetProfileError):
            await client.get_profile(fresh["access_token"])
        with pytest.raises(RefreshTokenError):
            await client.refresh_token(fresh["refresh_token"])

    asyncio.run(run())
