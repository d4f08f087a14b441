"""The blocks of a page under docs/, run on a machine of the page's own.

A block's language says what it is: `sh` runs, `console` runs what stands behind `$ ` and must print the rest, and a
language with a path (```json /etc/tokenvault/serve.json) is a file of that content. Everything else is only read. A page
that goes on from another one's section names it in a comment: <!-- goes on from operations.md#install -->.
"""

import os
import re
import subprocess
from pathlib import Path

from served import BINARY, ROOT

DOCS = ROOT / "docs"
FENCE = re.compile(r"```(\S*)(?: (/\S+))?$")
GOES_ON = re.compile(r"<!-- goes on from (\S+\.md)#(\S+) -->")
HERE = Path(__file__).parent
# The status and place of what failed first, and what services said until then.
TRAP = (
    """trap 'echo "${BASH_SOURCE[0]##*/}:$LINENO: status $?: $BASH_COMMAND" >&2; """
    """tail -qn 20 /run/units/*.log >&2 2>/dev/null' ERR""")


def blocks(text: str) -> list[tuple[int, str, str | None, list[str]]]:
    """Each block: number of its first line, language, path, lines."""
    found: list[tuple[int, str, str | None, list[str]]] = []
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        if inside and line == "```":
            inside = False
        elif inside:
            found[-1][3].append(line)
        elif line.startswith("```"):
            fence = FENCE.match(line)
            assert fence, f"line {number}: {line}"
            found.append((number + 1, fence[1], fence[2], []))
            inside = True
    assert not inside, "a block without end"
    return found


def is_run(text: str) -> bool:
    return any(language in ("sh", "console") and path is None for _, language, path, _ in blocks(text))


def section(text: str, anchor: str) -> str:
    """The page to the end of one section of the second level; its lines keep their numbers."""
    lines = text.splitlines()
    titles = [number for number, line in enumerate(lines) if line.startswith("## ")]
    begins = next(number for number in titles if lines[number][3:].lower().replace(" ", "-") == anchor)
    return "\n".join(lines[:next((number for number in titles if number > begins), None)])


def script(text: str, into: Path, prelude: str) -> str:
    """What bash runs, each command in the line that it has on the page. Expected output goes to files in `into`."""
    lines = [""] * (len(text.splitlines()) + 1)
    lines[0] = prelude
    for number, language, path, content in blocks(text):
        first = number - 1
        if path is not None:
            lines[first - 1] = f"cat > {path} <<'END_OF_FILE'"
            lines[first:first + len(content)] = content
            lines[first + len(content)] = "END_OF_FILE"
        elif language == "sh":
            lines[first:first + len(content)] = content
        elif language == "console":
            shown = [line for line in content if not line.startswith("$ ")]
            lines[first:first + len(content)] = [line[2:] if line.startswith("$ ") else "" for line in content]
            if shown:
                (into / f"{number}.shown").write_text("".join(line + "\n" for line in shown))
                lines[first - 1] = f"exec 5>&1 >/page/{number}.printed"
                lines[first + len(content)] = f"exec >&5; diff -u /page/{number}.shown /page/{number}.printed"
    return "\n".join(lines) + "\n"


def run(page: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs the blocks of `page`, one after the other in one shell; ends with the first command that fails."""
    files, machine = folder / "page", folder / "machine"
    files.mkdir()
    machine.mkdir()
    text = page.read_text()
    prelude = TRAP
    if before := GOES_ON.search(text):
        other = files / before[1]
        other.write_text(script(section((DOCS / before[1]).read_text(), before[2]), files, ""))
        prelude += f"; . /page/{other.name}"
    (files / page.name).write_text(script(text, files, prelude))
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    return subprocess.run(
        [*as_root, "unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--propagation", "private",
         "bash", HERE / "machine.sh", machine, ROOT, BINARY.parent, HERE / "stand_ins", files, page.name],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=100)
