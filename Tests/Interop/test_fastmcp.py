"""fastmcp, its client and its server: a user gives the client nothing but the address of the server."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastmcp import Client
from fastmcp.client.auth import OAuth
from key_value.aio.stores.memory import MemoryStore

from fastmcp_parts import Person, add, tool_server
from mcp_fixtures import SCOPE, add_checker, free_port, run_in_open_net
from served import Server

DAY = 86400
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")


def test_nothing_is_configured_but_a_url(
    issuer: Server, checker: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    person, store, port = Person(issuer, "fastmcp-alice", monkeypatch), MemoryStore(), free_port()
    with tool_server(issuer, checker, ["mcp.read"], port) as url:
        assert add(Client(url, auth="oauth")) == 5
        assert add(Client(url, auth=OAuth(token_storage=store))) == 5
        assert [visit["scope"] for visit in person.visits] == ["mcp.read", "mcp.read"]
        # The next run asks the user nothing.
        assert add(Client(url, auth=OAuth(token_storage=store))) == 5
        assert len(person.visits) == 2
    # Now it wants more: the user is asked for that, and the client is the same.
    with tool_server(issuer, checker, ["mcp.read", "mcp.write"], port) as url:
        assert add(Client(url, auth=OAuth(token_storage=store))) == 5
    assert person.visits[2]["scope"] == "mcp.read mcp.write"
    assert person.visits[2]["client_id"] == person.visits[1]["client_id"]
    assert person.visits[2]["client_id"].startswith("tv_ci_")


def test_a_token_for_one_server_is_refused_by_another(
    issuer: Server, checker: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    Person(issuer, "fastmcp-bob", monkeypatch)
    token = OAuth()
    with tool_server(issuer, checker, ["mcp.read"], free_port()) as url:
        assert add(Client(url, auth=token)) == 5
    with tool_server(issuer, checker, ["mcp.read"], free_port()) as url:
        answer = httpx2.post(url, headers={"Authorization": f"Bearer {token.context.current_tokens.access_token}"})
        assert answer.status_code == 401 and "resource_metadata=" in answer.headers["www-authenticate"]


def test_back_after_a_week(serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = serve("--registration-scope", SCOPE)
    checker = add_checker(issuer)
    person, store, now = Person(issuer, "fastmcp-carol", monkeypatch), MemoryStore(), time.time
    with tool_server(issuer, checker, ["mcp.read"], free_port()) as url:
        client = Client(url, auth=OAuth(token_storage=store))
        assert add(client) == 5
        issuer.move_clock(7)
        monkeypatch.setattr(time, "time", lambda: now() + 7 * DAY)
        assert add(client) == 5
        assert len(person.visits) == 1
        # A client that was started again has forgotten where tokens are refreshed: it asks the user, but is the same.
        issuer.move_clock(14)
        monkeypatch.setattr(time, "time", lambda: now() + 14 * DAY)
        assert add(Client(url, auth=OAuth(token_storage=store))) == 5
        assert len(person.visits) == 2
        assert person.visits[1]["client_id"] == person.visits[0]["client_id"]


def test_a_client_is_known_by_its_document(tmp_path: Path) -> None:
    assert "client_id: https://good.example/doc" in run_in_open_net(tmp_path, "fastmcp_by_document.py")
