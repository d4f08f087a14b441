"""Keys in memory seal the log: checked from the exported entries alone, by the reader that shares no code with us."""

import base64
import json

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from log_fixtures import LogVault
from tlog_reader import leaf_hash, tree_root


Seal = tuple[str, str, int, str]


def seals(leaves: list[bytes]) -> list[Seal]:
    """Of each epoch that ended: its key, the seal, how many entries it covers, and what follows."""
    keys: dict[str, str] = {}
    found: list[Seal] = []
    for leaf in leaves:
        entry = json.loads(leaf)
        if entry["op"] != "log.epoch":
            continue
        if "seal" in entry:
            key = keys.pop(base64.b64decode(entry["seal"])[:4].hex())
            found.append((key, entry["seal"], entry["count"], entry.get("key", "end")))
        if "key" in entry:
            keys[entry["key"].split("+")[1]] = entry["key"]
    return found


def check(leaves: list[bytes], seal: Seal) -> None:
    """Raises unless the key made the seal over these entries."""
    key, signature, size, following = seal
    root = base64.b64encode(tree_root([leaf_hash(leaf) for leaf in leaves[:size]])).decode()
    text = f"tokenvault epoch seal\n{key.split('+')[0]}\n{size}\n{root}\n{following}\n"
    public = base64.b64decode(key.split("+", 2)[2])[1:]
    Ed25519PublicKey.from_public_bytes(public).verify(base64.b64decode(signature)[4:], text.encode())


def test_a_service_that_ended_sealed_all_it_wrote(log: LogVault) -> None:
    leaves = log.leaves()
    found = seals(leaves)
    assert len(found) == 1
    _, _, size, following = found[0]
    assert size > 530 and following == "end" and json.loads(leaves[size])["op"] == "log.epoch"
    check(leaves, found[0])


def test_a_seal_fits_nothing_else(log: LogVault) -> None:
    leaves = log.leaves()
    key, signature, size, following = seal = seals(leaves)[0]
    for index in [0, 1, 255, 256, size - 1]:
        other = list(leaves)
        other[index] = other[index].replace(b'"ok"', b'"no"')
        assert other != leaves
        with pytest.raises(InvalidSignature):
            check(other, seal)
    for changed in [(key, signature, size - 1, following), (key, signature, size, key)]:
        with pytest.raises(InvalidSignature):
            check(leaves, changed)
