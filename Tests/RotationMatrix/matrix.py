"""`make rotation-matrix`: runs every behaviour at every server, and writes the table into docs/rotation.md.

`matrix.py [COLUMN…]` prints the outcomes of these columns and writes nothing.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path

from behaviour import Behaviour
from fake_clock import FakeClock
from glewlwyd import PACKAGE
from served import BINARY, ROOT
from servers import OTHERS, OURS, start

BEHAVIOURS = json.loads(Path(__file__).with_name("behaviours.json").read_text())
PAGE = ROOT / "docs/rotation.md"
USERS = 10
BEGIN, END = "<!-- rotation matrix -->\n", "<!-- end of the rotation matrix -->\n"


def outcomes(name: str) -> list[str]:
    """Of every behaviour at one server, in a process whose children read its clock."""
    with tempfile.TemporaryDirectory(prefix="rotation-") as folder:
        clock = FakeClock(Path(folder, "clock"))
        os.environ |= clock.environment
        column = start(name, Path(folder), clock)
        try:
            cells = []
            for behaviour in BEHAVIOURS:
                begun = time.monotonic()
                does, numbers = behaviour["does"], behaviour["with"]
                # What happens at once may go well by chance: the worst of several users counts.
                users = USERS if numbers.get("processes", 1) > 1 else 1
                cells.append(max((Behaviour(column).run(does, numbers) for _ in range(users)), key=badness))
                print(f"{name} | {behaviour['name']} | {cells[-1]} | {time.monotonic() - begun:.0f} s", flush=True)
            return cells
        finally:
            column.server.stop()
            clock.close()


def badness(outcome: str) -> int:
    return 2 if outcome == "two winners" else int(outcome != "works")


def broken_promises(columns: dict[str, list[str]]) -> list[str]:
    """What ours must never do. The others' outcomes are only printed."""
    broken = []
    for policy in OURS:
        for behaviour, outcome in zip(BEHAVIOURS, columns[policy], strict=True):
            if outcome == "two winners" or behaviour.get("policy") == policy and outcome != "works":
                broken.append(f"{policy}: {behaviour['name']}: {outcome}")
    return broken


def table(columns: dict[str, list[str]]) -> str:
    heads = [f"`{policy}`" for policy in OURS] + list(OTHERS.values())
    lines = ["| | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for behaviour, *cells in zip(BEHAVIOURS, *(columns[name] for name in [*OURS, *OTHERS]), strict=True):
        lines.append(f"| {behaviour['name']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def versions() -> str:
    ours = subprocess.run([BINARY, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    theirs = subprocess.run(
        [PACKAGE / "usr/bin/glewlwyd", "--version"], check=True, capture_output=True, text=True).stdout.strip()
    packages = [("django-oauth-toolkit", "Django"), ("Authlib", "Flask")]
    pairs = [f"{name} {version(name)} on {base} {version(base)}" for name, base in packages]
    return f"Versions: TokenVault {ours}, {', '.join(pairs)}, glewlwyd {theirs}.\n"


def main(names: list[str]) -> None:
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        chosen = names or [*OURS, *OTHERS]
        columns = dict(zip(chosen, pool.map(outcomes, chosen)))
    if names:
        return
    broken = broken_promises(columns)
    assert not broken, "\n".join(broken)
    before, rest = PAGE.read_text().split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}{table(columns)}\n{versions()}{END}{after}")
    print(f"written: {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main(sys.argv[1:])
