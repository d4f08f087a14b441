"""A move of a vault that is killed at any time: the same command, run again, ends it, and there is one vault."""

import os
import subprocess
import time
import unittest

from cluster import Cluster
from machines import FOLDER, build_network
from services import BUILT, on_cluster

NIGHTLY = os.environ.get("TOKENVAULT_NIGHTLY") == "1"
KILLS = 24 if NIGHTLY else 6
GRANTS = 200


def setUpModule() -> None:
    build_network()


class KilledMoves(unittest.TestCase):
    def setUp(self) -> None:
        self.cluster = Cluster(withheld=None)
        self.addCleanup(self.cluster.remove)
        self.vault = on_cluster(self.cluster)
        self.vault.begin(GRANTS)
        self.database, self.file = self.vault.place, str(FOLDER / "moved" / "vault")
        (FOLDER / "moved").mkdir()
        self.rows = self.grants(self.database)
        self.assertEqual(len(self.rows), GRANTS)

    def test_a_move_that_is_killed_is_ended_by_the_same_command(self) -> None:
        ways = [(self.database, self.file), (self.file, self.database)]
        lengths = [self.move(*way) for way in ways]
        killed = 0
        for kill in range(KILLS):
            for length, (source, target) in zip(lengths, ways):
                # The log grows with each.
                killed += self.kill(source, target, length * 2 * (kill + 1) / KILLS)
                self.expect_left(source)
        self.assertGreater(killed, KILLS // 2, "the others had ended")
        print(f"\n  {2 * KILLS} moves there and back, {killed} killed before they had ended, nothing lost")

    def kill(self, source: str, target: str, moment: float) -> bool:
        """Moves the vault, killed once. Whether the command had something left to do."""
        command = [str(BUILT / "tokenvault"), "move", "--vault", source, "--to", target]
        with subprocess.Popen(command, env=self.vault.environment, cwd=FOLDER, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT) as process:
            try:
                process.communicate(timeout=moment)
            except subprocess.TimeoutExpired:
                process.kill()
        again = self.vault.run("move", "--vault", source, "--to", target)
        if again.returncode != 0:
            # It had ended: the place is left, and the command says so.
            self.assertRegex(again.stderr, "moved away|There is no vault")
        verified = self.vault.run("audit", "verify", "--vault", target)
        self.assertEqual(verified.returncode, 0, f"after {moment} s: {again.stderr}{verified.stdout}{verified.stderr}")
        self.assertEqual(self.grants(target), self.rows, f"after {moment} s")
        return again.returncode == 0

    def move(self, source: str, target: str) -> float:
        """Seconds."""
        begin = time.monotonic()
        self.vault.command("move", "--vault", source, "--to", target)
        length = time.monotonic() - begin
        self.expect_left(source)
        return length

    def grants(self, place: str) -> list[str]:
        return self.vault.command("grant", "list", "--vault", place, "--json").splitlines()

    def expect_left(self, place: str) -> None:
        """No vault is where it was, and no copy beside the file; makes room for the next one."""
        self.assertNotEqual(self.vault.run("grant", "list", "--vault", place).returncode, 0)
        self.assertEqual(list((FOLDER / "moved").glob("*.moving-*")), [])
        if place == self.database:
            self.cluster.primary.sql("DROP SCHEMA tokenvault CASCADE", "tokenvault")
        for old in (FOLDER / "moved").glob("vault.moved-*"):
            old.unlink()
