"""Swaps per second on PostgreSQL with one confirming standby: one process, four, with half a millisecond of network, beside
a bare loop on libpq and SQLite, all in one run. Not among the tests: Tests/Failover/run bench_postgres"""

import os
import statistics
import subprocess
import unittest
from pathlib import Path

import services
from cluster import PASSWORD, PORT, Cluster
from machines import FOLDER, ROOT, build_network, run
from services import Installation, on_cluster

BENCH = Path(os.environ.get("VAULT_BENCH", ROOT / ".build-release/release/vault-bench"))
services.BUILT = BENCH.parent
GRANTS = int(os.environ.get("GRANTS", "20000"))
RUNS = int(os.environ.get("RUNS", "3"))
SECONDS = 3
CALLERS = 64
# Each way; in a copy of the cluster standbys and services are so far from the primary.
DELAY = 500
SHARES = 4


class Measured:
    """A vault with grants, whose tokens are in as many files as there may be processes."""

    def __init__(self, vault: Installation, name: str) -> None:
        self.vault = vault
        self.files = [FOLDER / f"{name}.{number}.tokens" for number in range(SHARES)]
        grown = run(BENCH, "grow", "--vault", vault.place, "--key-file", vault.key, "--client", services.CLIENT, "--user",
                    "alice", "--grants", GRANTS, "--print-tokens", env=vault.environment, timeout=900)
        tokens = grown.split()
        for number, file in enumerate(self.files):
            file.write_text("\n".join(tokens[number::SHARES]) + "\n")

    def swaps(self, processes: int) -> float:
        """Of all processes together, with `CALLERS` each."""
        begun = [subprocess.Popen(
            [BENCH, "swaps", "--vault", self.vault.place, "--key-file", self.vault.key, "--client", services.CLIENT,
             "--tokens", file, "--callers", str(CALLERS), "--seconds", str(SECONDS)],
            env=self.vault.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for file in self.files[:processes]]
        for process in begun:
            assert process.stdout.readline() == "ready\n"
        # All at once: `communicate` would wait for the end of the first.
        for process in begun:
            process.stdin.write("go\n")
            process.stdin.flush()
        rates = [process.communicate() for process in begun]
        return sum(float(rate) for rate, _ in rates)


class Bench(unittest.TestCase):
    def test_ratios(self) -> None:
        build_network()
        near = Cluster(withheld=None)
        self.addCleanup(near.remove)
        far = Cluster("def", withheld=DELAY, beside=near)
        self.addCleanup(far.remove)
        plain = Measured(Installation(str(FOLDER / "vault")), "sqlite")
        postgres = Measured(on_cluster(near, "near"), "near")
        delayed = Measured(on_cluster(far, "far", hosts=self.delayed_host(far)), "far")
        near.primary.sql("CREATE DATABASE bare TEMPLATE near")
        bare = (f"host={near.primary.machine.address} port={PORT} dbname=bare user=near password='{PASSWORD}' "
                "sslmode=verify-full options='-c search_path=tokenvault -c plan_cache_mode=force_generic_plan -c jit=off' "
                f"sslrootcert={FOLDER}/server.crt")
        rates: dict[str, list[float]] = {}

        def add(name: str, rate: float) -> None:
            rates.setdefault(name, []).append(rate)
            print(f"  {name}: {rate:.0f}", flush=True)
        for _ in range(RUNS):
            add("bare", float(run(BENCH, "bare-postgres", bare, "--batch", CALLERS, "--seconds", SECONDS)))
            add("one", postgres.swaps(1))
            add("sqlite", plain.swaps(1))
            add("four", postgres.swaps(SHARES))
            add("delayed", delayed.swaps(1))
        print("\n| ratio | wanted | reached | runs |\n| --- | ---: | ---: | --- |")
        for name, upper, lower, wanted in (
            ("PostgreSQL / bare loop on libpq, 64 callers", "one", "bare", 0.6),
            ("PostgreSQL / SQLite, 64 callers", "one", "sqlite", 0.25),
            ("four processes / one, 64 callers each", "four", "one", 0.6),
            ("with 0.5 ms each way / without, 64 callers", "delayed", "one", 0.45),
        ):
            ratios = [above / below for above, below in zip(rates[upper], rates[lower])]
            print(f"| {name} | ≥ {wanted} | {statistics.median(ratios):.2f} | "
                  f"{' '.join(f'{ratio:.2f}' for ratio in ratios)} |")
        print("\n| swaps/s | median | runs |\n| --- | ---: | --- |")
        for name, found in rates.items():
            print(f"| {name} | {statistics.median(found):.0f} | {' '.join(f'{rate:.0f}' for rate in found)} |", flush=True)

    def delayed_host(self, cluster: Cluster) -> str:
        """A service reaches the primary through a proxy on its own machine."""
        proxy = subprocess.Popen(
            [FOLDER / "delay", "127.0.0.1", "6432", cluster.primary.machine.address, str(PORT), str(DELAY)],
            stdout=subprocess.PIPE, text=True)
        self.addCleanup(lambda: (proxy.kill(), proxy.wait(), proxy.stdout.close()))
        assert proxy.stdout.readline() == "ready\n"
        return "host=127.0.0.1\nport=6432\nsslmode=disable"
