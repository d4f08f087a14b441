"""nginx, Apache and Caddy as docs/operations.md configures them, on a loopback port.

Each serves two issuers on one host: `/id`, whose path it keeps, and `/two`, whose path it strips.
"""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import requests

from apache import Apache, free_port
from certificate import Certificate
from served import ROOT, SECONDS

# `make interop` unpacks the Debian packages, so that nothing is started by their installation.
PACKAGES = ROOT / ".build/proxies"
PAGE = ROOT / "docs/operations.md"
KINDS = ["nginx", "Apache", "Caddy"]


def program(name: str) -> str:
    found = shutil.which(name, path=f"{PACKAGES}/usr/sbin:{PACKAGES}/usr/bin:{os.environ['PATH']}")
    assert found, f"{name} is missing: run `make interop`"
    return found


def rules(block: str) -> list[str]:
    """What the block says of the issuer's path: lines, or whole groups in braces."""
    found: list[str] = []
    lines = iter(block.splitlines())
    for line in lines:
        if "/id" not in line:
            continue
        group = [line]
        if line.endswith("{"):
            end = line[:len(line) - len(line.lstrip())] + "}"
            while group[-1] != end:
                group.append(next(lines))
        found.append("\n".join(group))
    return found


def configuration(kind: str, first: int, second: int) -> str:
    """The page's block for issuers at two ports: the first as the block says, the second by the other line."""
    page = PAGE.read_text()
    block = re.search(rf"```{kind.lower()}\n(.*?)```", page, re.DOTALL)
    row = re.search(rf"^\| {kind} \| `(.+)` \| `(.+)` \|$", page, re.MULTILINE)
    assert block and row
    kept, stripped = row.groups()
    assert block[1].count(kept + "\n") == 1, f"the block does not have the line of the table: {kept}"
    own = rules(block[1])
    assert len(own) == 2, own
    other = [rule.replace(kept, stripped).replace("/id", "/two").replace("8080", str(second)) for rule in own]
    text = block[1].replace(own[1], "\n".join([own[1], *other]))
    return text.replace("8080", str(first))


class Proxy:
    """In front of two issuers; `logs` is everything that it has written."""

    def __init__(
        self, kind: str, folder: Path, port: int, issuers: tuple[int, int], certificate: Certificate
    ) -> None:
        self.port = port
        self.url = f"https://localhost:{self.port}"
        self.folder = folder
        self.certificate = certificate.chain
        text = configuration(kind, *issuers)
        for place, local in [
            ("/etc/ssl/host.example/fullchain.pem", certificate.chain), ("/etc/ssl/host.example/privkey.pem", certificate.key),
            ("/var/log/nginx", folder), ("/var/log/apache2", folder), ("host.example", "localhost"),
        ]:
            text = text.replace(place, str(local))
        self.server: Apache | None = None
        self.process: subprocess.Popen[bytes] | None = None
        getattr(self, "start_" + kind.lower())(text)
        deadline = time.monotonic() + SECONDS
        while not self.is_answering():
            assert self.process is None or self.process.poll() is None, self.logs
            assert time.monotonic() < deadline, self.logs
            time.sleep(0.05)

    def start_nginx(self, text: str) -> None:
        file = self.folder / "nginx.conf"
        places = "".join(
            f"{name}_temp_path {self.folder}/{name};\n"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        file.write_text(
            f"daemon off;\nmaster_process off;\npid {self.folder}/pid;\nerror_log {self.folder}/start.log;\n"
            f"events {{}}\nhttp {{\n{places}{text.replace('listen 443', f'listen 127.0.0.1:{self.port}')}}}\n")
        self.run([program("nginx"), "-c", file, "-e", self.folder / "start.log"])

    def start_apache(self, text: str) -> None:
        modules = ["ssl", "proxy", "proxy_http"]
        listen = f"Listen 127.0.0.1:{self.port}\n"
        self.server = Apache(self.folder, free_port(), modules, listen + text.replace("*:443", f"*:{self.port}"))

    def start_caddy(self, text: str) -> None:
        # The first braces hold options of the whole server.
        own = "{\n    admin off\n    skip_install_trust\n    auto_https disable_redirects\n"
        file = self.folder / "Caddyfile"
        file.write_text(own + text.removeprefix("{\n").replace("localhost {", self.url + " {"))
        self.run([program("caddy"), "run", "--adapter", "caddyfile", "--config", file])

    def run(self, command: list[str | Path]) -> None:
        environment = {"HOME": str(self.folder), "PATH": os.environ["PATH"]}
        with (self.folder / "output.log").open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=log, stderr=subprocess.STDOUT)

    def is_answering(self) -> bool:
        try:
            return requests.get(self.url + "/id/health/live", verify=self.certificate, timeout=5).status_code == 200
        except requests.ConnectionError:
            return False

    @property
    def logs(self) -> str:
        files = [*self.folder.glob("*.log"), *self.folder.glob("stderr")]
        return "\n".join(file.read_text(errors="replace") for file in files)

    def stop(self) -> None:
        if self.server:
            self.server.stop()
        if self.process:
            self.process.terminate()
            self.process.wait(SECONDS)
