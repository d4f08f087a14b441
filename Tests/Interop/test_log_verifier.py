"""Checkpoints, proofs and tiles verify by a reader that was written from the specifications alone, and its by ours."""

import base64
from pathlib import Path

import pytest

from log_fixtures import LogVault
from tlog_reader import Refused, check_consistency, check_inclusion, leaf_hash, read_checkpoint, read_tiles, tree_root


def test_checkpoints_verify_and_altered_ones_do_not(log: LogVault) -> None:
    for note in log.checkpoints[:20]:
        assert log.checkpoint(note).origin.startswith("tokenvault/")
    note = log.checkpoints[0]
    for at in range(0, len(note), 7):
        spoilt = note[:at] + bytes([note[at] ^ 1]) + note[at + 1:]
        with pytest.raises((Refused, ValueError)):
            read_checkpoint(spoilt, log.vkey)


def test_checkpoints_are_over_the_leaves_as_exported(log: LogVault) -> None:
    hashes = [leaf_hash(leaf) for leaf in log.leaves()]
    for note in log.checkpoints[::5]:
        checkpoint = log.checkpoint(note)
        assert tree_root(hashes[:checkpoint.size]) == checkpoint.root


def test_inclusion_proofs_verify(log: LogVault) -> None:
    leaves = log.leaves()
    for index in [0, 1, 2, 3, 254, 255, 256, 257, 400, 511, 512, 513]:
        proof = log.run("audit", "prove", str(index))
        found, checkpoint = check_inclusion(proof, log.vkey)
        assert found == index and checkpoint.size > len(leaves)
        assert check_inclusion(proof, log.vkey, leaves[index])[0] == index
        with pytest.raises(Refused):
            check_inclusion(proof, log.vkey, leaves[index + 1])
    for size in [1, 5, 256, 300, 512]:
        _, checkpoint = check_inclusion(
            log.run("audit", "prove", "0", "--checkpoint-size", str(size)), log.vkey)
        assert checkpoint.size == size
        assert checkpoint.root == tree_root([leaf_hash(leaf) for leaf in leaves[:size]])


def test_consistency_proofs_verify(log: LogVault) -> None:
    for note in log.checkpoints[::8]:
        old = log.checkpoint(note)
        proof = log.run("audit", "consistency", "--from", log.file("old", note))
        assert check_consistency(proof, log.vkey, old).size > old.size
        lines = proof.split(b"\n")
        with pytest.raises(Refused):
            check_consistency(b"\n".join([lines[0], lines[1], *lines[1:]]), log.vkey, old)
        with pytest.raises(Refused):
            check_consistency(b"\n".join([lines[0], *lines[2:]]), log.vkey, old)


def test_every_tile_verifies_whatever_the_steps_it_came_in(log: LogVault, tmp_path: Path) -> None:
    for growth in [0, 1, 200, 40]:
        log.grow(growth)
        directory = log.export(str(tmp_path / "tiles"))
        checkpoint, entries, used = read_tiles(directory, log.vkey)
        assert len(entries) == checkpoint.size and entries == log.leaves()[:checkpoint.size]
        files = {str(file.relative_to(directory)) for file in directory.rglob("*") if file.is_file()}
        # Partial tiles of earlier checkpoints may stay, as long as no full tile replaces them.
        assert used <= files and all(".p/" in name for name in files - used)
    tile = directory / "tile/entries/001"
    tile.write_bytes(tile.read_bytes().replace(b'"ok"', b'"no"', 1))
    with pytest.raises(Refused):
        read_tiles(directory, log.vkey)


def test_a_proof_made_from_the_tiles_is_believed_by_the_command(log: LogVault, tmp_path: Path) -> None:
    directory = log.export(str(tmp_path / "tiles"))
    checkpoint, entries, _ = read_tiles(directory, log.vkey)
    hashes = [leaf_hash(entry) for entry in entries]

    def path(index: int, part: list[bytes]) -> list[bytes]:
        if len(part) == 1:
            return []
        middle = 1 << (len(part) - 1).bit_length() - 1
        if index < middle:
            return [*path(index, part[:middle]), tree_root(part[middle:])]
        return [*path(index - middle, part[middle:]), tree_root(part[:middle])]

    for index in [0, 255, 300, checkpoint.size - 1]:
        lines = ["c2sp.org/tlog-proof@v1", f"index {index}"]
        lines += [base64.b64encode(value).decode() for value in path(index, hashes)]
        proof = "\n".join(lines).encode() + b"\n\n" + (directory / "checkpoint").read_bytes()
        log.run(
            "audit", "check-proof", log.file("proof", proof), "--vkey", log.vkey,
            "--leaf", log.file("leaf", entries[index]))
        log.run(
            "audit", "check-proof", "proof", "--vkey", log.vkey,
            "--leaf", log.file("leaf", entries[index - 1]), status=7)


def test_a_pruned_log_proves_what_it_keeps(tmp_path: Path) -> None:
    log = LogVault(tmp_path)
    log.grow(500)
    whole = log.export("whole")
    log.run("audit", "prune", "--keep", "20", "--confirm", "512")
    assert b'"first_kept":512' in log.run("audit", "verify", "--json")
    _, entries, used = read_tiles(log.export("kept"), log.vkey, first=512)
    assert 40 < len(entries) < 256 and "tile/0/001" not in used
    read_tiles(log.export(str(whole)), log.vkey)
    index, _ = check_inclusion(log.run("audit", "prove", "512"), log.vkey)
    assert index == 512
    log.run("audit", "prove", "511", status=3)
    old = next(note for note in log.checkpoints if log.checkpoint(note).size > 512)
    proof = log.run("audit", "consistency", "--from", log.file("old", old))
    check_consistency(proof, log.vkey, log.checkpoint(old))
