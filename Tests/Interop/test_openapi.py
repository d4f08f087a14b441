"""docs/openapi.yaml against the running server: schemathesis asks everything it describes, well and badly."""

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
import yaml

from served import ARTEFACTS, ROOT, Server

DESCRIPTION = ROOT / "docs/openapi.yaml"
CHECKS = ",".join([
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "unsupported_method",
])
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def described() -> dict:
    return yaml.safe_load(DESCRIPTION.read_text())


@pytest.fixture(scope="module")
def asked(serve: Callable[..., Server]) -> Server:
    """A server of its own: what is asked here is more than others would like."""
    return serve()


@pytest.fixture(scope="module")
def access_token(asked: Server) -> Iterator[str]:
    client = asked.add_client(
        "for userinfo", "--redirect-uri", "https://a.example/", "--scope", "openid", "--auth-method",
        "client_secret_post")
    asked.add_user("alice")
    code = asked.command(
        "grant", "authorize", "--client", client["client_id"], "--user", "alice", "--scope", "openid",
        "--redirect-uri", "https://a.example/").strip()
    reply = requests.post(asked.url + "/oauth2/token", {
        "grant_type": "authorization_code", "code": code, "redirect_uri": "https://a.example/",
        "client_id": client["client_id"], "client_secret": client["client_secret"]}, timeout=10)
    yield reply.json()["access_token"]


def ask(server: Server, *options: str) -> None:
    """Everything in the description but metrics, which are elsewhere."""
    report = ARTEFACTS / f"openapi-{next(numbers)}.txt"
    report.parent.mkdir(parents=True, exist_ok=True)
    with report.open("wb") as output:
        done = subprocess.run(
            [Path(sys.executable).parent / "schemathesis", "run", DESCRIPTION, "--url", server.url, "--checks", CHECKS,
             "--exclude-path", "/metrics", "--phases", "examples,coverage,fuzzing", "--max-examples", "100",
             "--seed", "1", "--no-shrink", "--max-redirects", "0", "--request-timeout", "10",
             "--suppress-health-check", "all", "--warnings", "off", "--no-color", *options],
            cwd=server.folder, env=os.environ | {"SCHEMATHESIS_HOOKS": ""}, stdout=output,
            stderr=subprocess.STDOUT, timeout=110)
    said = report.read_text()
    assert done.returncode == 0, said[-6000:]
    assert "Test cases:" in said, said[-2000:]


def test_a_client_that_proves_who_it_is(asked: Server) -> None:
    client = asked.add_client(
        "schemathesis", "--redirect-uri", "https://a.example/", "--scope", "basic", "--may-introspect",
        *(f"--grant-type={grant}" for grant in ("authorization_code", "refresh_token", "client_credentials")))
    ask(asked, "--auth", f"{client['client_id']}:{client['client_secret']}")


def test_a_stranger(asked: Server) -> None:
    ask(asked, "--mode", "negative")


def test_a_user_with_an_access_token(asked: Server, access_token: str) -> None:
    ask(asked, "--header", f"Authorization: Bearer {access_token}", "--include-path", "/oauth2/userinfo")
    assert "request" in asked.log.read_text()
    assert access_token not in asked.log.read_text()


def test_what_is_described_is_there(asked: Server, described: dict) -> None:
    for path, operations in described["paths"].items():
        if path == "/metrics":
            continue
        answer = requests.request("PATCH", asked.url + path, timeout=10)
        assert answer.status_code == 405, path
        allowed = set(answer.headers["Allow"].split(", ")) - {"HEAD", "OPTIONS"}
        assert allowed == {name.upper() for name in operations if name in ("get", "post")}, path


def test_what_metadata_names_is_described(asked: Server, described: dict) -> None:
    metadata = requests.get(asked.url + "/.well-known/openid-configuration", timeout=10).json()
    assert metadata == requests.get(asked.url + "/.well-known/oauth-authorization-server", timeout=10).json()
    assert set(metadata) <= set(described["components"]["schemas"]["Metadata"]["properties"])
    endpoints = [value for name, value in metadata.items() if name.endswith("_endpoint") or name == "jwks_uri"]
    assert len(endpoints) == 8
    for endpoint in endpoints:
        assert endpoint.removeprefix(asked.url) in described["paths"]
