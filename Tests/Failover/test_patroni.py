"""What docs/scale-out.md tells operators to set up works, and outlives its machines as the page says."""

import json
import os
import re
import signal
import time
import unittest

from example import FILES, Example, Node
from load import Load
from machines import ROOT, build_network, signal_all, until
from services import HTTPCaller, Installation, Server

NIGHTLY = os.environ.get("TOKENVAULT_NIGHTLY") == "1"
HOWS = ["machine", "postgres", "freeze", "standby", "cut", "switchover"]
LONGEST_GAP = 30
# Load before a fault, and with an old primary that believes it is one still.
PAUSE = 3
last_entry = "SELECT id || ' ' || encode(hash, 'hex') FROM tokenvault.audit_leaves ORDER BY id DESC LIMIT 1"


def setUpModule() -> None:
    build_network()


def blocks_of(language: str) -> list[str]:
    page = (ROOT / "docs/scale-out.md").read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


class ExampleOfThePage(unittest.TestCase):
    def test_the_page_shows_what_is_in_the_files(self) -> None:
        files = "\n".join(path.read_text() for path in FILES.iterdir())
        blocks = [*blocks_of("yaml"), *blocks_of("ini"), blocks_of("sql")[0]]
        self.assertEqual(len(blocks), 3)
        for block in blocks:
            self.assertIn(block, files)

    def test_a_service_outlives_the_machine_of_the_primary(self) -> None:
        begin = time.monotonic()
        example = Example()
        self.addCleanup(example.remove)
        vault = example.install()
        self.expect_fit(vault)
        example.await_primary().sql(blocks_of("sql")[1], "tokenvault")
        server = Server(vault, "server")
        self.addCleanup(server.process.kill)
        caller = HTTPCaller(server, vault.begin(1)[0])
        self.addCleanup(caller.connection.close)
        for _ in range(5):
            until("an answer", caller.attempt)
        ready = time.monotonic()
        old = example.await_primary()
        old.kill()
        until("an answer to the same refresh", caller.attempt, 60)
        gap = time.monotonic() - ready
        print(f"\n  ready after {ready - begin:.0f} s; the next answer after {gap:.1f} s", flush=True)
        self.assertIsNot(example.await_primary(), old)
        old.start()
        example.await_all()
        until("an answer", caller.attempt)
        self.assertEqual(server.record.refusals, [])
        self.assertEqual(caller.chain.acknowledged, 7)
        self.assertEqual(server.stop(), 0, server.log.read_text()[-2000:])
        verified = vault.run("audit", "verify")
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)

    def expect_fit(self, vault: Installation) -> None:
        """What the page leaves to operators is one thing: a second role, which does not own the tables."""
        checks = [json.loads(line) for line in vault.run("doctor", "--json").stdout.splitlines()]
        servers = {check["check"]: check["severity"] for check in checks if check["check"].startswith("postgres.")}
        self.assertEqual(servers["postgres.standbys"], "ok")
        self.assertEqual([name for name, level in servers.items() if level != "ok"], ["postgres.owner"])


class Rounds(unittest.TestCase):
    def test_no_acknowledged_refresh_is_lost_and_no_log_forks_under_patroni(self) -> None:
        self.example = Example()
        self.addCleanup(self.example.remove)
        vault = self.example.install()
        self.load = Load(vault)
        self.load.await_answers(time.monotonic())
        print(flush=True)
        for how in 2 * HOWS:
            self.round(how)
        self.load.stop_callers()
        self.load.expect_nothing_lost()
        self.load.stop()
        verified = vault.run("audit", "verify")
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)
        print(f"  {self.load.acknowledged} refreshes acknowledged, none lost; put off: {self.load.put_off()}")

    def round(self, how: str) -> None:
        self.example.await_all()
        time.sleep(PAUSE)
        self.load.expect_no_refusal()
        begin, acknowledged = time.monotonic(), self.load.acknowledged
        hit = self.example.standby("sync_standby") if how == "standby" else self.example.await_primary()
        notes = getattr(self, how)(hit) or ""
        self.example.await_all()
        self.load.await_answers(time.monotonic())
        gap = self.load.longest_gap(begin)
        print(f"  {how} {hit.name}: {self.load.acknowledged - acknowledged} acknowledged, "
              f"longest gap {gap:.1f} s{notes}", flush=True)
        if NIGHTLY:
            self.assertLess(gap, LONGEST_GAP)

    def await_failover(self, old: Node) -> Node:
        new = self.example.await_primary(besides=old)
        self.load.await_answers(time.monotonic())
        return new

    def switchover(self, old: Node) -> None:
        old.patronictl("switchover", "--force")
        self.await_failover(old)

    def machine(self, old: Node) -> None:
        old.kill()
        self.await_failover(old)
        old.start()

    def postgres(self, old: Node) -> None:
        signal_all(old.processes("postgres"), signal.SIGKILL)
        self.load.await_answers(time.monotonic())

    def freeze(self, old: Node) -> str:
        """Then PostgreSQL goes on before Patroni does. It takes itself for the primary, and must commit nothing new."""
        old.machine.freeze()
        new = self.await_failover(old)
        signal_all(old.processes("postgres"), signal.SIGCONT)
        time.sleep(PAUSE)
        self.assertEqual(old.sql("SELECT pg_is_in_recovery()"), "f")
        index, found = old.sql(last_entry, "tokenvault").split()
        same = new.sql(f"SELECT encode(hash, 'hex') FROM tokenvault.audit_leaves WHERE id = {index}", "tokenvault")
        self.assertEqual(same, found, f"{old.name} committed entry {index} by itself")
        waiting = old.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
        old.machine.thaw()
        return f", {waiting} commits waited at the old primary"

    def standby(self, node: Node) -> None:
        """The one that confirms falls silent."""
        node.machine.cut()
        self.load.await_answers(time.monotonic())
        node.machine.mend()

    def cut(self, old: Node) -> None:
        old.machine.cut()
        self.await_failover(old)
        old.machine.mend()
