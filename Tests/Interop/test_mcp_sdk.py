"""The MCP Python SDK, its client and its server: a user gives the client nothing but the address of the server."""

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

from mcp_fixtures import free_port, run_in_open_net, running
from people import PASSWORD
from served import Server
from visitor import Visitor

@contextlib.contextmanager
def tool_server(issuer: Server, checker: dict[str, Any], scopes: list[str], port: int) -> Iterator[str]:
    """An MCP server that checks tokens by introspection, their audience too; its URL."""
    url = f"http://127.0.0.1:{port}/mcp"

    class Verifier:
        async def verify_token(self, token: str) -> AccessToken | None:
            async with httpx2.AsyncClient() as http:
                answer = await http.post(
                    issuer.url + "/oauth2/introspect", data={"token": token},
                    auth=(checker["client_id"], checker["client_secret"]))
            told = answer.json()
            if not told["active"]:
                return None
            return AccessToken(
                token=token, client_id=told["client_id"], scopes=told["scope"].split(),
                expires_at=told["exp"], resource=told.get("aud"), subject=told["sub"])

    tools = MCPServer("sums", token_verifier=Verifier(), auth=AuthSettings(
        issuer_url=issuer.url, required_scopes=scopes, resource_server_url=url, validate_token_resource=True))

    @tools.tool()
    def add(a: int, b: int) -> int:
        return a + b

    with running(tools.streamable_http_app(), port):
        yield url


class Storage:
    """What the client keeps between its runs."""

    def __init__(self) -> None:
        self.tokens: Any = None
        self.client: Any = None

    async def get_tokens(self) -> Any:
        return self.tokens

    async def set_tokens(self, tokens: Any) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> Any:
        return self.client

    async def set_client_info(self, client: Any) -> None:
        self.client = client


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def use(
    url: str, storage: Storage, visitor: Visitor, asked: list[str], refreshes: bool = False,
    document: str | None = None
) -> int:
    """Adds two numbers with a client that knows the address alone; its metadata may lie at `document`."""
    host = "localhost" if document is None else "127.0.0.1"
    answers: list[dict[str, list[str]]] = []

    async def send(link: str) -> None:
        asked.append(parse_qs(urlsplit(link).query)["scope"][0])
        answers.append(parse_qs(urlsplit(await anyio.to_thread.run_sync(visitor.go, link)).query))

    async def answer() -> AuthorizationCodeResult:
        last = answers[-1]
        assert "code" in last, last
        return AuthorizationCodeResult(code=last["code"][0], state=last["state"][0], iss=last["iss"][0])

    async def run() -> int:
        client = OAuthClientProvider(
            server_url=url, storage=storage, redirect_handler=send, callback_handler=answer,
            client_metadata_url=document, client_metadata=OAuthClientMetadata(
                client_name="sums", redirect_uris=[f"http://{host}:49876/callback"]))
        with anyio.fail_after(30):
            async with httpx2.AsyncClient(auth=client) as http:
                async with Client(streamable_http_client(url, http_client=http)) as session:
                    if refreshes:
                        # It takes its access token for over.
                        await session.call_tool("add", {"a": 1, "b": 1})
                        before = storage.tokens.refresh_token
                        client.context.token_expiry_time = 1.0
                    sum_of_two = await session.call_tool("add", {"a": 2, "b": 3})
                    assert not refreshes or storage.tokens.refresh_token != before
                    return int(sum_of_two.content[0].text)

    with quiet():
        return anyio.run(run)


def test_nothing_is_configured_but_a_url(issuer: Server, checker: dict[str, Any]) -> None:
    port = free_port()
    issuer.add_user("mcp-alice", PASSWORD)
    visitor, storage, asked = Visitor(issuer.url, "mcp-alice"), Storage(), []
    with tool_server(issuer, checker, ["mcp.read"], port) as url:
        assert use(url, storage, visitor, asked, refreshes=True) == 5
        assert storage.client.client_id.startswith("tv_ci_")
        # The next run asks the user nothing.
        assert use(url, storage, visitor, asked) == 5
        assert asked == ["mcp.read"]
    # Now it wants more: the user is asked for both, and the client is the same.
    known = storage.client.client_id
    with tool_server(issuer, checker, ["mcp.read", "mcp.write"], port) as url:
        assert use(url, storage, visitor, asked) == 5
    assert set(asked[-1].split()) == {"mcp.read", "mcp.write"}
    assert storage.client.client_id == known


def test_a_token_for_one_server_is_refused_by_another(issuer: Server, checker: dict[str, Any]) -> None:
    issuer.add_user("mcp-bob", PASSWORD)
    visitor, storage = Visitor(issuer.url, "mcp-bob"), Storage()
    with tool_server(issuer, checker, ["mcp.read"], free_port()) as url:
        assert use(url, storage, visitor, []) == 5
    with tool_server(issuer, checker, ["mcp.read"], free_port()) as url:
        answer = httpx2.post(url, headers={"Authorization": f"Bearer {storage.tokens.access_token}"}, json={})
        assert answer.status_code == 401
        assert "resource_metadata=" in answer.headers["www-authenticate"]


def test_a_client_is_known_by_its_document(tmp_path: Path) -> None:
    run_in_open_net(tmp_path, "mcp_by_document.py")
