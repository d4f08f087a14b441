"""Reads and verifies a C2SP log from its files alone: written from the specifications, with no code of ours or theirs.

The hashes are those of RFC 6962, by its recursive definitions; the signature is checked by the `cryptography` package.
"""

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Refused(Exception):
    """It is not what it claims to be."""


def require(condition: bool, sentence: str) -> None:
    if not condition:
        raise Refused(sentence)


def decode(text: str) -> bytes:
    data = base64.b64decode(text, validate=True)
    require(base64.b64encode(data).decode() == text, "base64 in a second spelling")
    return data


def leaf_hash(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\0" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def split(count: int) -> int:
    """The largest power of two below it."""
    return 1 << (count - 1).bit_length() - 1


def tree_root(hashes: list[bytes]) -> bytes:
    if not hashes:
        return hashlib.sha256().digest()
    if len(hashes) == 1:
        return hashes[0]
    middle = split(len(hashes))
    return node_hash(tree_root(hashes[:middle]), tree_root(hashes[middle:]))


@dataclass(frozen=True)
class Checkpoint:
    origin: str
    size: int
    root: bytes


def read_checkpoint(note: bytes, vkey: str) -> Checkpoint:
    """The checkpoint in a signed note, once the key has signed it."""
    name, key_id, key = vkey.split("+", 2)
    public = decode(key)
    require(public[0] == 1, "not an Ed25519 key")
    require(hashlib.sha256(name.encode() + b"\n" + public).digest()[:4].hex() == key_id, "the key's id")
    text, separator, signatures = note.decode().rpartition("\n\n")
    require(bool(separator) and signatures.endswith("\n"), "no signatures")
    message = (text + "\n").encode()
    signed = False
    for line in signatures.splitlines():
        dash, signer, signature = line.split(" ")
        require(dash == "—", "not a signature line")
        blob = decode(signature)
        if signer == name and blob[:4].hex() == key_id:
            try:
                Ed25519PublicKey.from_public_bytes(public[1:]).verify(blob[4:], message)
            except InvalidSignature as error:
                raise Refused("the signature") from error
            signed = True
    require(signed, "not signed by this key")
    origin, size, root = text.split("\n")
    require(origin == name and str(int(size)) == size, "the checkpoint's lines")
    return Checkpoint(origin, int(size), decode(root))


def root_by_path(index: int, size: int, leaf: bytes, path: list[bytes]) -> bytes:
    """The root that an audit path gives (RFC 6962 section 2.1.1, read backwards)."""
    if size == 1:
        require(not path, "surplus hashes")
        return leaf
    require(bool(path), "hashes are missing")
    middle = split(size)
    if index < middle:
        return node_hash(root_by_path(index, middle, leaf, path[:-1]), path[-1])
    return node_hash(path[-1], root_by_path(index - middle, size - middle, leaf, path[:-1]))


def roots_by_proof(old: int, new: int, proof: list[bytes], known: bytes | None) -> tuple[bytes, bytes]:
    """Old and new root that a consistency proof gives (section 2.1.2, read backwards).

    `known` is the old root while the subtree looked at begins with the whole of the old tree."""
    if old == new:
        if known is not None:
            require(not proof, "surplus hashes")
            return known, known
        require(len(proof) == 1, "hashes are missing, or too many")
        return proof[0], proof[0]
    require(bool(proof), "hashes are missing")
    middle = split(new)
    if old <= middle:
        before, after = roots_by_proof(old, middle, proof[:-1], known)
        return before, node_hash(after, proof[-1])
    before, after = roots_by_proof(old - middle, new - middle, proof[:-1], None)
    return node_hash(proof[-1], before), node_hash(proof[-1], after)


def check_inclusion(proof: bytes, vkey: str, leaf: bytes | None = None) -> tuple[int, Checkpoint]:
    """Verifies a tlog-proof; the entry's index and the checkpoint."""
    head, _, note = proof.decode().partition("\n\n")
    lines = head.split("\n")
    require(lines.pop(0) == "c2sp.org/tlog-proof@v1", "the first line")
    if lines[0].startswith("extra "):
        extra = decode(lines.pop(0).removeprefix("extra "))
        leaf = extra if leaf is None else leaf
    require(leaf is not None, "no entry")
    word, index = lines.pop(0).split(" ")
    require(word == "index" and str(int(index)) == index, "the index")
    checkpoint = read_checkpoint(note.encode(), vkey)
    require(int(index) < checkpoint.size, "an index outside the tree")
    root = root_by_path(int(index), checkpoint.size, leaf_hash(leaf), [decode(line) for line in lines])
    require(root == checkpoint.root, "another root")
    return int(index), checkpoint


def check_consistency(proof: bytes, vkey: str, old: Checkpoint) -> Checkpoint:
    """Verifies the body of an add-checkpoint request; the newer checkpoint."""
    head, _, note = proof.decode().partition("\n\n")
    first, *lines = head.split("\n")
    require(first == f"old {old.size}", "the old size")
    new = read_checkpoint(note.encode(), vkey)
    require(0 < old.size <= new.size and old.origin == new.origin, "sizes or origins")
    before, after = roots_by_proof(old.size, new.size, [decode(line) for line in lines], old.root)
    require(before == old.root and after == new.root, "another root")
    return new


def tile_name(index: int) -> str:
    digits = f"{index:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    parts = [digits[at:at + 3] for at in range(0, len(digits), 3)]
    return "/".join([*("x" + part for part in parts[:-1]), parts[-1]])


def read_tiles(directory: Path, vkey: str, first: int = 0) -> tuple[Checkpoint, list[bytes], set[str]]:
    """Verifies every tile and entry of a directory, from entry `first` on; the entries, and the files read."""
    checkpoint = read_checkpoint((directory / "checkpoint").read_bytes(), vkey)
    used = {"checkpoint"}

    def tile(level: str, number: int, width: int) -> bytes:
        name = f"tile/{level}/{tile_name(number)}" + ("" if width == 256 else f".p/{width}")
        used.add(name)
        return (directory / name).read_bytes()

    entries: list[bytes] = []
    level = 0
    below: list[bytes] = []
    while count := checkpoint.size >> 8 * level:
        hashes: list[bytes] = []
        for number in range(-(-count // 256)):
            width = min(256, count - number * 256)
            if level == 0 and (number + 1) * 256 <= first:
                hashes += [b""] * 256
                continue
            data = tile(str(level), number, width)
            require(len(data) == 32 * width, "the length of a tile")
            hashes += [data[at:at + 32] for at in range(0, len(data), 32)]
            if level == 0:
                bundle = tile("entries", number, width)
                while bundle:
                    length = int.from_bytes(bundle[:2], "big")
                    entries.append(bundle[2:2 + length])
                    require(len(entries[-1]) == length, "the length of an entry")
                    bundle = bundle[2 + length:]
        if level == 0:
            require([leaf_hash(entry) for entry in entries] == hashes[first:], "the hash of an entry")
            below = hashes
        else:
            for at, known in enumerate(hashes):
                parts = below[at * 256:(at + 1) * 256]
                require(b"" in parts or tree_root(parts) == known, "the hash of a tile")
            if level == 1:
                # Tiles of pruned entries are known by their hash alone.
                require(tree_of_tiles(hashes, below[count * 256:]) == checkpoint.root, "the root")
            below = hashes
        level += 1
    if level == 1:
        require(tree_root(below) == checkpoint.root, "the root")
    return checkpoint, entries, used


def tree_of_tiles(tiles: list[bytes], rest: list[bytes]) -> bytes:
    """The root over full tiles and the leaves after them."""
    if not tiles:
        return tree_root(rest)
    if len(tiles) == 1 and not rest:
        return tiles[0]
    count = len(tiles) * 256 + len(rest)
    middle = split(count) // 256
    return node_hash(tree_of_tiles(tiles[:middle], []), tree_of_tiles(tiles[middle:], rest))
