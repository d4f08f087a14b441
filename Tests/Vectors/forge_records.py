"""Makes forged.json: records that TokenVault never writes, by somebody who has the keys.

The centre is the two-key record. Poly1305 is a polynomial over the integers modulo 2^130 - 5, so whoever knows
two keys can solve for one block of ciphertext such that one tag is right under both (Len, Grubbs, Ristenpart:
Partitioning Oracle Attacks, USENIX Security 2021). The bare cipher opens such a record under both keys. The
commitment in a suite 1 record can be right for one of them only.

Usage: forge_records.py           writes forged.json beside this file
       forge_records.py --check   compares instead; exit status 1 if the file differs
"""

import ctypes
import hashlib
import json
import pathlib
import sys

sys.dont_write_bytecode = True
import open_vectors as reader

P = 2**130 - 5
CLAMP = 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF


def chosen(name, count):
    """The bytes that the other vectors call by this name: SHA-256 in counter mode."""
    blocks = (hashlib.sha256(bytes([index]) + name.encode()).digest() for index in range(count // 32 + 1))
    return b"".join(blocks)[:count]


def aead_encrypt(message, data, nonce, key):
    ciphertext = ctypes.create_string_buffer(len(message) + 16)
    reader.SODIUM.crypto_aead_xchacha20poly1305_ietf_encrypt(
        ciphertext, None, message, ctypes.c_ulonglong(len(message)), data, ctypes.c_ulonglong(len(data)),
        None, nonce, key)
    return ciphertext.raw


def seal(body, key, personal, place, version=1, flags=0, head=b"\x01\x01", nonce=None):
    """A record that is authentic whatever its header says."""
    header = head + flags.to_bytes(2, "big") + version.to_bytes(4, "big") + (nonce or chosen("forged nonce", 24))
    record_key, commitment = reader.derive(header, key, personal, place)
    return header + commitment + aead_encrypt(body, header + commitment, header[8:], record_key)


# The two-key record

def poly1305_key(nonce, key):
    """r and s of XChaCha20-Poly1305: the first 32 bytes of the keystream."""
    subkey = ctypes.create_string_buffer(32)
    reader.SODIUM.crypto_core_hchacha20(subkey, nonce[:16], key, None)
    stream = ctypes.create_string_buffer(32)
    reader.SODIUM.crypto_stream_chacha20_ietf(stream, ctypes.c_ulonglong(32), b"\0" * 4 + nonce[16:], subkey.raw)
    return int.from_bytes(stream.raw[:16], "little") & CLAMP, int.from_bytes(stream.raw[16:], "little")


def blocks(data, ciphertext):
    """What Poly1305 reads, as numbers. Both parts are whole blocks here."""
    text = data + ciphertext + len(data).to_bytes(8, "little") + len(ciphertext).to_bytes(8, "little")
    return [int.from_bytes(text[start:start + 16], "little") + 2**128 for start in range(0, len(text), 16)]


def polynomial(numbers, r):
    value = 0
    for number in numbers:
        value = (value + number) * r % P
    return value


def two_key_ciphertext(data, nonce, first, second, block_count):
    """`block_count` blocks and a tag that the bare cipher accepts under both keys.

    With X the last block of ciphertext, the tag under key i is (f_i + X * r_i^2) mod P + s_i, modulo 2^128. Both
    are equal where X = (f_2 - f_1 + s_2 - s_1 + d * 2^128) / (r_1^2 - r_2^2) for some small d; X must also come
    out as a block, 2^128 <= X < 2^129. About every fourth try does.
    """
    (r1, s1), (r2, s2) = poly1305_key(nonce, first), poly1305_key(nonce, second)
    inverse = pow(r1 * r1 - r2 * r2, -1, P)
    for attempt in range(10_000):
        start = chosen(f"two-key block {attempt}", 16 * (block_count - 1))
        numbers = blocks(data, start + bytes(16))
        numbers[-2] = 0
        f1, f2 = polynomial(numbers, r1), polynomial(numbers, r2)
        for d in range(-4, 5):
            x = (f2 - f1 + s2 - s1 + d * 2**128) * inverse % P
            tag = (f1 + x * r1 * r1) % P + s1 & 2**128 - 1
            other = (f2 + x * r2 * r2) % P + s2 & 2**128 - 1
            if 2**128 <= x < 2**129 and tag == other:
                return start + (x - 2**128).to_bytes(16, "little") + tag.to_bytes(16, "little")
    sys.exit("no two-key ciphertext found")


def two_key_record(personal, place, other_place, first, second, version):
    """A record of two blocks: committed to the first key, accepted by the bare cipher under both."""
    nonce = chosen(f"two-key nonce {personal}", 24)
    header = b"\x01\x01\0\0" + version.to_bytes(4, "big") + nonce
    record_key, commitment = reader.derive(header, first, personal, place)
    other_key, _ = reader.derive(header, second, personal, other_place)
    return header + commitment + two_key_ciphertext(header + commitment, nonce, record_key, other_key, 2)


# The file

PLACE = {"domain": "tv.field", "vault": chosen("vault", 16).hex(), "owner": "7", "table": "3", "column": "5",
         "row": "42", "generation": "9"}


def pair(kind, personal, output, version_name, name, elsewhere):
    """One record and both its readings: by the key it commits to, and by the other key."""
    first, second = chosen(f"first key, {name}", 32), chosen(f"second key, {name}", 32)
    other = {**PLACE, **elsewhere}
    record = two_key_record(
        personal, reader.associated_data(PLACE), reader.associated_data(other), first, second, 1)
    base = {**PLACE, "kind": kind, version_name: "1", "record": record.hex(), "raw_cipher": "opens"}
    opened = {**base, "name": f"{name}, first key", "expect": "opens", "key": first.hex()}
    key, _ = reader.derive(record[:32], first, personal, reader.associated_data(PLACE))
    opened[output] = reader.aead_decrypt(record[64:], record[:64], record[8:32], key).hex()
    refused = {**elsewhere, "name": f"{name}, second key", "of": opened["name"], "expect": "integrity",
               "why": "commitment", "key": second.hex(), "raw_cipher": "opens"}
    return [opened, refused]


def slot_pair():
    """A keyslot that two key files open to two root keys, had the bare cipher its way."""
    base = {"kind": "slot", "slot_kind": "1", "vault": chosen("vault", 16).hex(), "slot": chosen("forged slot", 16).hex(),
            "epoch": "1", "parameters": "", "raw_cipher": "opens"}
    name = "two keys, one keyslot"
    first, second = ({**base, "kind": "1", "source": chosen(f"{which} key file, {name}", 32).hex()}
                     for which in ("first", "second"))
    record = two_key_record(
        reader.WRAP, reader.slot_place(base), reader.slot_place(base), reader.slot_key(first), reader.slot_key(second), 1)
    key, _ = reader.derive(record[:32], reader.slot_key(first), reader.WRAP, reader.slot_place(base))
    opened = {**base, "name": f"{name}, first key file", "expect": "opens", "source": first["source"],
              "wrapped": record.hex(), "root": reader.aead_decrypt(record[64:], record[:64], record[8:32], key).hex()}
    refused = {"name": f"{name}, second key file", "of": opened["name"], "expect": "locked", "why": "commitment",
               "source": second["source"], "raw_cipher": "opens"}
    return [opened, refused]


def misformed():
    """Authentic under the right key, and still not what a writer makes."""
    key, place = chosen("forger's key", 32), reader.associated_data(PLACE)
    base = {**PLACE, "kind": "field", "key_version": "1", "key": key.hex()}

    def record(name, why, body, **changes):
        sealed = seal(body, key, reader.SEAL, place, **changes)
        return {**base, "name": name, "expect": "integrity", "why": why, "record": sealed.hex()}

    good = record("made by hand", "", b"abc\x80".ljust(256, b"\0"), flags=1)
    del good["why"]
    good.update(expect="opens", plaintext=b"abc".hex())
    return [
        good,
        record("format version 2", "malformed", b"abc", head=b"\x02\x01"),
        record("suite 2", "malformed", b"abc", head=b"\x01\x02"),
        record("an unknown flag", "malformed", b"abc", flags=2),
        record("padded and an unknown flag", "malformed", b"abc\x80".ljust(256, b"\0"), flags=0x8001),
        record("padding without a mark", "padding", bytes(256), flags=1),
        record("padding with another mark", "padding", b"abc\x81".ljust(256, b"\0"), flags=1),
        record("padding that is not zero", "padding", b"abc\x80".ljust(255, b"\0") + b"\x01", flags=1),
        record("padding to a bucket too many", "padding", b"abc\x80".ljust(512, b"\0"), flags=1),
        record("padding to no bucket", "padding", b"abc\x80".ljust(255, b"\0"), flags=1),
        record("nothing, said to be padded", "padding", b"", flags=1),
        record("a fine bucket where a coarse one is due", "padding", (b"a" * 4100 + b"\x80").ljust(4352, b"\0"),
               flags=1),
        {**record("a wrap passed off as a field", "commitment", b""),
         "record": seal(bytes(32), key, reader.WRAP, place).hex()},
        {**base, "name": "a field passed off as a wrap", "kind": "wrap", "epoch": "1", "expect": "integrity",
         "why": "commitment", "record": seal(bytes(32), key, reader.SEAL, place).hex()},
    ]


def main(arguments):
    vectors = pair("field", reader.SEAL, "plaintext", "key_version", "two keys, one field", {})
    vectors += pair("field", reader.SEAL, "plaintext", "key_version", "two keys, two rows", {"row": "43"})
    vectors += pair("wrap", reader.WRAP, "wrapped_key", "epoch", "two keys, one wrap", {})
    vectors += misformed()
    vectors += slot_pair()
    text = json.dumps({"format": "records made by somebody who has the keys", "vectors": vectors}, indent=2,
                      sort_keys=True) + "\n"
    path = pathlib.Path(__file__).parent / "forged.json"
    if "--check" in arguments:
        return 0 if path.read_text() == text else 1
    path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
