"""The exported tiles verify by somebody else's implementation: aics-tlog, as its command and as its library."""

import base64
import subprocess
import sys
from pathlib import Path

import aics_tlog
import pytest
from aics_tlog import tiles

from log_fixtures import LogVault


@pytest.fixture(scope="module")
def directory(log: LogVault) -> Path:
    return log.export("aics")


def aics(*arguments: str, status: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "aics_tlog", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stderr + done.stdout
    return done.stdout


def test_the_checkpoint_verifies(log: LogVault, directory: Path) -> None:
    note = aics_tlog.parse_note((directory / "checkpoint").read_bytes())
    result = aics_tlog.verify_checkpoint(note, aics_tlog.parse_vkey(log.vkey))
    assert result.ok, result.error
    aics("verify-checkpoint", "--log-key", log.vkey, "--tiles", str(directory))


def test_every_tile_and_entry_verifies(log: LogVault, directory: Path) -> None:
    head = log.checkpoint((directory / "checkpoint").read_bytes())
    report = aics_tlog.audit_tiles(aics_tlog.FileSystemTileReader(directory), head.size, head.root)
    assert report.size == head.size > 512
    # Whole and partial tiles of leaves, and the one above them.
    assert report.bundles == -(-head.size // 256) and report.tiles == report.bundles + 1


def test_entries_are_found_included(log: LogVault, directory: Path) -> None:
    for index in ["0", "255", "256", "533"]:
        aics("verify-inclusion", "--log-key", log.vkey, "--tiles", str(directory), "--index", index)


def test_older_checkpoints_are_found_consistent(log: LogVault, directory: Path) -> None:
    for note in log.checkpoints[::12]:
        aics(
            "verify-consistency", "--log-key", log.vkey, "--tiles", str(directory),
            "--old-checkpoint", str(log.folder / log.file("older", note)))


def test_its_proofs_from_our_tiles_are_ours(log: LogVault, directory: Path) -> None:
    head = log.checkpoint((directory / "checkpoint").read_bytes())
    reader = aics_tlog.FileSystemTileReader(directory)
    for index in [0, 300, 520]:
        lines = log.run("audit", "prove", str(index), "--checkpoint-size", str(head.size)).decode().split("\n\n")[0]
        ours = [base64.b64decode(line) for line in lines.split("\n")[3:]]
        assert ours == tiles.inclusion_proof_from_tiles(reader, index, head.size)
        assert tiles.read_entry(reader, index, head.size) == log.leaves()[index]


def test_an_altered_tile_is_found(log: LogVault, tmp_path: Path) -> None:
    directory = log.export(str(tmp_path / "spoilt"))
    head = log.checkpoint((directory / "checkpoint").read_bytes())
    for name in ["tile/0/000", "tile/entries/001", f"tile/1/000.p/{head.size // 256}"]:
        file = directory / name
        good = file.read_bytes()
        file.write_bytes(good[:40] + bytes([good[40] ^ 1]) + good[41:])
        with pytest.raises(tiles.TileVerificationError):
            aics_tlog.audit_tiles(aics_tlog.FileSystemTileReader(directory), head.size, head.root)
        file.write_bytes(good)
