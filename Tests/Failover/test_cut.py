"""A service whose own machine is cut off from all others: it says so in time, holds up no other, and goes on by itself."""

import time
import unittest

from cluster import Cluster
from log import generations
from machines import Machine, build_network, until
from services import Chain, HTTPCaller, HTTPCallers, Server, on_cluster

CALLERS = 8
# What a service gives the server to answer, and then itself to find out.
DEADLINE = 25
# Until the server lets a session go whose machine does not answer.
LONGEST_GAP = 20
PAUSE = 2


def setUpModule() -> None:
    build_network()


class CutOff(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.cluster = Cluster(withheld=None)
        cls.addClassCleanup(cls.cluster.remove)
        cls.vault = on_cluster(cls.cluster)
        cls.machine = Machine("s", 9)
        cls.addClassCleanup(cls.machine.remove)
        cls.server = Server(cls.vault, "cut-off", cls.machine)
        cls.other = Server(cls.vault, "other")
        for server in (cls.server, cls.other):
            cls.addClassCleanup(server.stop)

    def test_a_machine_that_is_cut_off_in_the_middle_of_batches(self) -> None:
        chains = self.vault.begin(2 * CALLERS)
        load = HTTPCallers(self.server, chains[:CALLERS], CALLERS)
        elsewhere = HTTPCallers(self.other, chains[CALLERS:], CALLERS)
        until("answers", lambda: self.server.record.times and self.other.record.times)
        time.sleep(PAUSE)
        begin = time.monotonic()
        self.machine.cut()
        until("a refusal for now", lambda: self.server.record.put_off, DEADLINE)
        noticed = time.monotonic() - begin
        self.assertEqual(self.check(chains[0].token), 503)
        # All is quiet there by now, and the others go on.
        until("answers elsewhere", lambda: self.other.record.times[-1] > begin + noticed, LONGEST_GAP)
        time.sleep(PAUSE)
        gap = self.other.record.longest_gap(begin, time.monotonic())
        self.assertLess(gap, LONGEST_GAP)
        self.assertLess(self.server.record.times[-1], begin + PAUSE)
        mended = time.monotonic()
        self.machine.mend()
        until("answers again", lambda: self.server.record.times[-1] > mended, DEADLINE)
        print(f"\n  noticed after {noticed:.1f} s, elsewhere no answer for {gap:.1f} s, "
              f"answered {self.server.record.times[-1] - mended:.1f} s after the return", flush=True)
        for callers in (load, elsewhere):
            callers.stop()
        self.expect_order(chains)

    def test_connections_that_rest_while_the_machine_is_cut_off(self) -> None:
        """Nothing is sent that could tell: the probes of TCP do."""
        chain = self.vault.begin(1)[0]
        caller = HTTPCaller(self.server, chain)
        self.addCleanup(caller.connection.close)
        until("an answer", caller.attempt)
        self.machine.cut()
        until("no session of that machine", lambda: not self.sessions(), DEADLINE)
        self.machine.mend()
        begin = time.monotonic()
        until("an answer again", caller.attempt, DEADLINE)
        print(f"\n  answered {time.monotonic() - begin:.1f} s after the return", flush=True)
        self.expect_order([chain])

    def sessions(self) -> list:
        return self.cluster.primary.sql(
            f"SELECT pid FROM pg_stat_activity WHERE client_addr = '{self.machine.address}'")

    def check(self, token: str) -> int:
        """The status of a question for a token, which is answered in time."""
        caller = HTTPCaller(self.server, Chain(0, token, 0))
        begin = time.monotonic()
        status, _ = caller.post("/oauth2/introspect", token=token)
        caller.connection.close()
        self.assertLess(time.monotonic() - begin, DEADLINE)
        return status

    def expect_order(self, chains: list) -> None:
        """No caller was refused, no process ended, and the log has each generation once."""
        for server in (self.server, self.other):
            self.assertEqual(server.record.refusals, [])
            self.assertTrue(server.is_running(), server.log.read_text()[-2000:])
        for chain in chains:
            caller = HTTPCaller(self.other, chain)
            until("an answer elsewhere", caller.attempt)
            caller.connection.close()
        moved = generations(self.vault)
        for chain in chains:
            self.assertEqual(moved[chain.grant], list(range(1, chain.generation + 1)))
        verified = self.vault.run("audit", "verify")
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)
