"""Three PostgreSQL servers, each on a machine of its own; what a failover manager does is done here by hand."""

import os
import shutil
import subprocess
from pathlib import Path

from libpq import Connection, Unavailable
from machines import FOLDER, USER, Machine, run, until

BINARIES = Path("/usr/lib/postgresql/15/bin")
PORT = 5432
# Standbys connect here: what comes through is held back, and is lost when the machine dies.
REPLICATION_PORT = 5433
# Microseconds.
WITHHELD = 20_000
PASSWORD = "correct horse battery staple"

SETTINGS = f"""
listen_addresses = '*'
port = {PORT}
unix_socket_directories = ''
ssl = on
ssl_cert_file = '{FOLDER}/server.crt'
ssl_key_file = '{FOLDER}/server.key'
shared_buffers = 64MB
max_wal_size = 1GB
wal_keep_size = 512MB
wal_retrieve_retry_interval = 100ms
wal_receiver_timeout = 5s
wal_sender_timeout = 5s
max_connections = 60
log_min_messages = warning
log_line_prefix = '%m [%p] '
"""
ACCESS = """
host all postgres 10.98.0.0/24 trust
host all postgres 127.0.0.1/32 trust
host replication postgres 10.98.0.0/24 trust
host replication postgres 127.0.0.1/32 trust
host all all 10.98.0.0/24 scram-sha-256
"""


class Node:
    def __init__(self, name: str, number: int, withheld: int | None) -> None:
        self.name = name
        self.withheld = withheld
        self.machine = Machine(name, number)
        self.data = FOLDER / name
        self.configuration = FOLDER / f"{name}.conf"
        self.log = FOLDER / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.proxy: subprocess.Popen[bytes] | None = None

    def configure(self, synchronous: str, follows: "Node | None") -> None:
        """Its settings lie outside the data folder, which `pg_rewind` copies from another node."""
        source = "" if follows is None else (
            f"host={follows.machine.address} port={REPLICATION_PORT if self.withheld else PORT} user=postgres"
            f" application_name={self.name}"
            " sslmode=disable")
        self.configuration.write_text(
            f"data_directory = '{self.data}'\nhba_file = '{FOLDER}/pg_hba.conf'\ncluster_name = '{self.name}'\n"
            f"synchronous_standby_names = '{synchronous}'\nprimary_conninfo = '{source}'\n{SETTINGS}")
        self.configuration.chmod(0o644)

    def tool(self, name: str, *arguments: object) -> str:
        return run(*self.machine.inside(BINARIES / name, *arguments, user=USER), cwd=FOLDER)

    def initialize(self) -> None:
        self.tool("initdb", "--pgdata", self.data, "--username", "postgres", "--auth", "trust", "--locale", "C",
                  "--encoding", "UTF8", "--data-checksums")

    def clone(self, source: "Node") -> None:
        shutil.rmtree(self.data, ignore_errors=True)
        self.tool("pg_basebackup", "--host", source.machine.address, "--username", "postgres", "--pgdata", self.data,
                  "--checkpoint", "fast", "--wal-method", "stream")

    def start(self, standby: bool) -> None:
        (self.data / "standby.signal").unlink(missing_ok=True)
        if standby:
            (self.data / "standby.signal").touch()
        # Its process id may be another's by now, which PostgreSQL would take for a server that still runs.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        with self.log.open("ab") as log:
            command = [BINARIES / "postgres", "-D", self.data, "-c", f"config_file={self.configuration}"]
            self.process = subprocess.Popen(self.machine.inside(*command, user=USER), stdout=log, stderr=log, cwd=FOLDER)
            if self.withheld:
                command = [FOLDER / "delay", self.machine.address, REPLICATION_PORT, "127.0.0.1", PORT, self.withheld]
                self.proxy = subprocess.Popen(self.machine.inside(*command), stdout=subprocess.DEVNULL, stderr=log)
        until(f"{self.name} to start", self.is_up)

    def is_up(self) -> bool:
        assert self.process and self.process.poll() is None, self.log.read_text()[-2000:]
        try:
            self.sql("SELECT 1")
            return True
        except Unavailable:
            return False

    def reload(self) -> None:
        self.sql("SELECT pg_reload_conf()")

    def connect(self, database: str = "postgres") -> Connection:
        return Connection(f"host={self.machine.address} port={PORT} user=postgres dbname={database} sslmode=disable"
                          " connect_timeout=3 options='-c statement_timeout=20s'")

    def sql(self, text: str, database: str = "postgres") -> list[list[str | None]]:
        with self.connect(database) as connection:
            return connection.execute(text)

    def value(self, text: str, database: str = "postgres") -> str | None:
        return self.sql(text, database)[0][0]

    def position(self) -> int:
        """How far the log came that a standby has."""
        return int(self.value("SELECT (greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - '0/0')::bigint")
                   or 0)

    def kill(self) -> None:
        self.machine.kill()
        for process in (self.process, self.proxy):
            if process:
                process.wait()

    def remove(self) -> None:
        self.kill()
        self.machine.remove()


