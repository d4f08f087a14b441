"""A clock that servers read in place of the machine's: months pass in minutes."""

import os
import subprocess
import time
from pathlib import Path


def library() -> str:
    """Of Debian's package `libfaketime`, for programs with threads."""
    return str(next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")))


class FakeClock:
    """Programs that start while `environment` is theirs read the file at every look at the time."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.ahead = 0.0
        self.write()
        self.environment = {
            "LD_PRELOAD": library(), "FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_NO_CACHE": "1"}
        # The first process makes memory that the others share, and sets a variable that says where. A Swift program must
        # not be the first: it looks for its arguments beside the environment, which that moves.
        self.first = subprocess.Popen(
            ["bash", "-c", 'echo "$FAKETIME_SHARED"; read -r end'], env=os.environ | self.environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.environment["FAKETIME_SHARED"] = self.first.stdout.readline().strip()

    def close(self) -> None:
        """Once no process reads it any more."""
        self.first.communicate(timeout=20)

    def write(self) -> None:
        """A rename, so that nothing reads half of it."""
        new = self.file.with_suffix(".new")
        new.write_text(f"+{self.ahead:.3f}\n")
        os.replace(new, self.file)

    def now(self) -> float:
        return time.time() + self.ahead

    def advance_to(self, moment: float) -> None:
        """Seconds since 1970. It never goes back: what a step of a behaviour takes must fit in before the next."""
        step = moment - self.now()
        assert step >= 0, f"the servers were too slow by {-step:.1f} s"
        self.ahead += step
        self.write()
