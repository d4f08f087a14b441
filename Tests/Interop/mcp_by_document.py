"""What `test_mcp_sdk.py` runs in a network of its own (`open_net.py`), where the client's document has a public address."""

import sys
from pathlib import Path

from people import PASSWORD
from served import Server
from test_mcp_sdk import SCOPE, Storage, free_port, tool_server, use
from visitor import Visitor

DOCUMENT = "https://good.example/doc"


def main(folder: Path) -> None:
    # Documents alone: a client that cannot do so is not taken.
    issuer = Server(folder, "--registration", "off", "--registration-scope", SCOPE, "--client-documents")
    checker = issuer.add_client(
        "checker", "--grant-type", "client_credentials", "--may-introspect", "--scope", SCOPE)
    issuer.add_user("mcp-carol", PASSWORD)
    visitor, storage = Visitor(issuer.url, "mcp-carol"), Storage()
    with tool_server(issuer, checker, ["mcp.read"], free_port()) as url:
        assert use(url, storage, visitor, [], document=DOCUMENT) == 5
    assert storage.client.client_id == DOCUMENT
    assert "self_registered" in issuer.command("audit", "list", "--json")
    issuer.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
