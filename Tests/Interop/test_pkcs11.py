"""A vault whose key lies in a real PKCS#11 token (SoftHSM2), by the key program of Examples/PKCS11Key."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from served import BINARY, ROOT, SECONDS

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
EXAMPLE = ROOT / "Examples/PKCS11Key/pkcs11_key.py"
PIN = "4321-pin"


class Token:
    """A token of its own, the program's settings, and a wrapper that runs it with this Python."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "tokens").mkdir()
        configuration = folder / "softhsm2.conf"
        configuration.write_text(f"directories.tokendir = {folder / 'tokens'}\n")
        subprocess.run(
            ["softhsm2-util", "--init-token", "--free", "--label", "vault", "--so-pin", "so-pin", "--pin", PIN],
            env=os.environ | {"SOFTHSM2_CONF": str(configuration)}, check=True, capture_output=True, timeout=SECONDS)
        self.pin_file = self.private("pin", PIN + "\n")
        self.settings = self.private("settings.json", json.dumps({
            "module": MODULE, "token": "vault", "key": "tokenvault", "pin_file": str(self.pin_file),
            "environment": {"SOFTHSM2_CONF": str(configuration)}}))
        self.program = self.private("vault-key", f"#!/bin/sh\nexec {sys.executable} {EXAMPLE}\n", 0o700)
        self.environment = {
            "PATH": "/usr/bin:/bin", "TOKENVAULT_PATH": str(folder / "vault"),
            "TOKENVAULT_KEY_EXEC_SETTINGS": str(self.settings),
        }
        subprocess.run([sys.executable, EXAMPLE, "make-key"], env=self.environment, check=True, timeout=SECONDS)

    def private(self, name: str, content: str, mode: int = 0o600) -> Path:
        path = self.folder / name
        path.write_text(content)
        path.chmod(mode)
        return path

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [BINARY, *arguments], env=self.environment | environment, cwd=self.folder, capture_output=True,
            text=True, timeout=SECONDS)

    def works(self, *arguments: str, **environment: str) -> str:
        done = self.run(*arguments, **environment)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def token(tmp_path: Path) -> Token:
    return Token(tmp_path)


def test_a_vault_opens_through_the_token_alone(token: Token) -> None:
    token.works("init", "--key-exec", str(token.program))
    token.works("user", "add", "alice", TOKENVAULT_KEY_EXEC=str(token.program))
    slot = json.loads(token.works("key", "slot", "test", "--json", "--key-exec", str(token.program)))
    assert slot["kind"] == "program" and slot["rotatable"]


def test_a_slot_is_added_and_the_key_file_removed(token: Token) -> None:
    token.works("init", "--key-file", "K", "--create-key-file")
    token.works("key", "slot", "add", "--name", "hsm", "--key-file", "K", "--new-key-exec", str(token.program))
    token.works("key", "slot", "remove", "first", "--confirm", "first", "--key-exec", str(token.program))
    assert token.run("status", "--key-file", "K").returncode == 5
    token.works("status", "--key-exec", str(token.program))
    assert "intact" in token.works("audit", "verify", "--key-exec", str(token.program))


def test_a_wrong_pin_is_refused_with_the_words_of_the_program(token: Token) -> None:
    token.works("init", "--key-exec", str(token.program))
    token.private("pin", "not-the-pin\n")
    refused = token.run("status", "--key-exec", str(token.program))
    assert refused.returncode == 5
    assert "PinIncorrect" in refused.stderr and "refused: it ended with status 1" in refused.stderr
    assert "not-the-pin" not in refused.stderr
    token.private("pin", PIN + "\n")
    token.works("status", "--key-exec", str(token.program))


def test_another_token_opens_nothing(token: Token, tmp_path_factory: pytest.TempPathFactory) -> None:
    token.works("init", "--key-exec", str(token.program))
    other = Token(tmp_path_factory.mktemp("other"))
    refused = token.run(
        "status", "--key-exec", str(other.program), TOKENVAULT_KEY_EXEC_SETTINGS=str(other.settings))
    assert refused.returncode == 5


def test_the_key_cannot_be_taken_out_of_the_token(token: Token) -> None:
    shown = subprocess.run(
        ["pkcs11-tool", "--module", MODULE, "--token-label", "vault", "--login", "--pin", PIN, "--list-objects",
         "--type", "secrkey"],
        env=token.environment | {"SOFTHSM2_CONF": str(token.folder / "softhsm2.conf")}, capture_output=True, text=True,
        timeout=SECONDS)
    assert "tokenvault" in shown.stdout and "never extractable" in shown.stdout, shown.stdout + shown.stderr
