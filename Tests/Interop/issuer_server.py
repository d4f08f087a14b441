"""`tokenvault serve` of a vault of its own, as a server that the keeper is a client of."""

from collections.abc import Callable

from people import PASSWORD
from served import Server
from visitor import Visitor

SCOPE = "openid offline_access basic"


class IssuerServer:
    revocation, userinfo = "/oauth2/revoke", "/oauth2/userinfo"

    def __init__(self, serve: Callable[..., Server], profile: str, prefix: str) -> None:
        self.authorization, self.token = f"{prefix}/authorize", f"{prefix}/token"
        self.server = serve("--profile", profile)
        self.url = self.server.url
        method = "client_secret_basic" if profile == "standard" else "client_secret_post"
        self.client = self.server.add_client(
            "the-keeper", "--redirect-uri", "http://127.0.0.1/callback", "--scope", SCOPE, "--auth-method", method,
            *(f"--grant-type={grant}" for grant in ("authorization_code", "refresh_token", "client_credentials")))
        self.server.add_user("alice", PASSWORD)

    def go(self, link: str) -> str:
        """Its user signs in and allows."""
        return Visitor(self.url, "alice").go(link)

    def register(self, redirect_uri: str) -> None:
        """It takes any port of the loopback address (RFC 8252 section 7.3)."""

    def stop(self) -> None:
        """`serve` ends it."""