def lay_out() -> None:
    """The folder of a test, empty but for what all servers share."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    run("gcc", "-O2", "-Wall", "-o", FOLDER / "delay", Path(__file__).with_name("delay.c"))
    (FOLDER / "pg_hba.conf").write_text(ACCESS)
    certify(",".join(f"IP:10.98.0.{number}" for number in range(1, 10)))


def certify(names: str) -> None:
    """A key and a certificate for all servers, which signs itself."""
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "2",
        "-subj", "/CN=failover", "-addext", f"subjectAltName={names}", "-keyout", FOLDER / "server.key",
        "-out", FOLDER / "server.crt")
    if USER:
        for path in (FOLDER, FOLDER / "server.key"):
            shutil.chown(path, USER, USER)


class Cluster:
    """A primary and two standbys, one of which confirms each commit, unless a control wants none to.

    `withheld`: for how many microseconds replication is held back each way; `None`: there is no proxy. `beside`: another
    cluster that stays.
    """

    def __init__(
        self, names: str = "abc", confirms: bool = True, withheld: int | None = WITHHELD, beside: "Cluster | None" = None
    ) -> None:
        self.synchronous = f"ANY 1 ({', '.join(names)})" if confirms else ""
        if beside is None:
            lay_out()
        self.nodes = [Node(name, ord(name) - ord("a") + 1, withheld) for name in reversed(names)]
        *standbys, self.primary = self.nodes
        self.primary.initialize()
        self.primary.configure(self.synchronous, follows=None)
        self.primary.start(standby=False)
        for node in standbys:
            node.clone(self.primary)
            node.configure(self.synchronous, follows=self.primary)
            node.start(standby=True)
        self.await_standbys(2)

    @property
    def standbys(self) -> list[Node]:
        return [node for node in self.nodes if node is not self.primary]

    def await_standbys(self, count: int) -> None:
        until(f"{count} standbys to follow {self.primary.name}", lambda: int(self.primary.value(
            "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") or 0) >= count)

    def promote(self) -> Node:
        """Makes the most advanced standby the primary, lets the other follow it, and returns the old primary.

        With one confirming standby of two, the more advanced one has all that was acknowledged. Both stop receiving
        first, or a late byte could make the other one the more advanced.
        """
        old, standbys = self.primary, self.standbys
        for node in standbys:
            node.configure(self.synchronous, follows=None)
            node.reload()
        for node in standbys:
            until(f"{node.name} to stop receiving",
                  lambda node=node: node.value("SELECT count(*) FROM pg_stat_wal_receiver") == "0")
        best = max(standbys, key=Node.position)
        assert best.value("SELECT pg_promote(true, 20)") == "t", best.log.read_text()[-2000:]
        self.primary = best
        # Of two that are as far, the one that was primary longer ago comes first the next time.
        self.nodes.remove(best)
        self.nodes.append(best)
        for node in standbys:
            if node is not best:
                node.configure(self.synchronous, follows=best)
                node.reload()
        return old

    def rejoin(self, node: Node) -> None:
        """Brings a dead primary back as a standby: by pg_rewind, from where the histories parted."""
        # Without this the new primary's control file still names the old timeline, and "no rewind is required".
        self.primary.sql("CHECKPOINT")
        node.configure(self.synchronous, follows=self.primary)
        (node.data / "postmaster.pid").unlink(missing_ok=True)
        node.tool("pg_rewind", "--target-pgdata", node.data, "--config-file", node.configuration, "--source-server",
                  f"host={self.primary.machine.address} port={PORT} user=postgres dbname=postgres sslmode=disable")
        node.start(standby=True)
        self.await_standbys(2)

    def remove(self) -> None:
        for node in self.nodes:
            node.remove()
