"""Machines: network namespaces around a bridge, each of which can be killed, frozen and cut off by itself."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".build/failover" / os.environ.get("FAILOVER_FOLDER", "one")
SECONDS = 30
# PostgreSQL refuses to run as root.
USER = "postgres" if os.geteuid() == 0 else None
HUB = "10.98.0.254"


def run(*command: object, **options: object) -> str:
    """What a command prints; it must work."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          **{"timeout": 120} | options)
    assert done.returncode == 0, f"{command}: {done.stderr or done.stdout}"
    return done.stdout


def until(what: str, condition, seconds: float = SECONDS):
    """Waits for a condition to be true, and returns it."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.02)
    return value


def build_network() -> None:
    """The bridge that joins all machines. Our own processes are on it too."""
    run("ip", "link", "add", "hub", "type", "bridge")
    run("ip", "address", "add", f"{HUB}/24", "dev", "hub")
    run("ip", "link", "set", "hub", "up")


def signal_all(pids: list[int], number: signal.Signals) -> None:
    """Those that have ended since they were listed need none."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


class Machine:
    """A network namespace. Its processes are those that live in it."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.address = f"10.98.0.{number}"
        # It keeps the namespace while nothing else runs there.
        self.keeper = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        ours = os.readlink("/proc/self/ns/net")
        self.space = until("a namespace", lambda: self._space(self.keeper.pid, besides=ours))
        run("ip", "link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns", self.keeper.pid)
        run("ip", "link", "set", self.link, "master", "hub", "up")
        for words in (["link", "set", "lo", "up"], ["address", "add", f"{self.address}/24", "dev", "eth0"],
                      ["link", "set", "eth0", "up"]):
            run(*self.inside("ip", *words))

    @property
    def link(self) -> str:
        return f"to-{self.name}"

    def inside(self, *command: object, user: str | None = None) -> list[str]:
        """The command, to be run on the machine."""
        identity = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"] if user else []
        return ["nsenter", f"--net=/proc/{self.keeper.pid}/ns/net", *identity, *(str(word) for word in command)]

    def enter(self) -> None:
        """The thread that calls this is on the machine's network from now on."""
        with open(f"/proc/{self.keeper.pid}/ns/net") as space:
            # CLONE_NEWNET
            assert ctypes.CDLL(None, use_errno=True).setns(space.fileno(), 0x4000_0000) == 0, ctypes.get_errno()

    def processes(self) -> list[int]:
        found = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
        return [pid for pid in found if pid != self.keeper.pid and self._space(pid) == self.space]

    def signal(self, number: signal.Signals) -> None:
        signal_all(self.processes(), number)

    def kill(self) -> None:
        """Power off: all processes at once, and what they had not sent is gone."""
        def none_left() -> bool:
            self.signal(signal.SIGKILL)
            return not self.processes()
        until(f"the end of {self.name}", none_left)

    def freeze(self) -> None:
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def cut(self) -> None:
        """Neither a packet nor a refusal comes through."""
        run("ip", "link", "set", self.link, "down")

    def mend(self) -> None:
        run("ip", "link", "set", self.link, "up")

    def remove(self) -> None:
        self.kill()
        # With its namespace it would go too, but later, and the next machine may have the same name.
        run("ip", "link", "delete", self.link)
        self.keeper.kill()
        self.keeper.wait()

    @staticmethod
    def _space(pid: int, besides: str | None = None) -> str | None:
        try:
            space = os.readlink(f"/proc/{pid}/ns/net")
        except OSError:
            # It ended, or is about to be collected.
            return None
        return None if space == besides else space
