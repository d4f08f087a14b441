"""A certificate for the loopback address, which vouches for itself."""

import subprocess
from pathlib import Path


class Certificate:
    def __init__(self, folder: Path) -> None:
        self.chain = folder / "chain.pem"
        self.key = folder / "key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
             "-keyout", self.key, "-out", self.chain],
            check=True, capture_output=True, timeout=20)
        self.key.chmod(0o600)

    @property
    def options(self) -> list[str]:
        """Of `tokenvault serve`."""
        return ["--tls-certificate", str(self.chain), "--tls-key", str(self.key)]
