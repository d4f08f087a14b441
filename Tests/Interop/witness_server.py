"""Two witnesses of C2SP tlog-witness on loopback: one written from the specification alone, and aics-witness from PyPI."""

import base64
import hashlib
import json
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from served import SECONDS
from tlog_reader import Checkpoint, Refused, decode, read_checkpoint, require, roots_by_proof


class OwnWitness:
    """Cosigns what goes on from all it saw; `seen` by origin."""

    name = "witness.example/own"

    def __init__(self, _: Path) -> None:
        self.key = Ed25519PrivateKey.generate()
        material = b"\x04" + self.key.public_key().public_bytes_raw()
        self.id = hashlib.sha256(self.name.encode() + b"\n" + material).digest()[:4]
        self.vkey = f"{self.name}+{self.id.hex()}+{base64.b64encode(material).decode()}"
        self.logs: dict[str, str] = {}
        self.seen: dict[str, Checkpoint] = {}
        self.statuses: list[int] = []
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with outer.lock:
                    status, answer = outer.answer(body) if self.path == "/w/add-checkpoint" else (404, "")
                    outer.statuses.append(status)
                self.send_response(status)
                self.send_header("Content-Type", "text/x.tlog.size" if status == 409 else "text/plain")
                self.send_header("Content-Length", str(len(answer.encode())))
                self.end_headers()
                self.wfile.write(answer.encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/w"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def trust(self, vkey: str) -> None:
        self.logs[vkey.split("+")[0]] = vkey

    def size(self, origin: str) -> int:
        return self.seen[origin].size if origin in self.seen else 0

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def answer(self, body: bytes) -> tuple[int, str]:
        try:
            head, separator, note = body.decode().partition("\n\n")
            first, *lines = head.split("\n")
            word, size = first.split(" ")
            require(bool(separator) and word == "old" and str(int(size)) == size, "the first line")
            require(len(lines) <= 63, "too many hashes")
            old, proof = int(size), [decode(line) for line in lines]
            origin, claimed = note.split("\n")[:2]
            require(old <= int(claimed), "the old size")
        except (ValueError, Refused):
            return 400, ""
        if origin not in self.logs:
            return 404, ""
        try:
            new = read_checkpoint(note.encode(), self.logs[origin])
        except Refused:
            return 403, ""
        if old != self.size(origin):
            return 409, f"{self.size(origin)}\n"
        try:
            if old == 0:
                require(not proof, "a proof from nothing")
            else:
                known = self.seen[origin].root
                before, after = roots_by_proof(old, new.size, proof, known)
                require(before == known and after == new.root, "another root")
        except Refused:
            return 422, ""
        self.seen[origin] = new
        return 200, self.cosignature(note)

    def cosignature(self, note: str) -> str:
        now = int(time.time())
        text = note.rpartition("\n\n")[0] + "\n"
        signature = self.key.sign(f"cosignature/v1\ntime {now}\n{text}".encode())
        blob = self.id + now.to_bytes(8, "big") + signature
        return f"— {self.name} {base64.b64encode(blob).decode()}\n"


class AicsWitness:
    """The program as its operator runs it."""

    name = "witness.example/aics"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.vkey = self.run("init", "--name", self.name, "--listen", "127.0.0.1:0", "--prefix", "/w").strip()
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "aics_witness", *arguments], cwd=self.folder, capture_output=True, text=True,
            timeout=SECONDS)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self) -> None:
        log = self.folder / "witness.log"
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "aics_witness", "serve"], cwd=self.folder, stdout=output, stderr=output)
        deadline = time.monotonic() + SECONDS
        while "127.0.0.1:" not in log.read_text():
            assert self.process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        port = log.read_text().split("127.0.0.1:")[1]
        self.url = f"http://127.0.0.1:{''.join(c for c in port[:5] if c.isdigit())}/w"

    def trust(self, vkey: str) -> None:
        self.run("add-log", "--origin", vkey.split("+")[0], "--vkey", vkey)
        self.close()
        config = json.loads((self.folder / "witness.json").read_text())
        # The port that it has by now.
        config["witness"]["listen"] = self.url.removeprefix("http://").removesuffix("/w")
        (self.folder / "witness.json").write_text(json.dumps(config))
        self.start()

    def size(self, origin: str) -> int:
        logs = json.loads(self.run("status", "--json"))["logs"]
        return next((log["size"] or 0 for log in logs if log["origin"] == origin), 0)

    def close(self) -> None:
        assert self.process is not None
        self.process.terminate()
        assert self.process.wait(SECONDS) == 0


Witness = OwnWitness | AicsWitness


def check_cosigned(note: bytes, log_vkey: str, witnesses: dict[str, str]) -> Checkpoint:
    """The checkpoint, once the log and every witness signed it; `witnesses` are verifier keys by name."""
    checkpoint = read_checkpoint(note, log_vkey)
    text, _, lines = note.decode().rpartition("\n\n")
    missing = dict(witnesses)
    for line in lines.splitlines():
        _, name, signature = line.split(" ")
        if name in witnesses:
            _, key_id, material = witnesses[name].split("+", 2)
            key, blob = decode(material), decode(signature)
            require(key[0] == 4 and blob[:4].hex() == key_id, "the witness's key")
            moment = int.from_bytes(blob[4:12], "big")
            require(abs(moment - time.time()) < 600, "the time")
            Ed25519PublicKey.from_public_bytes(key[1:]).verify(
                blob[12:], f"cosignature/v1\ntime {moment}\n{text}\n".encode())
            missing.pop(name, None)
    require(not missing, f"not cosigned by {missing}")
    return checkpoint
