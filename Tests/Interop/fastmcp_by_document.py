"""A fastmcp client whose identifier is the address of its metadata, where no client registers itself.

`python fastmcp_by_document.py FOLDER` in the network of `open_net.py`; it prints the client's identifier.
"""

import sys
from pathlib import Path

import pytest
from fastmcp import Client
from fastmcp.client.auth import OAuth

from fastmcp_parts import Person, add, tool_server
from mcp_fixtures import SCOPE, add_checker, free_port
from served import Server


def main(folder: Path) -> None:
    issuer = Server(folder, "--client-documents", "--registration", "off", "--registration-scope", SCOPE)
    try:
        use(issuer)
    finally:
        issuer.stop()


def use(issuer: Server) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        person = Person(issuer, "alice", monkeypatch)
        with tool_server(issuer, add_checker(issuer), ["mcp.read"], free_port()) as url:
            client = Client(url, auth=OAuth(client_metadata_url="https://good.example/doc", callback_host="127.0.0.1"))
            assert add(client) == 5
            # It takes its access token for over, and refreshes.
            before = client.transport.auth.context.current_tokens.refresh_token
            client.transport.auth.context.token_expiry_time = 1.0
            assert add(client) == 5
            assert client.transport.auth.context.current_tokens.refresh_token != before
    print("client_id:", *{visit["client_id"] for visit in person.visits})


main(Path(sys.argv[1]))
