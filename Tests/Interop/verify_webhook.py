"""Verifies messages as Standard Webhooks 1.0 says, with nothing but Python's own library.

Reads {"secret": "whsec_...", "messages": [{"id", "timestamp", "signature", "body"}]} and prints a list of booleans.
"""

import base64
import hashlib
import hmac
import json
import sys

request = json.load(sys.stdin)
prefix, encoded = request["secret"].split("_", 1)
assert prefix == "whsec"
key = base64.b64decode(encoded, validate=True)
assert 24 <= len(key) <= 64
verdicts = []
for message in request["messages"]:
    assert "." not in message["id"]
    signed = f'{message["id"]}.{message["timestamp"]}.{message["body"]}'.encode()
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    version, signature = message["signature"].split(",")
    verdicts.append(version == "v1" and hmac.compare_digest(signature, expected))
print(json.dumps(verdicts))
