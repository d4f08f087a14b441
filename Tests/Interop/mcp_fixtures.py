"""For the tests of MCP libraries: an issuer that registers clients, and MCP servers that ask it about tokens."""

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from served import Server

SCOPE = "mcp.read mcp.write"


@contextlib.contextmanager
def running(app: Any, port: int) -> Iterator[None]:
    """An ASGI application on a port of the loopback address."""
    server = uvicorn.Server(uvicorn.Config(
        app, host="127.0.0.1", port=port, log_level="critical", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < deadline, "the MCP server did not start"
        time.sleep(0.02)
    yield
    server.should_exit = True
    thread.join(20)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def run_in_open_net(folder: Path, program: str) -> str:
    """Runs a program of this folder where clients have public addresses; what it printed. It is given a folder."""
    here, own = Path(__file__).parent, folder / "own"
    own.mkdir()
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--net", "--mount", sys.executable, here / "open_net.py", folder,
         sys.executable, "-W", "ignore", here / program, own], capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="session")
def issuer(serve: Callable[..., Server]) -> Server:
    return serve("--registration-scope", SCOPE)


@pytest.fixture(scope="session")
def checker(issuer: Server) -> dict[str, Any]:
    return add_checker(issuer)


def add_checker(issuer: Server) -> dict[str, Any]:
    """How an MCP server asks about tokens."""
    return issuer.add_client("checker", "--grant-type", "client_credentials", "--may-introspect", "--scope", SCOPE)
