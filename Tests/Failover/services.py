"""A vault, the processes that serve it, and the callers that refresh tokens through them."""

import base64
import http.client
import json
import os
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from cluster import PASSWORD, PORT, Cluster
from machines import FOLDER, ROOT, SECONDS, Machine, until

BUILT = Path(os.environ.get("TOKENVAULT_BUILT", ROOT / ".build/debug"))
CLIENT = "app"


class Installation:
    """A vault at `place`, a path or `postgres:SERVICE`, and what every process needs to open it."""

    def __init__(self, place: str, *options: str) -> None:
        self.place = place
        self.key = FOLDER / f"{Path(place).name.replace(':', '-')}.key"
        self.environment = os.environ | {
            "TOKENVAULT_PATH": place, "TOKENVAULT_KEY_FILE": str(self.key), "PGSERVICEFILE": str(FOLDER / "services"),
        }
        self.command("init", "--create-key-file", *options)
        self.command("user", "add", "alice")
        added = json.loads(self.command(
            "client", "add", CLIENT, "--redirect-uri", "https://app.example/callback", "--scope", "basic",
            "--retry-window", "10m", "--json"))
        self.client_id, self.secret = added["client_id"], added["client_secret"]

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run([str(BUILT / "tokenvault"), *(str(word) for word in arguments)], env=self.environment,
                              cwd=FOLDER, capture_output=True, text=True, timeout=120)

    def command(self, *arguments: object) -> str:
        """What a command prints; it must work."""
        done = self.run(*arguments)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout

    def worker(self, mode: str, *arguments: object) -> list[str]:
        return [str(BUILT / "vault-worker"), mode, self.place, str(self.key), CLIENT, *(str(word) for word in arguments)]

    def begin(self, count: int) -> list["Chain"]:
        """Grants with their first refresh tokens."""
        done = subprocess.run(self.worker("begin", count), env=self.environment, capture_output=True, text=True,
                              timeout=300)
        assert done.returncode == 0, done.stderr
        lines = [line.split() for line in done.stdout.splitlines()]
        return [Chain(int(grant), token, int(generation)) for word, grant, generation, token in lines if word == "begun"]


