"""What `test_mcp_sdk.py` runs in a network of its own (`open_net.py`), where the client's document has a public address."""

import sys
from pathlib import Path

from mcp_fixtures import SCOPE, add_checker, free_port
from people import PASSWORD
from served import Server
from test_mcp_sdk import Storage, tool_server, use
from visitor import Visitor

DOCUMENT = "https://good.example/doc"


def main(folder: Path) -> None:
    # Documents alone: a client that cannot do so is not taken.
    issuer = Server(folder, "--registration", "off", "--registration-scope", SCOPE, "--client-documents")
    issuer.add_user("mcp-carol", PASSWORD)
    visitor, storage = Visitor(issuer.url, "mcp-carol"), Storage()
    with tool_server(issuer, add_checker(issuer), ["mcp.read"], free_port()) as url:
        assert use(url, storage, visitor, [], document=DOCUMENT) == 5
    assert storage.client.client_id == DOCUMENT
    assert "self_registered" in issuer.command("audit", "list", "--json")
    issuer.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
