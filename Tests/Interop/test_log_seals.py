"""Keys in memory seal the log: checked from the exported entries alone, by the reader that shares no code with us."""

import base64
import json

import pytest

from log_fixtures import LogVault
from tlog_reader import Refused, leaf_hash, read_checkpoint, tree_root


def seals(leaves: list[bytes]) -> list[tuple[str, str, int]]:
    """The key, the seal and how many entries it covers, of each epoch that ended."""
    keys: dict[str, str] = {}
    found: list[tuple[str, str, int]] = []
    for leaf in leaves:
        entry = json.loads(leaf)
        if entry["op"] != "log.epoch":
            continue
        if "seal" in entry:
            found.append((keys.pop(base64.b64decode(entry["seal"])[:4].hex()), entry["seal"], entry["count"]))
        if "key" in entry:
            keys[entry["key"].split("+")[1]] = entry["key"]
    return found


def note(leaves: list[bytes], key: str, seal: str, size: int) -> bytes:
    origin = key.split("+")[0]
    root = base64.b64encode(tree_root([leaf_hash(leaf) for leaf in leaves[:size]])).decode()
    return f"{origin}\n{size}\n{root}\n\n\u2014 {origin} {seal}\n".encode()


def test_a_service_that_ended_sealed_all_it_wrote(log: LogVault) -> None:
    leaves = log.leaves()
    found = seals(leaves)
    assert len(found) == 1
    key, seal, size = found[0]
    assert size > 530 and "count" in json.loads(leaves[size]) and json.loads(leaves[size])["op"] == "log.epoch"
    assert read_checkpoint(note(leaves, key, seal, size), key).size == size


def test_a_seal_fits_no_other_entries(log: LogVault) -> None:
    leaves = log.leaves()
    key, seal, size = seals(leaves)[0]
    for index in [0, 1, 255, 256, size - 1]:
        other = list(leaves)
        other[index] = other[index].replace(b'"ok"', b'"no"')
        assert other != leaves
        with pytest.raises(Refused):
            read_checkpoint(note(other, key, seal, size), key)
    with pytest.raises(Refused):
        read_checkpoint(note(leaves, key, seal, size - 1), key)