def on_cluster(cluster: Cluster, name: str = "tokenvault", *options: str, hosts: str | None = None) -> Installation:
    """A vault in a database of its own. `hosts`: what the service file names instead of the three machines."""
    cluster.primary.sql(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
    cluster.primary.sql(f"CREATE DATABASE {name} OWNER {name}")
    cluster.primary.sql(f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC")
    # A standby may not have the database yet, and says so when it is asked first.
    nodes = [cluster.primary] + [node for node in cluster.nodes if node is not cluster.primary]
    write_service(name, hosts or "\n".join([
        "host=" + ",".join(node.machine.address for node in nodes), f"port={PORT}", "sslmode=verify-full",
        f"sslrootcert={FOLDER}/server.crt", "channel_binding=require"]))
    return Installation(f"postgres:{name}", *options)


def write_service(name: str, hosts: str) -> None:
    passwords = FOLDER / "passwords"
    passwords.touch(mode=0o600)
    passwords.write_text(f"*:*:*:*:{PASSWORD}\n")
    with (FOLDER / "services").open("a") as file:
        file.write(f"[{name}]\n{hosts}\nuser={name}\ndbname={name}\npassfile={passwords}\n")


@dataclass
class Chain:
    """One grant and the last refresh token that its caller was told of."""

    grant: int
    token: str
    generation: int
    acknowledged: int = 0

    def take(self, token: str) -> None:
        self.token = token
        self.generation += 1
        self.acknowledged += 1


@dataclass
class Record:
    """What callers of one process saw."""

    name: str
    times: list[float] = field(default_factory=list)
    put_off: dict[str, int] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def acknowledge(self) -> None:
        with self.lock:
            self.times.append(time.monotonic())

    def postpone(self, reason: str) -> None:
        with self.lock:
            self.put_off[reason] = self.put_off.get(reason, 0) + 1

    def longest_gap(self, begin: float, end: float) -> float:
        """Without an answer, in that time."""
        with self.lock:
            inside = [moment for moment in self.times if begin < moment < end]
        points = [begin, *inside, end]
        return max(after - before for before, after in zip(points, points[1:]))


class LibraryProcess:
    """A process that uses the library: its callers share the chains."""

    def __init__(self, vault: Installation, name: str, chains: list[Chain], callers: int) -> None:
        self.record = Record(name)
        self.chains = {chain.grant: chain for chain in chains}
        self.log = FOLDER / f"{name}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(vault.worker("persist", callers), env=vault.environment, text=True,
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        self.process.stdin.write("".join(f"{chain.grant} {chain.token}\n" for chain in chains) + "\n")
        self.process.stdin.flush()
        self.done = False
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            match line.split():
                case ["ack" | "replay", grant, generation, token]:
                    chain = self.chains[int(grant)]
                    chain.take(token)
                    if chain.generation != int(generation):
                        self.record.refusals.append(f"{line.strip()} is not generation {chain.generation}")
                    self.record.acknowledge()
                case ["fail", _, code]:
                    self.record.postpone(code)
                case ["ready" | "swapped"]:
                    pass
                case ["done"]:
                    self.done = True
                case _:
                    self.record.refusals.append(line.strip())

    def is_running(self) -> bool:
        return self.process.poll() is None

    def stop_callers(self) -> None:
        self.process.stdin.close()

    def stop(self) -> int:
        """Its exit status. The callers were stopped, so it ends by itself."""
        status = self.process.wait(SECONDS)
        self.reader.join()
        self.process.stdout.close()
        return status


class Server:
    """`tokenvault serve`, on a machine of its own if it has one."""

    def __init__(self, vault: Installation, name: str, machine: Machine | None = None) -> None:
        self.record = Record(name)
        self.log = FOLDER / f"{name}.log"
        self.vault = vault
        self.machine = machine
        ready = FOLDER / f"{name}.ready"
        ready.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            command = [str(BUILT / "tokenvault"), "serve", "--listen", "127.0.0.1:0", "--ready-file", str(ready)]
            self.process = subprocess.Popen(
                machine.inside(*command) if machine else command,
                env=vault.environment, cwd=FOLDER, stdout=log, stderr=log)

        def answers() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            return ready.exists() and ready.read_text().endswith("\n")
        until(f"{name} to be ready", answers)
        self.netloc = urlsplit(ready.read_text().strip()).netloc

    def is_running(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(SECONDS)


class Loopback(http.client.HTTPConnection):
    """A connection on the loopback interface of the machine on which a server runs."""

    def __init__(self, server: Server, timeout: float) -> None:
        super().__init__(server.netloc, timeout=timeout)
        self.machine = server.machine

    def connect(self) -> None:
        # A socket is of the network that its thread was in.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(self._connect).result()

    def _connect(self) -> None:
        if self.machine:
            self.machine.enter()
        super().connect()


class HTTPCaller:
    """Refreshes one chain through a server, on a connection that is kept."""

    def __init__(self, server: Server, chain: Chain) -> None:
        self.server = server
        self.chain = chain
        self.connection = Loopback(server, timeout=40)
        vault = server.vault
        self.authorization = base64.b64encode(f"{vault.client_id}:{vault.secret}".encode()).decode()

    def post(self, path: str, **form: str) -> tuple[int, dict]:
        headers = {"Authorization": f"Basic {self.authorization}", "Content-Type": "application/x-www-form-urlencoded"}
        try:
            self.connection.request("POST", path, urlencode(form), headers)
            answer = self.connection.getresponse()
            return answer.status, json.loads(answer.read() or "{}")
        except (OSError, http.client.HTTPException):
            self.connection.close()
            raise

    def refresh(self) -> tuple[int, dict]:
        return self.post("/oauth2/token", grant_type="refresh_token", refresh_token=self.chain.token)

    def attempt(self) -> bool:
        """Whether the chain went on. Whatever is neither an answer nor `503` is noted as a refusal."""
        record = self.server.record
        try:
            status, answer = self.refresh()
        except (OSError, http.client.HTTPException) as error:
            if self.server.is_running():
                record.refusals.append(f"grant {self.chain.grant}: no answer: {error!r}")
            else:
                record.postpone("ended")
            return False
        if status == 200:
            self.chain.take(answer["refresh_token"])
            record.acknowledge()
            return True
        if status == 503:
            record.postpone(answer.get("error", "?"))
        else:
            record.refusals.append(f"grant {self.chain.grant}: {status} {answer}")
        return False


class HTTPCallers:
    """Threads that share the chains and go on until they are stopped or refused."""

    def __init__(self, server: Server, chains: list[Chain], callers: int) -> None:
        self.server = server
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self._go, args=(chains[first::callers],), daemon=True)
                        for first in range(callers)]
        for thread in self.threads:
            thread.start()

    def _go(self, chains: list[Chain]) -> None:
        turns = cycle(chains)
        caller = HTTPCaller(self.server, next(turns))
        while not self.stopped.is_set() and not self.server.record.refusals:
            if caller.attempt():
                caller.chain = next(turns)
            else:
                self.stopped.wait(0.05)
        caller.connection.close()

    def stop(self) -> None:
        self.stopped.set()
        for thread in self.threads:
            thread.join(SECONDS)
