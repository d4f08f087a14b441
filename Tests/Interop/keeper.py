"""A vault that keeps tokens of other servers, by the command `tokenvault`."""

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import requests

from apache import free_port
from served import BINARY, SECONDS

DONE, DENIED, UNAVAILABLE, PARTIAL = 0, 4, 9, 11


class Keeper:
    """In a folder of its own, with a user `alice`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said = ""
        self.environment = os.environ | {
            "TOKENVAULT_PATH": str(folder / "vault"), "TOKENVAULT_KEY_FILE": str(folder / "vault.key"),
        }
        self.run("init", "--create-key-file")
        self.run("user", "add", "alice")

    def run(self, *arguments: str | Path, code: int = DONE) -> str:
        """What a command prints; it must end with `code`."""
        done = subprocess.run(
            [BINARY, *arguments], env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=SECONDS)
        self.said += done.stdout + done.stderr
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def json(self, *arguments: str | Path, code: int = DONE) -> dict[str, Any]:
        return json.loads(self.run(*arguments, "--json", code=code))

    def show(self, connection: str) -> dict[str, Any]:
        return self.json("connection", "show", connection)

    def token(self, connection: str) -> str:
        """The access token, as a command finds it."""
        done = subprocess.run(
            [BINARY, "connection", "exec", connection, "--", "sh", "-c", "cat <&$TOKENVAULT_TOKEN_FD"],
            env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=SECONDS)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def secret_file(self, name: str, secret: str) -> Path:
        file = self.folder / name
        file.touch(mode=0o600)
        file.write_text(secret + "\n")
        return file

    def connect(
        self, provider: str, go: Callable[[str], str], register: Callable[[str], None] = lambda _: None, *options: str
    ) -> dict[str, Any]:
        """Through a consent: `go` is the browser, from the link to the URL that the provider sends it back to."""
        port = free_port()
        register(f"http://127.0.0.1:{port}/callback")
        process = subprocess.Popen(
            [BINARY, "connection", "connect", provider, "--user", "alice", "--no-browser", "--json", "--listen",
             f"127.0.0.1:{port}", "--timeout", "30s", *options],
            env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        try:
            line = process.stderr.readline()
            assert "consent_url" in line, line + process.stderr.read()
            answer = requests.get(go(json.loads(line)["url"]), timeout=SECONDS)
            out, err = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
        assert process.returncode == DONE and answer.ok, err
        return json.loads(out)

    @contextlib.contextmanager
    def refreshing(self) -> Iterator[subprocess.Popen]:
        """`refresh run`, which must end well."""
        ready = self.folder / "refreshing"
        with (self.folder / "refresh.log").open("ab") as log:
            process = subprocess.Popen(
                [BINARY, "refresh", "run", "--ready-file", ready, "--log-level", "trace", "--log-format", "json"],
                env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            try:
                await_that(ready.exists)
                yield process
                process.terminate()
                assert process.wait(SECONDS) == 0
            finally:
                process.kill()
                process.wait()

    def await_state(self, connection: str, state: str) -> None:
        await_that(lambda: self.show(connection)["state"] == state)


def await_that(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.05)
