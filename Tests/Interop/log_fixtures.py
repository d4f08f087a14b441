"""A vault with a log of some hundred entries, and what outsiders have of it."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

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
        """Tokens of a client, an entry each, and the checkpoint after every ten."""
        if entries == 0:
            return
        name = f"client-{len(self.checkpoints)}"
        client = json.loads(
            self.run("client", "add", name, "--grant-type", "client_credentials", "--scope", "basic", "--json"))
        ready = self.folder / "ready"
        ready.unlink(missing_ok=True)
        process = subprocess.Popen(
            [BINARY, "serve", "--listen", "127.0.0.1:0", "--ready-file", ready], env=self.environment,
            cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + SECONDS
            while not (ready.exists() and ready.read_text().endswith("\n")):
                assert process.poll() is None and time.monotonic() < deadline, "the server was not ready in time"
                time.sleep(0.02)
            with requests.Session() as session:
                for number in range(entries):
                    session.post(
                        ready.read_text().strip() + "/oauth2/token", data={"grant_type": "client_credentials"},
                        auth=(client["client_id"], client["client_secret"]), timeout=10).raise_for_status()
                    if number % 10 == 0:
                        self.checkpoints.append(self.run("audit", "checkpoint"))
        finally:
            process.terminate()
            assert process.wait(SECONDS) == 0

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
