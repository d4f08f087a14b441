"""64 callers in four processes on one vault: half of them use the library, half a server."""

import time

from log import generations
from machines import until
from services import Chain, HTTPCaller, HTTPCallers, Installation, LibraryProcess, Record, Server

CALLERS = 16


class Load:
    def __init__(self, vault: Installation, chains: int = 1) -> None:
        """`chains`: how many grants each caller refreshes in turn."""
        self.vault = vault
        self.chains = vault.begin(4 * CALLERS * chains)
        share = [self.chains[process::4] for process in range(4)]
        self.servers = [Server(vault, "server-1"), Server(vault, "server-2")]
        self.libraries = [LibraryProcess(vault, "library-1", share[0], CALLERS),
                          LibraryProcess(vault, "library-2", share[1], CALLERS)]
        self.callers = [HTTPCallers(self.servers[0], share[2], CALLERS), HTTPCallers(self.servers[1], share[3], CALLERS)]
        self.shares = list(zip(self.processes, share))
        # Each chain goes on at a server that is not the process it was refreshed by so far.
        self.elsewhere = [(self.servers[0], share[0]), (self.servers[1], share[1]), (self.servers[1], share[2]),
                          (self.servers[0], share[3])]

    @property
    def processes(self) -> list[LibraryProcess | Server]:
        return [*self.libraries, *self.servers]

    @property
    def records(self) -> list[Record]:
        return [process.record for process in self.processes]

    @property
    def acknowledged(self) -> int:
        return sum(chain.acknowledged for chain in self.chains)

    def await_answers(self, since: float) -> None:
        """Until every process has acknowledged something after that moment."""
        def all_answered() -> bool:
            self.expect_no_refusal()
            return all(record.times and record.times[-1] > since for record in self.records)
        until("an acknowledged refresh in every process", all_answered, 60)

    def longest_gap(self, since: float) -> float:
        now = time.monotonic()
        return max(record.longest_gap(since, now) for record in self.records)

    def expect_no_refusal(self) -> None:
        for process in self.processes:
            assert not process.record.refusals, f"{process.record.name}: {process.record.refusals[:5]}"
            assert process.is_running(), f"{process.record.name} ended: {process.log.read_text()[-2000:]}"

    def stop_callers(self) -> None:
        for callers in self.callers:
            callers.stop()
        for library in self.libraries:
            library.stop_callers()

    def expect_nothing_lost(self) -> None:
        """Every pair that was acknowledged is the grant's last one, and has one successor.

        Its callers are stopped. What was committed for a caller that got no answer is repeated to whoever asks again.
        """
        for library in self.libraries:
            status = library.stop()
            assert status == 0 and library.done, f"{status}: {library.log.read_text()[-2000:]}"
            assert not library.record.refusals, library.record.refusals[:5]
        for server, chains in self.elsewhere:
            for chain in chains:
                caller = HTTPCaller(server, chain)
                status, first = caller.refresh()
                assert status == 200, f"grant {chain.grant}, acknowledged at {chain.generation}: {status} {first}"
                status, again = caller.refresh()
                assert status == 200 and first["refresh_token"] == again["refresh_token"], \
                    f"grant {chain.grant} has two successors of {chain.generation}"
                chain.take(first["refresh_token"])
                caller.connection.close()
        self.expect_no_fork()

    def expect_no_fork(self) -> None:
        """The log has each generation of each grant once, in order, and none that its caller was not told of."""
        moved = generations(self.vault)
        for chain in self.chains:
            assert moved[chain.grant] == list(range(1, chain.generation + 1)), \
                f"grant {chain.grant}, acknowledged at {chain.generation}: {moved[chain.grant][-5:]}"

    def stop(self) -> None:
        for server in self.servers:
            status = server.stop()
            assert status == 0, f"{status}: {server.log.read_text()[-2000:]}"
            assert not server.record.refusals, server.record.refusals[:5]

    def put_off(self) -> dict[str, int]:
        """How often callers were told to try again, by what they were told."""
        sums: dict[str, int] = {}
        for record in self.records:
            for reason, count in record.put_off.items():
                sums[reason] = sums.get(reason, 0) + count
        return sums
