"""Apache on a loopback port, with a configuration and a folder of its own."""

import pwd
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import requests

MODULES = Path("/usr/lib/apache2/modules")
SECONDS = 20


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Apache:
    """Serves `/` to everybody, and what `configuration` says; `modules` are loaded besides the usual."""

    def __init__(self, folder: Path, port: int, modules: list[str], configuration: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        pages = folder / "pages"
        for place in ("", "open", "protected"):
            (pages / place).mkdir(parents=True, exist_ok=True)
            (pages / place / "index.html").write_text(f"<h1>This is {place or 'Apache'}</h1>")
        usual = ["mpm_event", "authz_core", "authn_core", "authz_user", "dir", "headers", "mime"]
        loaded = "\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in usual + modules)
        # Started by root it becomes somebody else, as installed.
        user = "User www-data\nGroup www-data\n" if os.geteuid() == 0 else ""
        (folder / "apache.conf").write_text(f"""
ServerRoot {folder}
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile {folder}/apache.pid
DefaultRuntimeDir {folder}
ErrorLog {folder}/error.log
LogLevel warn
{loaded}
{user}TypesConfig /etc/mime.types
DocumentRoot {pages}
DirectoryIndex index.html
ServerLimit 2
ThreadsPerChild 8
MaxRequestWorkers 16
StartServers 1
{configuration}
""")
        self.log = folder / "error.log"
        self.make_readable(folder)
        self.process = subprocess.Popen(
            ["apache2", "-f", folder / "apache.conf", "-D", "FOREGROUND"], stdout=subprocess.DEVNULL,
            stderr=(folder / "stderr").open("wb"))
        deadline = time.monotonic() + SECONDS
        while not self.is_answering():
            said = (folder / "stderr").read_text() + (self.log.read_text() if self.log.exists() else "")
            assert self.process.poll() is None and time.monotonic() < deadline, said
            time.sleep(0.05)

    def is_answering(self) -> bool:
        try:
            return requests.get(self.url, timeout=2).ok
        except requests.ConnectionError:
            return False

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(SECONDS)

    @staticmethod
    def make_readable(folder: Path) -> None:
        """For the user that a server started by root becomes; folders of tests are nobody else's."""
        if os.geteuid() != 0:
            return
        identity = pwd.getpwnam("www-data")
        for place in [folder, *folder.rglob("*")]:
            shutil.chown(place, identity.pw_uid, identity.pw_gid)
        for parent in list(folder.parents)[:2]:
            parent.chmod(parent.stat().st_mode | 0o011)
