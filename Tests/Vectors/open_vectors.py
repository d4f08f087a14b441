"""Opens the format vectors without any code of TokenVault: docs/sealed-format.md and docs/schema.md, put into Python.

Hashes come from Python itself, the cipher and Argon2id from libsodium through ctypes. Every vector that says
"opens" must open to what it says; every other one must be refused, for the reason it names.

Usage: open_vectors.py [directory]        exit status 0 when every vector did what it says
"""

import base64
import ctypes
import hashlib
import json
import pathlib
import re
import sys
import unicodedata

SODIUM = ctypes.CDLL("libsodium.so.23")
if SODIUM.sodium_init() < 0:
    sys.exit("libsodium did not start")

SEAL, WRAP, SLOT, ROW = b"TokenVault.seal1", b"TokenVault.wrap1", b"TokenVault.slot1", b"TokenVault.rtag1"
RECOVERY, ROW_SET = b"TokenVault.recv1", b"TokenVault.rset1"
OVERHEAD = 80
FIELD_LIMIT = 64 * 1024
TOKEN_PREFIXES = {1: "tv_at_", 2: "tv_rt_", 3: "tv_ac_"}


class Refused(Exception):
    """Not what a writer of this format makes. `code` is what a caller hears, `why` is what this reader found."""

    def __init__(self, code, why):
        super().__init__(f"{code}: {why}")
        self.code, self.why = code, why


# Primitives

def blake2b(data, key, personal, size):
    return hashlib.blake2b(data, key=key, person=personal, digest_size=size).digest()


def aead_decrypt(ciphertext, data, nonce, key):
    """XChaCha20-Poly1305-IETF; None where the tag is wrong."""
    message = ctypes.create_string_buffer(max(1, len(ciphertext) - 16))
    length = ctypes.c_ulonglong(0)
    result = SODIUM.crypto_aead_xchacha20poly1305_ietf_decrypt(
        message, ctypes.byref(length), None, ciphertext, ctypes.c_ulonglong(len(ciphertext)),
        data, ctypes.c_ulonglong(len(data)), nonce, key)
    return message.raw[:length.value] if result == 0 else None


def argon2id(passphrase, salt, passes, memory):
    key = ctypes.create_string_buffer(32)
    result = SODIUM.crypto_pwhash(
        key, ctypes.c_ulonglong(32), passphrase, ctypes.c_ulonglong(len(passphrase)), salt,
        ctypes.c_ulonglong(passes), ctypes.c_size_t(memory), 2)
    if result != 0:
        sys.exit("not enough memory for Argon2id")
    return key.raw


def base64url(text, count):
    """The `count` bytes that `text` spells canonically, or None."""
    if not re.fullmatch(r"[A-Za-z0-9_-]*", text, re.ASCII) or len(text) != (count * 4 + 2) // 3:
        return None
    decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return decoded if base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() == text else None


# Records

def associated_data(vector):
    return (vector["domain"].encode("ascii").ljust(16, b"\0") + bytes.fromhex(vector["vault"])
            + int(vector["owner"]).to_bytes(8, "big", signed=True)
            + int(vector["table"]).to_bytes(2, "big") + int(vector["column"]).to_bytes(2, "big")
            + int(vector["row"]).to_bytes(8, "big", signed=True)
            + int(vector["generation"]).to_bytes(8, "big"))


def derive(header, key, personal, place):
    """Record key and commitment."""
    okm = blake2b(header + len(place).to_bytes(8, "little") + place, key, personal, 64)
    return okm[:32], okm[32:]


def open_record(record, key, version, personal, place, flags_allowed):
    """The body of a suite 1 record, still padded."""
    if len(record) < OVERHEAD or record[:2] != b"\x01\x01":
        raise Refused("integrity", "malformed")
    if int.from_bytes(record[2:4], "big") not in flags_allowed:
        raise Refused("integrity", "malformed")
    if int.from_bytes(record[4:8], "big") != version:
        raise Refused("integrity", "key version")
    record_key, commitment = derive(record[:32], key, personal, place)
    if record[32:64] != commitment:
        raise Refused("integrity", "commitment")
    body = aead_decrypt(record[64:], record[:64], record[8:32], record_key)
    if body is None:
        raise Refused("integrity", "tag")
    return body


