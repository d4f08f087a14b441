"""Runs a command as container engines do, without one: namespaces of its own, a read-only root, a user without
capabilities, little memory that may be locked, and PID 1."""

import os
import subprocess
import time
from pathlib import Path

from served import BINARY, SECONDS

HERE = Path(__file__).parent
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Container:
    """What all containers of one vault share; mounts are `(from, at, "ro" or "rw")`."""

    def __init__(
        self, folder: Path, user: int, group: int, mounts: list[tuple[Path, str, str]], environment: dict[str, str],
        memlock: int = 0
    ) -> None:
        self.folder = folder
        self.user = user
        self.group = group
        self.mounts = [f"{source}:{place}:{how}" for source, place, how in mounts]
        self.environment = ["env", "-i", f"PATH={PATH}", *(f"{name}={value}" for name, value in environment.items())]
        self.memlock = memlock
        self.log = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None
        (folder / "root").mkdir(exist_ok=True)

    def command(self, command: list[str]) -> list[str | Path]:
        return [
            "unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "sh", HERE / "container.sh",
            self.folder / "root", BINARY.resolve(), str(self.user), str(self.group), str(self.memlock), *self.mounts, "--",
            *self.environment, *command]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end, in a container of its own."""
        return subprocess.run(self.command([*command]), capture_output=True, text=True, timeout=60)

    def start(self, *command: str) -> None:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(self.command([*command]), stdout=log, stderr=subprocess.STDOUT)

    @property
    def first(self) -> int:
        """The process that is PID 1 inside, by its number outside."""
        assert self.process
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        assert len(children) == 1, self.log.read_text()
        return int(children[0])

    def status(self, name: str) -> list[str]:
        lines = Path(f"/proc/{self.first}/status").read_text().splitlines()
        return next(line.split()[1:] for line in lines if line.startswith(name + ":"))

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Runs a command in the container that was started, as its user."""
        inside = ["nsenter", "--target", str(self.first), "--mount", "--pid", "--root", "--wd", "--"]
        return subprocess.run(
            [*inside, "prlimit", f"--memlock={self.memlock}:{self.memlock}", "--", "setpriv", "--reuid", str(self.user),
             "--regid", str(self.group), "--groups", str(self.group), "--bounding-set=-all", "--inh-caps=-all",
             "--no-new-privs", "--", *self.environment, *command],
            capture_output=True, text=True, timeout=60)

    def must(self, *command: str) -> str:
        done = self.execute(*command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def stop(self) -> tuple[int, float]:
        """Ends it as engines do: the code it ends with, and how long that took."""
        assert self.process
        began = time.monotonic()
        os.kill(self.first, 15)
        return self.process.wait(SECONDS), time.monotonic() - began
