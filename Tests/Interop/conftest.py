"""What all these tests share: a server, and more of them for who needs one of its own."""

from collections.abc import Callable, Iterator

import pytest

from served import Server

pytest_plugins = ["browser_fixtures", "keeper_fixtures", "library_fixtures", "log_fixtures", "mcp_fixtures"]


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Starts servers, with options, and ends them with the session."""
    servers: list[Server] = []

    def start(*arguments: str) -> Server:
        servers.append(Server(tmp_path_factory.mktemp("server"), *arguments))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def server(serve: Callable[..., Server]) -> Server:
    """The one that most tests use: each adds clients and users of its own to it."""
    return serve()