def padded_length(count):
    bucket = 256 if count < 4096 else 1024
    return (count // bucket + 1) * bucket


def open_field(vector):
    record, limit = bytes.fromhex(vector["record"]), int(vector.get("limit", FIELD_LIMIT))
    padded = len(record) >= OVERHEAD and record[3] == 1
    if len(record) - OVERHEAD > (padded_length(limit) if padded else limit):
        raise Refused("integrity", "malformed")
    body = open_record(record, bytes.fromhex(vector["key"]), int(vector["key_version"]), SEAL,
                       associated_data(vector), (0, 1))
    if not padded:
        return body
    mark = len(body.rstrip(b"\0")) - 1
    if mark < 0 or body[mark] != 0x80 or padded_length(mark) != len(body) or mark > limit:
        raise Refused("integrity", "padding")
    return body[:mark]


def open_wrap(record, key, epoch, place):
    if len(record) != OVERHEAD + 32:
        raise Refused("integrity", "malformed")
    return open_record(record, key, epoch, WRAP, place, (0,))


# Keyslots

def read_key_file(content):
    if len(content) == 32:
        return content
    key = read_line(content, b"TOKENVAULT-KEY-1 ", 32)
    if key is None:
        raise Refused("invalid_input", "key file")
    return key


def read_line(content, label, count):
    """What a file of one line holds, or None. A byte order mark before it and blanks behind it do not count."""
    length = len(label) + (count * 4 + 2) // 3
    line = content.removeprefix(b"\xef\xbb\xbf").rstrip(b" \t\r\n")
    if len(content) > length + 64 or len(line) != length or not line.startswith(label):
        return None
    return base64url(line[len(label):].decode("latin-1"), count)


def slot_input_key(kind, content, parameters):
    if kind in (1, 3):
        if parameters:
            raise Refused("integrity", "malformed")
        return read_key_file(content)
    if kind == 4:
        return open_recovery_box(parameters, content)
    if kind == 6:
        if not 2 <= len(parameters) <= 4097 or parameters[0] != 1:
            raise Refused("integrity", "malformed")
        # What the program would have to be asked: here `source` is its answer.
        return content
    return stretch(content, parameters)


def open_recovery_box(parameters, private_key):
    if len(parameters) != 113 or parameters[0] != 1:
        raise Refused("integrity", "malformed")
    if parameters[1:33] != x25519_public_key(private_key):
        raise Refused("locked", "public key")
    key = ctypes.create_string_buffer(32)
    if SODIUM.crypto_box_seal_open(key, parameters[33:], ctypes.c_ulonglong(80), parameters[1:33], private_key) != 0:
        raise Refused("integrity", "box")
    return key.raw


def x25519_public_key(private_key):
    public_key = ctypes.create_string_buffer(32)
    SODIUM.crypto_scalarmult_base(public_key, private_key)
    return public_key.raw


def stretch(content, parameters):
    if len(parameters) != 25 or parameters[0] != 1:
        raise Refused("integrity", "malformed")
    passes, kib = int.from_bytes(parameters[1:5], "big"), int.from_bytes(parameters[5:9], "big")
    if not 3 <= passes <= 10 or not 64 * 1024 <= kib <= 1024 * 1024:
        raise Refused("integrity", "malformed")
    passphrase = opaque_string(content)
    if not 1 <= len(passphrase) <= 1024:
        raise Refused("invalid_input", "passphrase")
    return argon2id(passphrase, parameters[9:], passes, kib * 1024)


def opaque_string(content):
    """RFC 8265 section 4.2: every space becomes U+0020, then NFC."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise Refused("invalid_input", "passphrase") from None
    if len(content) > 4096 or any(unicodedata.category(c) in ("Cc", "Cn", "Zl", "Zp") for c in text):
        raise Refused("invalid_input", "passphrase")
    spaced = "".join(" " if unicodedata.category(c) == "Zs" else c for c in text)
    return unicodedata.normalize("NFC", spaced).encode()


def slot_place(vector):
    return associated_data({"domain": "tv.keyslot", "vault": vector["vault"], "owner": 1, "table": 0,
                            "column": vector.get("role", 0), "row": 0, "generation": vector["epoch"]})


def slot_key(vector):
    kind, parameters = int(vector["kind"]), bytes.fromhex(vector["parameters"])
    key = slot_input_key(kind, bytes.fromhex(vector["source"]), parameters)
    head = bytes([kind]) + bytes.fromhex(vector["vault"]) + bytes.fromhex(vector["slot"])
    return blake2b(head + len(parameters).to_bytes(2, "big") + parameters, key, SLOT, 32)


def open_keyslot(vector):
    kind, epoch = int(vector["kind"]), int(vector["epoch"])
    offered = int(vector.get("source_kind", kind))
    # A key file and a credential hold the same bytes.
    if offered != kind and {offered, kind} != {1, 3}:
        raise Refused("locked", "kind")
    wrapped = bytes.fromhex(vector["wrapped"])
    if len(bytes.fromhex(vector["slot"])) != 16 or len(wrapped) != OVERHEAD + 32:
        raise Refused("integrity", "malformed")
    try:
        return open_wrap(wrapped, slot_key(vector), epoch, slot_place(vector))
    except Refused as refused:
        # Another key and an edited commitment look alike.
        raise Refused("locked", refused.why) if refused.why == "commitment" else refused


# Recovery files

def open_recovery_file(vector):
    record = read_line(vector["text"].encode(), b"TOKENVAULT-RECOVERY-1 ", 185)
    if record is None:
        raise Refused("invalid_input", "spelling")
    vault, public_key, parameters = record[:16], record[16:48], record[48:73]
    key = blake2b(record[:73], stretch(bytes.fromhex(vector["passphrase"]), parameters), RECOVERY, 32)
    place = associated_data({"domain": "tv.recovery", "vault": vault.hex(), "owner": 1, "table": 0, "column": 0,
                             "row": 0, "generation": 0})
    try:
        private_key = open_wrap(record[73:], key, 0, place)
    except Refused as refused:
        raise Refused("locked", refused.why) if refused.why == "commitment" else refused
    if x25519_public_key(private_key) != public_key:
        raise Refused("integrity", "public key")
    return private_key


# Tokens and tags

def open_token(vector):
    kind, token = int(vector["kind"]), vector["token"]
    if not token.startswith(TOKEN_PREFIXES[kind]):
        raise Refused("refused", "spelling")
    sealed = base64url(token[6:], 78)
    if sealed is None:
        raise Refused("refused", "spelling")
    if sealed[0] != int(vector["key_id"]):
        raise Refused("refused", "key id")
    data = bytes([kind]) + bytes.fromhex(vector["vault"])
    handle = aead_decrypt(sealed[25:], data, sealed[1:25], bytes.fromhex(vector["key"]))
    if handle is None:
        raise Refused("refused", "tag")
    issued, ends = (int.from_bytes(handle[at:at + 4], "big") for at in (28, 32))
    if handle[36] != 0:
        raise Refused("refused", "reserved")
    if ends < issued:
        raise Refused("refused", "times")
    return {"grant": str(int.from_bytes(handle[:8], "big", signed=True)),
            "generation": str(int.from_bytes(handle[8:12], "big")), "family_secret": handle[12:28].hex(),
            "issued": str(issued), "ends": str(ends)}


def compute(vector):
    """What `tags.json` compares: nothing in it opens."""
    kind, key = vector["kind"], bytes.fromhex(vector.get("key", ""))
    value = bytes.fromhex(vector.get("value", ""))
    if kind == "tag":
        return blake2b(value, key, vector["purpose"].encode("ascii"), 16)
    if kind == "row tag":
        return blake2b(value, key, ROW, 32)
    if kind == "row set":
        result = blake2b(b"\0" + bytes.fromhex(vector["stamp"]), key, ROW_SET, 32)
        for row in filter(None, vector["rows"].split(",")):
            table, number, digest = row.split(" ")
            element = blake2b(b"\1" + int(table).to_bytes(2, "big") + int(number).to_bytes(8, "big", signed=True)
                              + bytes.fromhex(digest), key, ROW_SET, 32)
            result = bytes(a ^ b for a, b in zip(result, element))
        return result
    if kind == "client secret":
        if not value.startswith(b"tv_cs_") or base64url(value[6:].decode(), 32) is None:
            raise Refused("refused", "spelling")
        return blake2b(value, key, b"tv.client-secret", 16)
    if kind == "fingerprint":
        return hashlib.sha256(value).digest()[:16]
    if kind == "associated data":
        return associated_data(vector)
    raise ValueError(f"no such kind: {kind}")


# Rows: docs/schema.md

def canonical_row(vector):
    """The canonical bytes of a row, and how many of them the log hashes."""
    def column(number, text):
        kind, _, value = text.partition(":")
        head = bytes([number])
        if kind == "integer":
            return head + b"\x01" + int(value).to_bytes(8, "big", signed=True)
        data = bytes.fromhex(value)
        return head + {"text": b"\x02", "blob": b"\x03"}[kind] + len(data).to_bytes(4, "big") + data

    unhashed = [int(number) for number in vector["unhashed"].split()]
    columns = {number: text for number, text in enumerate(vector["columns"].split(" "), 1) if text != "null"}
    row = int(vector["table"]).to_bytes(2, "big") + int(vector["row"]).to_bytes(8, "big", signed=True)
    row += b"".join(column(number, text) for number, text in columns.items() if number not in unhashed)
    hashed = len(row)
    row += b"".join(column(number, columns[number]) for number in unhashed if number in columns)
    if vector["leaf"] != "none":
        row += column(255, "integer:" + vector["leaf"])
    return row, hashed


def open_row(vector):
    row, hashed = canonical_row(vector)
    if blake2b(row, bytes.fromhex(vector["key"]), ROW, 32).hex() != vector["tag"]:
        raise Refused("integrity", "tag")
    return {"canonical": row.hex(), "hash": hashlib.sha256(row[:hashed]).hexdigest()}


# Leaves of the log: docs/schema.md

def is_number(value, least=-2**63, most=2**63 - 1):
    return type(value) is int and least <= value <= most


def is_text(value):
    """Printable ASCII that JSON does not escape."""
    return isinstance(value, str) and re.fullmatch(r"[ !#-\[\]-~]*", value) is not None


def is_texts(value):
    return isinstance(value, list) and value != [] and all(is_text(one) for one in value)


def is_creation(value):
    """[number], and for each but the first the entry of the one before."""
    return (isinstance(value, list) and value != [] and is_number(value[0], 1)
            and len(value) == (1 if value[0] == 1 else 2) and all(is_number(previous, 0) for previous in value[1:]))


def is_row(row):
    """[table, id, hash or null], and for a row that was there the entry that named it before."""
    return (isinstance(row, list) and len(row) in (3, 4) and is_number(row[0], 0, 0xFFFF) and is_number(row[1])
            and (row[2] is None or isinstance(row[2], str) and re.fullmatch("[0-9a-f]{64}", row[2]) is not None)
            and all(is_number(previous, 0) for previous in row[3:]))


def is_rows(value):
    return isinstance(value, list) and value != [] and all(is_row(row) for row in value)


LEAF_LIMIT = 4096
# In the order in which they are written.
LEAF = {"v": is_number, "i": is_number, "t": is_number, "w": is_number, "m": is_number, "b": is_text, "op": is_text,
        "out": is_text, "why": is_text, "by": is_text, "via": is_text, "who": is_text, "g": is_number, "n": is_number,
        "tok": is_text, "req": is_text, "count": is_number, "gs": is_texts, "seq": is_creation, "rows": is_rows,
        "pd": is_text, "pa": is_text, "st": is_text}
LEAF_NEEDS = {"v", "i", "t", "m", "b", "op", "out", "by", "via"}


def read_leaf(leaf):
    """The members of a leaf that is spelled as a writer spells it."""
    if len(leaf) > LEAF_LIMIT:
        raise Refused("integrity", "length")
    try:
        text = leaf.decode("ascii")
        # Objects become tuples of pairs, in which a member that comes twice is still there twice.
        pairs = json.loads(text, object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        raise Refused("integrity", "malformed") from None
    if not isinstance(pairs, tuple):
        raise Refused("integrity", "malformed")
    if pairs[:1] != (("v", 1),):
        raise Refused("integrity", "format")
    names, members = [name for name, _ in pairs], dict(pairs)
    if not members.keys() <= LEAF.keys():
        raise Refused("integrity", "unknown member")
    if names != [name for name in LEAF if name in members]:
        raise Refused("integrity", "order")
    if not members.keys() >= LEAF_NEEDS:
        raise Refused("integrity", "missing member")
    if not all(LEAF[name](value) for name, value in pairs):
        raise Refused("integrity", "value")
    if members.get("w", members["t"] - 1) >= members["t"]:
        raise Refused("integrity", "wall clock")
    if json.dumps(members, separators=(",", ":")) != text:
        raise Refused("integrity", "spelling")
    return members


def grant_mark(owner, grant, index):
    """What a leaf about the grants of many says in place of one of them."""
    place = index.to_bytes(8, "big", signed=True) + grant.to_bytes(8, "big", signed=True)
    return hashlib.sha256(b"tv.many" + owner + place).digest()[:16].hex()


def shown(value, between=" "):
    if isinstance(value, list):
        return between.join(shown(one, ":") for one in value)
    return "null" if value is None else str(value)


def open_leaf(vector):
    leaf = bytes.fromhex(vector["leaf"])
    if hashlib.sha256(b"\0" + leaf).hexdigest() != vector["hash"]:
        raise Refused("integrity", "hash")
    members = read_leaf(leaf)
    if "grants" in vector:
        grants = (grant.split(":") for grant in vector["grants"].split(" "))
        if [grant_mark(bytes.fromhex(owner), int(grant), members["i"]) for owner, grant in grants] != members.get("gs"):
            raise Refused("integrity", "mark")
    for part in ("pd", "pa"):
        if part + ".data" in vector:
            data = bytes.fromhex(vector[part + ".salt"]) + bytes.fromhex(vector[part + ".data"])
            if hashlib.sha256(data).hexdigest() != members.get(part):
                raise Refused("integrity", "commitment")
    # What is left out is the log's time.
    members.setdefault("w", members["t"])
    return {"leaf." + name: shown(members[name]) if name in members else None for name in LEAF if name != "v"}


# Vectors

def open_vector(name, vector):
    """What the vector holds, in the names that the vector itself uses."""
    if name == "sealed-field.json" or vector.get("kind") == "field":
        return {"plaintext": open_field(vector).hex()}
    if name == "key-wrap.json" or vector.get("kind") == "wrap":
        key = open_wrap(bytes.fromhex(vector["record"]), bytes.fromhex(vector["key"]), int(vector["epoch"]),
                        associated_data(vector))
        return {"wrapped_key": key.hex()}
    if vector.get("kind") == "slot":
        return {"root": open_keyslot({**vector, "kind": vector["slot_kind"]}).hex()}
    if name == "keyslot.json":
        return {"root": open_keyslot(vector).hex()}
    if name == "recovery.json":
        opened = open_recovery_file(vector)
        return {"private_key": opened.hex()}
    if name == "token-handle.json":
        return open_token(vector)
    if name == "row.json":
        return open_row(vector)
    if name == "leaf.json":
        return open_leaf(vector)
    return {"result": compute(vector).hex()}


def raw_cipher_opens(vector):
    """Whether the bare cipher accepts the record, had nobody looked at the commitment."""
    if vector["kind"] == "slot":
        slot = {**vector, "kind": vector["slot_kind"]}
        record, key, place = bytes.fromhex(vector["wrapped"]), slot_key(slot), slot_place(slot)
    else:
        record, key, place = bytes.fromhex(vector["record"]), bytes.fromhex(vector["key"]), associated_data(vector)
    record_key, _ = derive(record[:32], key, SEAL if vector["kind"] == "field" else WRAP, place)
    return aead_decrypt(record[64:], record[:64], record[8:32], record_key) is not None


def complaint(name, vector):
    """What is wrong with this vector or this reader; None if all is as it says."""
    try:
        found = open_vector(name, vector)
    except Refused as refused:
        if vector["expect"] in ("opens", "equal"):
            return f"refused: {refused}"
        if (refused.code, refused.why) != (vector["expect"], vector["why"]):
            return f"refused as {refused}, not as {vector['expect']}: {vector['why']}"
    else:
        if vector["expect"] not in ("opens", "equal"):
            return "opened, and must not"
        wrong = [field for field, value in found.items() if vector.get(field) != value]
        if wrong:
            return f"opened to another {', '.join(wrong)}"
    if "raw_cipher" in vector and raw_cipher_opens(vector) != (vector["raw_cipher"] == "opens"):
        return "the bare cipher does not do what the vector says"
    return None


def load(path):
    """All vectors of a file, with what `of` refers to filled in."""
    known = {}
    for vector in json.loads(path.read_text())["vectors"]:
        whole = {**known[vector["of"]], **vector} if "of" in vector else vector
        known[whole["name"]] = whole
        yield whole


NAMES = ("sealed-field.json", "key-wrap.json", "keyslot.json", "recovery.json", "token-handle.json", "tags.json",
         "row.json", "leaf.json", "forged.json")


def main(directory):
    failures = 0
    for name in NAMES:
        opened = refused = 0
        for vector in load(directory / name):
            trouble = complaint(name, vector)
            if trouble:
                print(f"{name}: {vector['name']}: {trouble}")
                failures += 1
            elif vector["expect"] in ("opens", "equal"):
                opened += 1
            else:
                refused += 1
        print(f"{name}: {opened} opened, {refused} refused")
        if not opened:
            print(f"{name}: nothing to open")
            failures += 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent))
