"""A vault with a log of some hundred entries, and what outsiders have of it."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from served import BINARY, SECONDS
from tlog_reader import Checkpoint, read_checkpoint


class LogVault:
    """A vault in a folder; commands that must end as expected."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {
            "TOKENVAULT_PATH": str(folder / "vault"), "TOKENVAULT_KEY_FILE": str(folder / "vault.key"),
        }
        self.run("init", "--create-key-file")
        self.vkey: str = json.loads(self.run("audit", "checkpoint", "--json"))["verifier_key"]
        self.checkpoints: list[bytes] = []

    def run(self, *arguments: str, status: int = 0, input: bytes | None = None) -> bytes:
        done = subprocess.run(
            [BINARY, *arguments], env=self.environment, cwd=self.folder, input=input, capture_output=True,
            timeout=SECONDS)
        assert done.returncode == status, (arguments, done.stderr)
        return done.stdout

    def grow(self, entries: int) -> None:
        """Each command that opens the vault is an entry; the checkpoints are kept."""
        for _ in range(entries):
            self.checkpoints.append(self.run("audit", "checkpoint"))

    def checkpoint(self, note: bytes) -> Checkpoint:
        return read_checkpoint(note, self.vkey)

    def file(self, name: str, content: bytes) -> str:
        (self.folder / name).write_bytes(content)
        return name

    def export(self, name: str) -> Path:
        self.run("audit", "export", "--format", "tiles", name)
        return self.folder / name

    def leaves(self) -> list[bytes]:
        return self.run("audit", "export", "--format", "ndjson").splitlines()


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LogVault]:
    vault = LogVault(tmp_path_factory.mktemp("log"))
    vault.run("user", "add", "alice")
    vault.run("client", "add", "app", "--redirect-uri", "https://app.example/cb", "--scope", "basic")
    vault.run("grant", "authorize", "--client", "app", "--user", "alice", "--redirect-uri", "https://app.example/cb")
    vault.grow(530)
    yield vault
