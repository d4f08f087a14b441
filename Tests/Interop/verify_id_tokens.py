"""Verifies id_tokens with joserfc, which shares no code with the signer.

Reads {"keys": JWK Set, "tokens": [{"token", "alg", "claims", "access_token"}]}; prints one line per token.
"""

import base64
import hashlib
import json
import sys

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

HASHES = {"RS256": hashlib.sha256, "ES256": hashlib.sha256, "EdDSA": hashlib.sha512}


def left_half(token: str, alg: str) -> str:
    digest = HASHES[alg](token.encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()


def damaged(token: str) -> list[str]:
    """The token with its claims changed, and with another signature."""
    header, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    claims["sub"] = "u_somebody-else"
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    flipped = ("B" if signature[0] == "A" else "A") + signature[1:]
    return [f"{header}.{forged}.{signature}", f"{header}.{payload}.{flipped}"]


request = json.load(sys.stdin)
keys = KeySet.import_key_set(request["keys"])
for case in request["tokens"]:
    alg = case["alg"]
    token = jwt.decode(case["token"], keys, algorithms=[alg])
    assert token.header["typ"] == "JWT", token.header
    assert token.header["alg"] == alg, token.header
    key = next(key for key in keys.keys if key.kid == token.header["kid"])
    assert key.thumbprint() == key.kid, "the kid is not the thumbprint"
    assert not key.is_private, "a private key was published"
    expected = dict(case["claims"])
    if case.get("access_token"):
        expected["at_hash"] = left_half(case["access_token"], alg)
    assert token.claims == expected, (token.claims, expected)
    for forged in damaged(case["token"]):
        try:
            jwt.decode(forged, keys, algorithms=[alg])
        except JoseError:
            continue
        raise AssertionError("a forged token was accepted")
    print(f"{alg} verified")
