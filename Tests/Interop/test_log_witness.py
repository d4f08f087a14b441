"""Witnesses that share no code with us cosign the log, through the command and a serving process, and find what was set back."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from log_fixtures import LogVault
from served import BINARY, SECONDS
from witness_server import AicsWitness, OwnWitness, Witness, check_cosigned


@pytest.fixture(params=[OwnWitness, AicsWitness])
def witness(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witness]:
    made = request.param(tmp_path_factory.mktemp("witness"))
    yield made
    made.close()


@pytest.fixture
def vault(tmp_path: Path) -> LogVault:
    vault = LogVault(tmp_path)
    for name in range(5):
        vault.run("user", "add", f"user-{name}")
    return vault


def origin(vault: LogVault) -> str:
    return vault.vkey.split("+")[0]


def add(vault: LogVault, witness: Witness, *options: str) -> dict:
    return json.loads(
        vault.run("audit", "anchor", "add", "witness", witness.url, "--key", witness.vkey, "--json", *options))


def test_it_cosigns_once_it_knows_the_log(vault: LogVault, witness: Witness) -> None:
    added = add(vault, witness, "--keep", "cosigned")
    assert added["trouble"] == "unknown" and added["size"] == 0
    assert not (vault.folder / "cosigned").exists()
    vault.run("audit", "anchor", "check", status=9)
    witness.trust(vault.vkey)
    checked = json.loads(vault.run("audit", "anchor", "check", "--json"))
    assert "trouble" not in checked and checked["size"] == witness.size(origin(vault)) > 5
    kept = (vault.folder / "cosigned").read_bytes()
    assert check_cosigned(kept, vault.vkey, {witness.name: witness.vkey}).size == checked["size"]
    # What was kept is a checkpoint that proofs go on from.
    vault.run("audit", "verify", "--since", "cosigned")


def test_a_serving_process_keeps_it_up_to_date(vault: LogVault, witness: Witness) -> None:
    witness.trust(vault.vkey)
    add(vault, witness, "--keep", "cosigned")
    ready = vault.folder / "ready"
    process = subprocess.Popen(
        [BINARY, "serve", "--listen", "127.0.0.1:0", "--ready-file", ready], env=vault.environment,
        cwd=vault.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + SECONDS
        while not ready.exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        for name in range(3):
            vault.run("user", "add", f"late-{name}")
        size = vault.checkpoint(vault.run("audit", "checkpoint")).size
        deadline = time.monotonic() + SECONDS
        while witness.size(origin(vault)) < size:
            assert time.monotonic() < deadline, "the witness was not told"
            time.sleep(0.1)
    finally:
        process.terminate()
        assert process.wait(SECONDS) == 0
    kept = (vault.folder / "cosigned").read_bytes()
    assert check_cosigned(kept, vault.vkey, {witness.name: witness.vkey}).size >= size


def test_an_older_copy_and_a_fork_are_found(vault: LogVault, witness: Witness) -> None:
    witness.trust(vault.vkey)
    add(vault, witness)
    shutil.copy(vault.folder / "vault", vault.folder / "yesterday")
    for name in range(5):
        vault.run("user", "add", f"newest-{name}")
    vault.run("audit", "verify")
    seen = witness.size(origin(vault))
    shutil.copy(vault.folder / "yesterday", vault.folder / "vault")

    # It opens: no network decides about that. Whoever looks finds it.
    vault.run("user", "list")
    report = json.loads(vault.run("audit", "verify", "--json", status=7))
    assert [finding["place"] for finding in report["findings"]] == ["anchors"]
    assert f"has cosigned {seen} entries" in report["findings"][0]["problem"]
    checked = json.loads(vault.run("audit", "anchor", "check", "--json", status=9))
    assert checked["trouble"] == "behind"

    for name in range(9):
        vault.run("user", "add", f"fork-{name}")
    report = json.loads(vault.run("audit", "verify", "--json", status=7))
    assert "another history" in report["findings"][0]["problem"]
    checked = json.loads(vault.run("audit", "anchor", "check", "--json", status=9))
    assert checked["trouble"] == "differs"
    assert witness.size(origin(vault)) == seen


def test_rotation_of_the_logs_key_waits_for_the_witness(vault: LogVault, witness: Witness) -> None:
    witness.trust(vault.vkey)
    add(vault, witness)
    vault.run("key", "rotate", "log")
    checked = json.loads(vault.run("audit", "anchor", "check", "--json", status=9))
    assert checked["trouble"] == "untrusted"
    witness.trust(json.loads(vault.run("audit", "checkpoint", "--json"))["verifier_key"])
    vault.run("audit", "anchor", "check")


def test_a_checkpoint_for_outsiders_has_both(vault: LogVault, tmp_path_factory: pytest.TempPathFactory) -> None:
    witnesses = [make(tmp_path_factory.mktemp("witness")) for make in (OwnWitness, AicsWitness)]
    keys = {witness.name: witness.vkey for witness in witnesses}
    try:
        vault.run("audit", "checkpoint", "--cosigned", status=3)
        for witness in witnesses:
            witness.trust(vault.vkey)
            add(vault, witness)
        note = vault.run("audit", "checkpoint", "--cosigned")
        assert check_cosigned(note, vault.vkey, keys).size == witnesses[0].size(origin(vault))
    finally:
        for witness in witnesses:
            witness.close()
    alone = vault.run("audit", "checkpoint", "--cosigned", status=9)
    assert vault.checkpoint(alone).size > 0


def test_a_witness_that_is_someone_else_is_not_believed(vault: LogVault, witness: Witness) -> None:
    witness.trust(vault.vkey)
    other = OwnWitness(vault.folder)
    other.close()
    added = json.loads(
        vault.run("audit", "anchor", "add", "witness", witness.url, "--key", other.vkey, "--json"))
    assert added["trouble"] == "unsigned" and added["size"] == 0


@pytest.mark.parametrize("url", [
    "http://witness.example", "https://user:secret@witness.example", "https://witness.example/?x", "/dev/log", "",
])
def test_no_other_url_is_taken(vault: LogVault, url: str) -> None:
    other = OwnWitness(vault.folder)
    other.close()
    vault.run("audit", "anchor", "add", "witness", url, "--key", other.vkey, status=2)
    vault.run("audit", "anchor", "add", "witness", "https://witness.example", "--key", vault.vkey, status=2)
    vault.run("audit", "anchor", "add", "witness", "https://witness.example", status=2)
    assert vault.run("audit", "anchor", "list") == vault.run("audit", "anchor", "list", "--ignore-anchors")
