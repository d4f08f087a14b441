"""Secrets are found nowhere but sealed: not in the vault's files, logs, answers, arguments or environment."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from keeper import Keeper, await_that
from keeper_fixtures import Peer


def spellings(secret: str) -> Iterator[bytes]:
    plain = secret.encode()
    yield from (plain, base64.b64encode(plain).rstrip(b"="), plain.hex().encode(), plain[: len(plain) // 2])


def traces(secrets: set[str], places: dict[str, bytes]) -> list[str]:
    """The names of the places where one of the secrets is."""
    looked_for = [spelling for secret in secrets for spelling in spellings(secret)]
    return [name for name, content in places.items() if any(spelling in content for spelling in looked_for)]


def process_places(pid: int) -> dict[str, bytes]:
    return {name: Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ")}


@pytest.mark.parametrize("peer", ["authlib"], indirect=True)
def test_secrets_are_found_nowhere(keeper: Keeper, peer: Peer) -> None:
    name = peer.add_to(keeper)
    connection = f"{name}/alice"
    peer.server.lifetime = 4
    try:
        peer.connect(keeper)
        peer.proxy.next_fault = "request"
        with keeper.refreshing() as process:
            await_that(lambda: sum(passed.status == 200 for passed in peer.proxy.refreshes) >= 2)
            places = process_places(process.pid)
            # Before what is in it is moved into the database.
            places["WAL"] = (keeper.folder / "vault-wal").read_bytes()
            assert places["WAL"] and b"refresh" in places["cmdline"]
    finally:
        peer.server.lifetime = 3600
    keeper.run("connection", "show", connection)
    keeper.run("connection", "list", "--json")
    keeper.run("provider", "show", name)
    keeper.run("audit", "list", "--json")
    secrets = peer.proxy.tokens | {peer.known.client_secret}
    given = keeper.folder / f"{name}.secret"
    assert traces(secrets, {"given": given.read_bytes()}) == ["given"]
    files = [file for file in keeper.folder.rglob("*") if file.is_file() and file != given]
    assert {"vault", "refresh.log"} <= {file.name for file in files}
    places |= {file.name: file.read_bytes() for file in files} | {"said": keeper.said.encode()}
    assert len(secrets) >= 7 and b"authlib" in places["refresh.log"]
    assert traces(secrets, places) == []
