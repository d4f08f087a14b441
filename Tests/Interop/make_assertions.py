"""Makes client assertions (RFC 7523) with joserfc: one for each algorithm that the server accepts.

Reads {"client", "audience", "now"}; prints {"keys": JWK Set, "assertions": {alg: text}}.
"""

import json
import sys
import uuid

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

request = json.load(sys.stdin)
made = {
    "RS256": RSAKey.generate_key(2048, {"kid": "rs"}),
    "PS256": RSAKey.generate_key(3072, {"kid": "ps", "use": "sig", "alg": "PS256"}),
    "RS384": RSAKey.generate_key(2048, {"kid": "rs384"}),
    "PS384": RSAKey.generate_key(2048, {"kid": "ps384"}),
    "ES384": ECKey.generate_key("P-384", {"kid": "es384"}),
    "ES256": ECKey.generate_key("P-256", {"kid": "es"}),
    "EdDSA": OKPKey.generate_key("Ed25519", {"kid": "ed"}),
}
claims = {
    "iss": request["client"],
    "sub": request["client"],
    "aud": request["audience"],
    "iat": request["now"],
    "exp": request["now"] + 120,
}
assertions = {
    alg: jwt.encode({"alg": alg, "kid": key.kid}, {**claims, "jti": str(uuid.uuid4())}, key, algorithms=[alg])
    for alg, key in made.items()
}
print(json.dumps({"keys": KeySet(list(made.values())).as_dict(private=False), "assertions": assertions}))
