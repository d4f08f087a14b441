"""go-oidc and golang.org/x/oauth2, as Debian has them, against the server."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from library_fixtures import REDIRECT_URI, Provider
from visitor import Visitor

SOURCE = Path(__file__).with_name("go_oidc.go")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = tmp_path_factory.mktemp("go") / "go_oidc"
    environment = os.environ | {
        "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": str(built.parent / "cache"), "GOFLAGS": ""}
    subprocess.run(["go", "build", "-o", built, SOURCE], env=environment, check=True, timeout=110)
    return built


@pytest.mark.parametrize("is_public", [False, True], ids=["with a secret", "public"])
def test_sign_in_claims_and_refresh(provider: Provider, visitor: Visitor, program: Path, is_public: bool) -> None:
    provider.server.command(
        "user", "set", visitor.name, "--email", "alice@example.com", "--email-verified", "--name", "Alice Liddell")
    registered = provider.server.add_client(
        f"go-oidc-{is_public}", "--redirect-uri", REDIRECT_URI, "--scope", "openid profile email",
        "--grant-type=authorization_code", "--grant-type=refresh_token", *(["--public"] if is_public else []))
    with subprocess.Popen(
        [program, provider.issuer, registered["client_id"], REDIRECT_URI],
        env=os.environ | {"SSL_CERT_FILE": str(provider.certificate)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as application:
        print(registered.get("client_secret", ""), file=application.stdin, flush=True)
        link = application.stdout.readline().strip()
        answer = visitor.go(link) if link else ""
        told, error = application.communicate(answer + "\n", timeout=30)
    assert application.returncode == 0, error
    in_id_token, in_userinfo = json.loads(told)
    assert in_id_token == in_userinfo
    assert in_id_token == {
        "sub": in_id_token["sub"], "email": "alice@example.com", "email_verified": True, "name": "Alice Liddell"}
