"""fastmcp, its server and its client, and the user in front of that."""

import contextlib
import threading
import time
import webbrowser
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import anyio
import pytest
import requests
from fastmcp import Client, FastMCP
from fastmcp.server.auth import RemoteAuthProvider
from fastmcp.server.auth.providers.introspection import IntrospectionTokenVerifier

from mcp_fixtures import running
from people import PASSWORD
from served import Server
from visitor import Visitor


@contextlib.contextmanager
def tool_server(issuer: Server, checker: dict[str, Any], scopes: list[str], port: int) -> Iterator[str]:
    """An MCP server that checks tokens by introspection, their audience too; its URL."""
    url = f"http://127.0.0.1:{port}/mcp"
    verifier = IntrospectionTokenVerifier(
        introspection_url=issuer.url + "/oauth2/introspect", client_id=checker["client_id"],
        client_secret=checker["client_secret"], required_scopes=scopes, audience=url)
    tools = FastMCP("sums", auth=RemoteAuthProvider(
        token_verifier=verifier, authorization_servers=[issuer.url], base_url=f"http://127.0.0.1:{port}"))

    @tools.tool
    def add(a: int, b: int) -> int:
        return a + b

    with running(tools.http_app(path="/mcp"), port):
        yield url


class Person(Visitor):
    """A user in front of the browser that the client opens; `visits` are the questions it was sent with."""

    def __init__(self, issuer: Server, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        issuer.add_user(name, PASSWORD)
        super().__init__(issuer.url, name)
        self.visits: list[dict[str, str]] = []
        monkeypatch.setattr(webbrowser, "open", self.browse)

    def browse(self, link: str) -> None:
        self.visits.append(dict(parse_qsl(urlsplit(link).query)))
        threading.Thread(target=self.answer, args=(link,), daemon=True).start()

    def answer(self, link: str) -> None:
        back = self.go(link)
        # The client listens only once it has opened the browser.
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(requests.ConnectionError):
                return requests.get(back, timeout=20).raise_for_status()
            time.sleep(0.05)


def add(client: Client) -> int:
    async def run() -> int:
        with anyio.fail_after(30):
            async with client:
                return (await client.call_tool("add", {"a": 2, "b": 3})).data

    return anyio.run(run)
