"""A vault in a folder of its own, and `tokenvault serve` over it."""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("TOKENVAULT_BIN", ROOT / ".build/debug/tokenvault"))
ARTEFACTS = ROOT / ".build/interop"
SECONDS = 20


class Server:
    """Runs until `stop`; `url` is where, `log` what it says."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.log = folder / "serve.log"
        self.environment = os.environ | {
            "TOKENVAULT_PATH": str(folder / "vault"), "TOKENVAULT_KEY_FILE": str(folder / "vault.key"),
        }
        self.command("init", "--create-key-file")
        ready = folder / "ready"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [BINARY, "serve", "--listen", "127.0.0.1:0", "--ready-file", ready, *arguments],
                env=self.environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + SECONDS
        while not (ready.exists() and ready.read_text().endswith("\n")):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, "the server was not ready in time"
            time.sleep(0.02)
        self.url = ready.read_text().strip()

    def command(self, *arguments: str, input: str | None = None) -> str:
        """What a command of the CLI prints; it must work."""
        done = subprocess.run(
            [BINARY, *arguments], env=self.environment, cwd=self.folder, input=input, capture_output=True,
            text=True, timeout=SECONDS)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def add_client(self, name: str, *arguments: str) -> dict[str, Any]:
        return json.loads(self.command("client", "add", name, "--json", *arguments))

    def add_user(self, name: str, password: str | None = None) -> None:
        """A user, who can sign in with `password` if there is one."""
        options = [] if password is None else ["--password-fd", "0"]
        self.command("user", "add", name, *options, input=f"{password}\n")

    def stop(self) -> None:
        """Ends it as an operator does; it must end well."""
        self.process.terminate()
        assert self.process.wait(SECONDS) == 0, self.log.read_text()
