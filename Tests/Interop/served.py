"""A vault in a folder of its own, and `tokenvault serve` over it."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("TOKENVAULT_BIN", ROOT / ".build/debug/tokenvault"))
ARTEFACTS = ROOT / ".build/interop"
SECONDS = 20


class Server:
    """Runs until `stop`; `url` is where, `log` what it says."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.arguments = arguments
        self.log = folder / "serve.log"
        self.environment = os.environ | {
            "TOKENVAULT_PATH": str(folder / "vault"), "TOKENVAULT_KEY_FILE": str(folder / "vault.key"),
        }
        self.command("init", "--create-key-file")
        self.start("127.0.0.1:0")

    def start(self, listen: str, *prefix: str) -> None:
        ready = self.folder / "ready"
        ready.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*prefix, BINARY, "serve", "--listen", listen, "--ready-file", ready, *self.arguments],
                env=self.environment, cwd=self.folder, stdout=log, stderr=subprocess.STDOUT)
        self.pid = self.process.pid
        deadline = time.monotonic() + SECONDS
        while not (ready.exists() and ready.read_text().endswith("\n")):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, "the server was not ready in time"
            time.sleep(0.02)
        self.url = ready.read_text().strip()

    def move_clock(self, days: int) -> None:
        """Starts it again, at the same address, with a clock that is so far ahead of the machine's."""
        self.stop()
        self.start(urlsplit(self.url).netloc, "faketime", "-m", "--exclude-monotonic", "-f", f"+{days}d")
        # That waits for its child, the server, and does not hand signals on.
        wrapper = self.process.pid
        self.pid = int(Path(f"/proc/{wrapper}/task/{wrapper}/children").read_text())

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
        """Ends it as an operator does, where a test has not; it must end well."""
        if self.process.poll() is None:
            os.kill(self.pid, signal.SIGTERM)
        assert self.process.wait(SECONDS) == 0, self.log.read_text()
