#!/usr/bin/env python3
"""A key program for TokenVault: the key that opens the vault never leaves a PKCS#11 token.

Reads one question on standard input, answers on standard output (docs/keys.md, "Key programs"). The 32 bytes of a
keyslot are sealed with AES-256-GCM by a key inside the token; vault and slot are bound to them. Needs the package
`python-pkcs11`, and a JSON file of settings that $TOKENVAULT_KEY_EXEC_SETTINGS names:

    {"module": "/usr/lib/softhsm/libsofthsm2.so", "token": "vault", "key": "tokenvault", "pin_file": "/etc/tokenvault/pin",
     "environment": {"SOFTHSM2_CONF": "/etc/softhsm/softhsm2.conf"}}

`pkcs11_key.py make-key` makes the key in the token, once.
"""

import base64
import json
import os
import pathlib
import secrets
import sys

import pkcs11
from pkcs11.mechanisms import GCMParams

NONCE_BYTES = 12


def settings():
    found = json.loads(pathlib.Path(os.environ["TOKENVAULT_KEY_EXEC_SETTINGS"]).read_text())
    os.environ.update(found.get("environment", {}))
    return found


def session(given, rw=False):
    token = pkcs11.lib(given["module"]).get_token(token_label=given["token"])
    pin_file = pathlib.Path(given["pin_file"])
    if pin_file.stat().st_mode & 0o077:
        sys.exit(f"others may read {pin_file}: chmod 600 {pin_file}")
    return token.open(rw=rw, user_pin=pin_file.read_text().strip())


def make_key(given):
    with session(given, rw=True) as opened:
        opened.generate_key(
            pkcs11.KeyType.AES, 256, label=given["key"], store=True,
            template={pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False})


def answer(given, question):
    if question["version"] != 1:
        sys.exit("this question is of a version that I do not know")
    place = bytes.fromhex(question["vault"]) + bytes.fromhex(question["slot"])
    with session(given) as opened:
        key = opened.get_key(object_class=pkcs11.ObjectClass.SECRET_KEY, label=given["key"])

        def parameters(nonce):
            return {"mechanism": pkcs11.Mechanism.AES_GCM, "mechanism_param": GCMParams(nonce, place, 128)}

        if question["op"] == "wrap":
            nonce = secrets.token_bytes(NONCE_BYTES)
            sealed = key.encrypt(base64.b64decode(question["key"]), **parameters(nonce))
            return {"blob": base64.b64encode(nonce + sealed).decode()}
        blob = base64.b64decode(question["blob"])
        opened_key = key.decrypt(blob[NONCE_BYTES:], **parameters(blob[:NONCE_BYTES]))
        return {"key": base64.b64encode(opened_key).decode()}


def main():
    try:
        given = settings()
        if sys.argv[1:] == ["make-key"]:
            make_key(given)
        else:
            print(json.dumps(answer(given, json.load(sys.stdin))))
    except pkcs11.exceptions.PKCS11Error as error:
        sys.exit(f"the token refused: {type(error).__name__}")


if __name__ == "__main__":
    main()
