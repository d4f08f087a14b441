"""A reader who keeps one snapshot for long makes the server keep every version of a row since: writers must hardly feel it."""

import os
import time
import unittest

from cluster import Cluster
from load import Load
from machines import build_network
from services import on_cluster

NIGHTLY = os.environ.get("TOKENVAULT_NIGHTLY") == "1"
SECONDS = 60 if NIGHTLY else 15
SPAN = 10 if NIGHTLY else 5
# Of each caller. A few grants that are refreshed many times a second would suffer: docs/scale-out.md says so.
CHAINS = 64


def setUpModule() -> None:
    build_network()


class LongSnapshot(unittest.TestCase):
    def test_refreshes_under_a_long_snapshot_are_hardly_slower(self) -> None:
        cluster = Cluster(withheld=None)
        self.addCleanup(cluster.remove)
        load = Load(on_cluster(cluster), CHAINS)
        load.await_answers(time.monotonic())
        before = self.rate(load)
        with cluster.primary.connect("tokenvault") as reader:
            reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            reader.execute("SELECT count(*) FROM tokenvault.grants")
            time.sleep(SECONDS - SPAN)
            after = self.rate(load)
            reader.execute("COMMIT")
        load.stop_callers()
        load.expect_nothing_lost()
        load.stop()
        print(f"\n  {len(load.chains)} grants: {before:.0f} refreshes/s, {after:.0f} after {SECONDS} s under a snapshot")
        if NIGHTLY:
            self.assertGreater(after, before * 0.8)

    def rate(self, load: Load) -> float:
        begin = load.acknowledged
        time.sleep(SPAN)
        load.expect_no_refusal()
        return (load.acknowledged - begin) / SPAN
