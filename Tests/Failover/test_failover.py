"""What was acknowledged survives the loss of the primary, whichever way it is lost, and no service is restarted."""

import os
import time
import unittest
from itertools import cycle, islice

from cluster import Cluster, Node
from load import Load
from machines import SECONDS, build_network, until
from services import LibraryProcess, Server, on_cluster

# Of 20 rounds twelve kill, four freeze and four cut off.
HOWS = ["kill", "freeze", "kill", "cut", "kill"]
ROUNDS = int(os.environ.get("ROUNDS", "8"))
NIGHTLY = os.environ.get("TOKENVAULT_NIGHTLY") == "1"
LONGEST_GAP = 30
# So long that it surely has commits in it.
WITHHELD_IN_CONTROL = 100_000
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

    def test_without_synchronous_standbys_something_is_lost_and_its_services_stop(self) -> None:
        cluster = Cluster(confirms=False, withheld=WITHHELD_IN_CONTROL)
        self.addCleanup(cluster.remove)
        load = Load(on_cluster(cluster, "tokenvault", "--single"))
        load.await_answers(time.monotonic())
        time.sleep(PAUSE)
        cluster.primary.kill()
        cluster.promote()
        promoted = time.monotonic()
        time.sleep(2 * PAUSE)
        rows = {int(grant): int(generation) for grant, generation in cluster.primary.sql(
            "SELECT id, generation FROM tokenvault.grants", "tokenvault")}
        lost = {process.record.name: sum(max(0, chain.generation - rows[chain.grant]) for chain in chains)
                for process, chains in load.shares}
        print(f"\n  without synchronous standbys, of {load.acknowledged} acknowledged refreshes lost: {lost}")
        self.assertGreater(sum(lost.values()), 0)
        load.stop_callers()
        # Who knows of what is lost signs no log that goes on without it.
        for process, _ in load.shares:
            if lost[process.record.name]:
                self.assertLess(process.record.times[-1], promoted, process.record.name)
                self.expect_stopped(process)

    def expect_stopped(self, process: LibraryProcess | Server) -> None:
        """A service ends; what uses the library is told with every call."""
        if isinstance(process, Server):
            until(f"{process.record.name} to end", lambda: not process.is_running(), SECONDS)
            self.assertEqual(process.process.returncode, 7, process.log.read_text()[-2000:])
        else:
            self.assertIn("integrity", process.record.put_off)
