"""The example of docs/scale-out.md as it is in the repository: etcd, Patroni and PostgreSQL on three machines."""

import json
import shutil
import subprocess
import urllib.request
from pathlib import Path

from cluster import BINARIES, PASSWORD, certify
from machines import FOLDER, ROOT, USER, Machine, run, until
from services import Installation

FILES = ROOT / "Examples/ScaleOut"
NAMES = ["db1", "db2", "db3"]
# Here all machines have the same disk, and no watchdog.
PLACES = {
    "/etc/patroni": "etc", "/var/lib/etcd": "etcd", "/var/lib/postgresql/15": "postgresql", "/run/postgresql": "run",
}
PLAIN = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
WATCHDOG = ("watchdog:\n  mode: required", "watchdog:\n  mode: off")


def settings(text: str) -> dict[str, str]:
    """What systemd makes of an EnvironmentFile."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


class Node:
    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.machine = Machine(name, number)
        self.folder = FOLDER / name
        self.log = FOLDER / f"{name}.log"
        for place in PLACES.values():
            (self.folder / place).mkdir(parents=True)
        configuration = self.placed((FILES / "patroni.yml").read_text())
        assert configuration.count(WATCHDOG[0]) == 1
        (self.folder / "etc/config.yml").write_text(configuration.replace(*WATCHDOG))
        for source, target in (("server.crt", "ca.crt"), ("server.crt", "server.crt"), ("server.key", "server.key")):
            shutil.copy(FOLDER / source, self.folder / "etc" / target)
        run("chown", "-R", f"{USER}:", self.folder)
        own, shared = (FILES / "etcd").read_text().split("\n\n", 1)
        own_of_patroni = (FILES / "patroni_env.conf").read_text().replace("db1", name)
        assert own_of_patroni.count("PASSWORD=\n") == 2
        self.environment = {
            **PLAIN, **settings(own.replace("db1", name)), **settings(self.placed(shared)),
            **settings(own_of_patroni.replace("PASSWORD=\n", f"PASSWORD={PASSWORD}\n")),
        }
        self.started: list[subprocess.Popen[bytes]] = []

    def placed(self, text: str) -> str:
        """The text, with this machine's folders in place of the system's."""
        for place, folder in PLACES.items():
            text = text.replace(place, str(self.folder / folder))
        return text

    def start(self) -> None:
        """Switches the machine on."""
        # Its process id may be another's by now, which PostgreSQL would take for a server that still runs.
        (self.folder / "postgresql/tokenvault/postmaster.pid").unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.started = [
                subprocess.Popen(self.machine.inside(*command, user=USER), env=self.environment, cwd=self.folder,
                                 stdout=log, stderr=log)
                for command in (["/usr/bin/etcd"], ["/usr/bin/patroni", self.folder / "etc/config.yml"])]

    def kill(self) -> None:
        self.machine.kill()
        for process in self.started:
            process.wait()

    def processes(self, *programs: str) -> list[int]:
        """Those of the machine that run one of these programs."""
        def program(pid: int) -> str:
            try:
                return Path(f"/proc/{pid}/comm").read_text().strip()
            except OSError:
                return ""
        return [pid for pid in self.machine.processes() if program(pid) in programs]

    def sql(self, text: str, database: str = "postgres") -> str:
        """As the administrator does it on the machine."""
        command = [BINARIES / "psql", "--host", self.folder / "run", "--username", "postgres", "--no-psqlrc", "--quiet",
                   "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", database]
        return run(*self.machine.inside(*command, user=USER), cwd=FOLDER, input=text).strip()

    def patronictl(self, *words: str) -> str:
        command = ["/usr/bin/patronictl", "-c", self.folder / "etc/config.yml", *words]
        return run(*self.machine.inside(*command, user=USER), cwd=FOLDER, env=PLAIN)

    def cluster(self) -> dict[str, tuple[str, str]]:
        """Role and state of each member, as this one tells them; nothing if it does not answer."""
        try:
            with urllib.request.urlopen(f"http://{self.name}.example:8008/cluster", timeout=1) as answer:
                return {member["name"]: (member["role"], member["state"]) for member in json.load(answer)["members"]}
        except OSError:
            return {}

    def is_primary(self) -> bool:
        """What a load balancer would ask."""
        try:
            with urllib.request.urlopen(f"http://{self.name}.example:8008/primary", timeout=1):
                return True
        except OSError:
            return False


class Example:
    def __init__(self) -> None:
        assert USER, "run this as root: the superuser of the example is the system's user postgres"
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir(parents=True)
        certify(",".join(f"DNS:{name}.example" for name in NAMES))
        self.nodes = [Node(name, number) for number, name in enumerate(NAMES, start=1)]
        hosts = FOLDER / "hosts"
        hosts.write_text("127.0.0.1 localhost\n" + "".join(
            f"{node.machine.address} {node.name}.example\n" for node in self.nodes))
        # Only what runs here sees it: the folders' names are ours too.
        run("mount", "--bind", hosts, "/etc/hosts")
        for node in self.nodes:
            node.start()
        self.await_all()

    def primary(self, besides: Node | None = None) -> Node | None:
        return next((node for node in self.nodes if node is not besides and node.is_primary()), None)

    def standby(self, role: str) -> Node:
        """The one that confirms is the `sync_standby`, the other the `replica`."""
        roles = self.primary().cluster()
        return next(node for node in self.nodes if roles[node.name][0] == role)

    def await_primary(self, besides: Node | None = None) -> Node:
        return until("a primary", lambda: self.primary(besides), 60)

    def await_all(self) -> None:
        """Until all are there, and one standby is the one that confirms."""
        def are_there() -> bool:
            primary = self.primary()
            return primary is not None and sorted(primary.cluster().values()) == [
                ("leader", "running"), ("replica", "running"), ("sync_standby", "running")
            ] and primary.sql("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == "2"
        until("two standbys, one of which confirms", are_there, 90)

    def install(self) -> Installation:
        """The database and the vault in it, as the page tells to make them."""
        primary = self.await_primary()
        primary.sql((FILES / "database.sql").read_text())
        primary.sql(f"ALTER ROLE tokenvault PASSWORD '{PASSWORD}'")
        # What is asked first need not be the primary, and refuses a role that it does not have yet.
        known = "SELECT count(rolpassword) FROM pg_authid WHERE rolname = 'tokenvault'"
        until("all to have the role", lambda: all(node.sql(known) == "1" for node in self.nodes))
        shutil.copy(FOLDER / "server.crt", FOLDER / "db-ca.pem")
        passwords = FOLDER / "db-password"
        passwords.touch(mode=0o600)
        passwords.write_text(f"*:*:*:*:{PASSWORD}\n")
        service = (FILES / "pg_service.conf").read_text()
        assert service.count("/etc/tokenvault/") == 2
        (FOLDER / "services").write_text(service.replace("/etc/tokenvault", str(FOLDER)))
        return Installation("postgres:tokenvault")

    def remove(self) -> None:
        for node in self.nodes:
            node.kill()
            node.machine.remove()
        run("umount", "/etc/hosts")
