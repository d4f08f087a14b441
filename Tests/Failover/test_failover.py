"""What was acknowledged survives the loss of the primary, whichever way it is lost, and no service is restarted."""

import os
import time
import unittest
from itertools import cycle, islice

from cluster import Cluster, Node
from load import Load
from machines import SECONDS, build_network, until
from services import on_cluster

# Of 20 rounds twelve kill, four freeze and four cut off.
HOWS = ["kill", "freeze", "kill", "cut", "kill"]
ROUNDS = int(os.environ.get("ROUNDS", "8"))
NIGHTLY = os.environ.get("TOKENVAULT_NIGHTLY") == "1"
LONGEST_GAP = 30
# Load before a fault, and with an old primary that believes it is one still.
PAUSE = 3

last_entry = "SELECT id, encode(hash, 'hex') FROM tokenvault.audit_leaves ORDER BY id DESC LIMIT 1"


def setUpModule() -> None:
    build_network()


class Failover(unittest.TestCase):
    def test_no_acknowledged_refresh_is_lost_and_no_log_forks(self) -> None:
        cluster = Cluster()
        self.addCleanup(cluster.remove)
        vault = on_cluster(cluster)
        load = Load(vault)
        load.await_answers(time.monotonic())
        print(flush=True)
        for number, how in enumerate(islice(cycle(HOWS), ROUNDS), start=1):
            self.round(number, how, cluster, load)
        load.stop_callers()
        load.expect_nothing_lost()
        load.stop()
        verified = vault.run("audit", "verify")
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)
        print(f"  {ROUNDS} rounds: {load.acknowledged} refreshes acknowledged, none lost; put off: {load.put_off()}")

    def round(self, number: int, how: str, cluster: Cluster, load: Load) -> None:
        time.sleep(PAUSE)
        load.expect_no_refusal()
        begin, acknowledged = time.monotonic(), load.acknowledged
        old = cluster.primary
        old.kill() if how == "kill" else getattr(old.machine, how)()
        cluster.promote()
        promoted = time.monotonic()
        notes = ""
        if how != "kill":
            load.await_answers(promoted)
            old.machine.thaw() if how == "freeze" else old.machine.mend()
            notes = self.watch(old, cluster.primary)
            old.kill()
        cluster.rejoin(old)
        load.await_answers(time.monotonic())
        gap = load.longest_gap(begin)
        print(f"  round {number}, {how} {old.name}: {cluster.primary.name} promoted after {promoted - begin:.1f} s, "
              f"{load.acknowledged - acknowledged} acknowledged, longest gap {gap:.1f} s{notes}", flush=True)
        if NIGHTLY:
            self.assertLess(gap, LONGEST_GAP)

    def watch(self, old: Node, new: Node) -> str:
        """The old primary is back and takes itself for one. What it shows must be part of the new one's log."""
        until(f"{old.name} to be back", old.is_up)
        self.assertEqual(old.value("SELECT pg_is_in_recovery()"), "f")
        time.sleep(PAUSE)
        index, found = old.sql(last_entry, "tokenvault")[0]
        same = new.value(f"SELECT encode(hash, 'hex') FROM tokenvault.audit_leaves WHERE id = {index}", "tokenvault")
        self.assertEqual(same, found, f"{old.name} committed entry {index} by itself")
        waiting = old.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
        return f", {waiting} commits waited at the old primary"


class Control(unittest.TestCase):
    """A test that finds nothing lost must be able to find it."""

    def test_without_synchronous_standbys_something_is_lost_and_services_stop(self) -> None:
        cluster = Cluster(confirms=False)
        self.addCleanup(cluster.remove)
        load = Load(on_cluster(cluster, "tokenvault", "--single"))
        load.await_answers(time.monotonic())
        time.sleep(PAUSE)
        cluster.primary.kill()
        cluster.promote()
        # Who knows of what is lost finds the log behind, and ends instead of signing another one.
        until("a process that stops", lambda: any(not process.is_running() for process in load.processes), SECONDS)
        time.sleep(PAUSE)
        load.stop_callers()
        logged = cluster.primary.value("SELECT max(id) FROM tokenvault.audit_leaves", "tokenvault")
        lost = self.lost(cluster, load)
        print(f"\n  without synchronous standbys: {lost} of {load.acknowledged} acknowledged refreshes lost "
              f"before entry {logged}; ended: {[process.process.poll() for process in load.processes]}")
        self.assertGreater(lost, 0)

    def lost(self, cluster: Cluster, load: Load) -> int:
        """Acknowledged generations that no row has."""
        rows = {int(grant): int(generation) for grant, generation in cluster.primary.sql(
            "SELECT id, generation FROM tokenvault.grants", "tokenvault")}
        return sum(max(0, chain.generation - rows[chain.grant]) for chain in load.chains)
