"""Commits whose outcome the service was not told: each is settled, and no caller is told that a token is invalid."""

import os
import threading
import time
import unittest

from cluster import PORT, Cluster
from commit_proxy import CommitProxy
from log import generations
from machines import SECONDS, build_network, until
from services import HTTPCaller, Installation, Server, on_cluster

NIGHTLY = os.environ.get("TOKENVAULT_NIGHTLY") == "1"
# Both directions of a refresh are about 8 kB.
STRIDE = 1 if NIGHTLY else 97
# What the service gives the server to answer, and then itself to find out.
DEADLINE = 25


def setUpModule() -> None:
    build_network()


class CommitsOfUnknownOutcome(unittest.TestCase):
    """One server, one caller, between it and PostgreSQL a proxy."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.cluster = Cluster()
        cls.addClassCleanup(cls.cluster.remove)
        cls.proxy = CommitProxy(cls.cluster.primary.machine.address, PORT)
        cls.addClassCleanup(cls.proxy.close)
        cls.vault = on_cluster(cls.cluster, hosts=f"host=127.0.0.1\nport={cls.proxy.port}\nsslmode=disable")
        cls.server = Server(cls.vault, "server")
        cls.addClassCleanup(cls.server.process.kill)

    def setUp(self) -> None:
        self.chain = self.vault.begin(1)[0]
        self.caller = HTTPCaller(self.server, self.chain)
        self.addCleanup(self.caller.connection.close)
        self.refresh_until_answered()

    def tearDown(self) -> None:
        """Nothing was refused, no generation is missing or there twice, and the process is the one that was started."""
        self.proxy.cut_after(None)
        self.refresh_until_answered()
        self.assertTrue(self.server.is_running(), self.server.log.read_text()[-2000:])
        self.assertEqual(generations(self.vault)[self.chain.grant], list(range(1, self.chain.generation + 1)))
        verified = self.vault.run("audit", "verify")
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)

    def refresh(self) -> int:
        """Presents the chain's token once; the status is 200 or 503."""
        status, answer = self.caller.refresh()
        self.assertIn(status, (200, 503), answer)
        if status == 200:
            self.chain.take(answer["refresh_token"])
        return status

    def refresh_until_answered(self) -> None:
        until("an answer to the same refresh", lambda: self.refresh() == 200, 60)

    def lose(self, fault: str) -> int:
        self.proxy.lose(fault)
        status = self.refresh()
        self.assertTrue(self.proxy.fired.is_set(), "the fault did not happen")
        return status

    def test_a_commit_that_never_came_changed_nothing(self) -> None:
        self.assertEqual(self.lose("commit"), 503)

    def test_a_commit_that_never_came_on_a_silent_connection_changed_nothing(self) -> None:
        self.assertEqual(self.lose("commit, silently"), 503)

    def test_a_commit_whose_answer_was_lost_is_found_and_answered(self) -> None:
        self.assertEqual(self.lose("answer"), 200)

    def test_a_commit_whose_answer_never_came_is_found_and_answered(self) -> None:
        self.assertEqual(self.lose("answer, silently"), 200)

    def test_a_network_that_goes_dark_in_the_middle_of_a_batch_is_noticed_and_its_return_too(self) -> None:
        _, answer = self.caller.refresh()
        self.chain.take(answer["refresh_token"])
        begin = time.monotonic()
        self.assertEqual(self.lose("everything"), 503)
        noticed = time.monotonic() - begin
        self.assertLess(noticed, DEADLINE)
        # A caller who comes now waits no longer, whatever is asked for.
        begin = time.monotonic()
        self.assertEqual(self.refresh(), 503)
        status, _ = self.caller.post("/oauth2/introspect", token=answer["access_token"])
        self.assertEqual(status, 503)
        self.assertLess(time.monotonic() - begin, 2 * DEADLINE)
        self.proxy.lighten()
        begin = time.monotonic()
        self.refresh_until_answered()
        print(f"\n  noticed after {noticed:.1f} s, answered {time.monotonic() - begin:.1f} s after the return", flush=True)

    def test_a_connection_cut_after_any_byte_of_a_refresh_burns_no_token(self) -> None:
        def refresh() -> int:
            return self.refresh()
        count = self.cut_everywhere(refresh)
        print(f"\n  a refresh is {count} bytes or fewer, cut after every {STRIDE}", flush=True)

    def test_a_connection_cut_after_any_byte_of_a_check_calls_no_token_inactive(self) -> None:
        access = ""

        def check() -> int:
            status, answer = self.caller.post("/oauth2/introspect", token=access)
            self.assertIn(status, (200, 503), answer)
            self.assertTrue(status == 503 or answer["active"], answer)
            return status
        _, answer = self.caller.refresh()
        access = answer["access_token"]
        self.chain.take(answer["refresh_token"])
        count = self.cut_everywhere(check)
        print(f"\n  a check is {count} bytes or fewer, cut after every {STRIDE}", flush=True)

    def cut_everywhere(self, request) -> int:
        """Cuts after each number of bytes until a request needs fewer; the same request is then answered."""
        count = 0
        while True:
            self.proxy.cut_after(count)
            status = request()
            if not self.proxy.fired.is_set():
                self.assertEqual(status, 200)
                self.assertGreater(count, 0)
                return count
            until("an answer to the same request", lambda: request() == 200, 60)
            count += STRIDE


