"""For the tests of client libraries: a server with TLS, clients registered there, and a visitor."""

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from certificate import Certificate
from people import PASSWORD
from served import Server
from visitor import Visitor

REDIRECT_URI = "https://client.example/callback"
numbers = itertools.count(1)
SCOPE = "openid offline_access basic readmeasurements"


@dataclass
class Provider:
    """The server as a library of a client sees it."""

    server: Server
    certificate: Path

    @property
    def issuer(self) -> str:
        return self.server.url

    @property
    def metadata(self) -> dict[str, Any]:
        return self.get("/.well-known/openid-configuration")

    def get(self, path: str) -> dict[str, Any]:
        answer = requests.get(self.server.url + path, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def add_client(self, name: str, *arguments: str) -> dict[str, Any]:
        grants = ["authorization_code", "refresh_token"] + ([] if "--public" in arguments else ["client_credentials"])
        return self.server.add_client(
            name, "--redirect-uri", REDIRECT_URI, "--scope", SCOPE,
            *(f"--grant-type={grant}" for grant in grants), *arguments)

    def add_key_client(self, name: str, folder: Path, key: ECKey | RSAKey) -> dict[str, Any]:
        """One that authenticates with private_key_jwt."""
        file = folder / f"{name}.jwks"
        file.write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
        return self.add_client(name, "--auth-method", "private_key_jwt", "--jwks-file", str(file))

    def check_id_token(self, id_token: str, client_id: str, nonce: str | None, algorithm: str = "RS256") -> str:
        """Verifies it with the published keys; who it speaks of."""
        token = jwt.decode(id_token, KeySet.import_key_set(self.get("/oauth2/jwks")), algorithms=[algorithm])
        jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": self.issuer}, aud={"essential": True, "value": client_id},
            exp={"essential": True}, iat={"essential": True}, sub={"essential": True}).validate(token.claims)
        assert token.header["alg"] == algorithm
        assert token.claims.get("nonce") == nonce
        return token.claims["sub"]


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory, serve: Callable[..., Server]) -> Iterator[Provider]:
    certificate = Certificate(Path(tmp_path_factory.mktemp("certificate")))
    with pytest.MonkeyPatch.context() as environment:
        # How a certificate of one's own is told to requests, whichever library uses it.
        environment.setenv("REQUESTS_CA_BUNDLE", str(certificate.chain))
        yield Provider(serve(*certificate.options), certificate.chain)


@pytest.fixture(params=["ES256", "RS256"])
def key(request: pytest.FixtureRequest) -> ECKey | RSAKey:
    """A client's own key, for assertions of that algorithm."""
    parameters = {"kid": "its-own", "alg": request.param, "use": "sig"}
    if request.param == "ES256":
        return ECKey.generate_key("P-256", parameters, auto_kid=False)
    return RSAKey.generate_key(2048, parameters, auto_kid=False)


@pytest.fixture
def visitor(provider: Provider) -> Visitor:
    name = f"visitor-{next(numbers)}"
    provider.server.add_user(name, PASSWORD)
    return Visitor(provider.server.url, name)