class CommitsWithoutStandbys(unittest.TestCase):
    """The primary alone has it: no caller may be told so, and nothing is lost when a standby has it too."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.cluster = Cluster()
        cls.addClassCleanup(cls.cluster.remove)
        cls.vault = on_cluster(cls.cluster)

    def setUp(self) -> None:
        self.server = Server(self.vault, "server")
        self.addCleanup(self.server.process.kill)
        self.chain = self.vault.begin(1)[0]
        self.caller = HTTPCaller(self.server, self.chain)
        self.addCleanup(self.caller.connection.close)
        _, answer = self.caller.refresh()
        self.access = answer["access_token"]
        self.chain.take(answer["refresh_token"])
        # Frozen ones would still find the commit among what came meanwhile.
        for node in self.cluster.standbys:
            node.kill()
        self.answers: list[bool] = []
        self.thread = threading.Thread(target=lambda: self.answers.append(self.attempt()), daemon=True)
        self.thread.start()
        self.waiting = until("a commit that waits", self.find_waiting)

    def attempt(self) -> bool:
        return self.caller.attempt()

    def find_waiting(self) -> str | None:
        rows = self.cluster.primary.sql("SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' LIMIT 1")
        return rows[0][0] if rows else None

    def expect_no_acknowledgement(self) -> None:
        """The caller gets an answer soon, and no token."""
        self.thread.join(SECONDS)
        self.assertEqual(self.answers, [False])

    def expect_settled(self) -> None:
        until("an answer to the same refresh", self.attempt, 60)
        self.assertEqual(self.server.record.refusals, [])
        self.assertTrue(self.server.is_running(), self.server.log.read_text()[-2000:])
        self.assertEqual(generations(self.vault)[self.chain.grant], list(range(1, self.chain.generation + 1)))
        self.assertEqual(self.vault.run("audit", "verify").returncode, 0)
        self.assertEqual(self.server.stop(), 0, self.server.log.read_text()[-2000:])

    def bring_standbys_back(self) -> None:
        for node in self.cluster.standbys:
            node.start(standby=True)

    def test_a_cancelled_wait_for_standbys_is_no_acknowledgement(self) -> None:
        """PostgreSQL then says COMMIT, with a WARNING."""
        self.assertEqual(self.cluster.primary.value(f"SELECT pg_cancel_backend({self.waiting})"), "t")
        self.expect_no_acknowledgement()
        self.bring_standbys_back()
        self.expect_settled()

    def test_a_commit_found_after_a_crash_is_no_acknowledgement(self) -> None:
        """After its restart the primary shows to everybody what no standby has."""
        self.restart()
        self.expect_no_acknowledgement()
        self.bring_standbys_back()
        self.expect_settled()

    def test_a_commit_found_after_a_crash_and_lost_by_a_promotion_stops_no_service(self) -> None:
        self.restart()
        self.expect_no_acknowledgement()
        self.cluster.primary.kill()
        self.bring_standbys_back()
        self.cluster.rejoin(self.cluster.promote())
        self.expect_settled()

    def test_a_primary_that_nobody_confirms_does_not_vouch_for_tokens(self) -> None:
        """It may have been replaced, and the token revoked there: checks are refused until a commit is confirmed again."""
        self.expect_no_acknowledgement()
        until("a check that is refused", lambda: self.check()[0] == 503)
        self.assertEqual(self.check()[0], 503)
        self.bring_standbys_back()
        until("a check that is answered", lambda: self.check() == (200, True))
        self.expect_settled()

    def check(self) -> tuple[int, bool | None]:
        status, answer = self.caller.post("/oauth2/introspect", token=self.access)
        return status, answer.get("active")

    def restart(self) -> None:
        primary = self.cluster.primary
        primary.kill()
        primary.start(standby=False)
