#!/usr/bin/env python3
"""Builds the package that docs/embedding.md describes, from that page alone and outside the repository, and runs its tests.

One line is changed: the URL of TokenVault becomes a link to the repository. What dependencies build to stays in .build/outside
for the next time."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
URL = re.compile(r'\.package\(url: "[^"]*/tokenvault\.git", [^)]*\)')
# A file's name between backticks, and the block below it.
FILE = re.compile(r"^`([\w./]+)`:\n\n```swift\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def write(package: Path) -> None:
    """Writes the files of the page; versions of dependencies are those that the repository was built with."""
    files = FILE.findall((ROOT / "docs/embedding.md").read_text())
    assert {"Package.swift"} < {name for name, _ in files}, "a page without a package"
    for name, text in files:
        if name == "Package.swift":
            text, count = URL.subn('.package(path: "../tokenvault")', text)
            assert count == 1, "a manifest that names TokenVault once"
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    if (ROOT / "Package.resolved").exists():
        shutil.copy(ROOT / "Package.resolved", package)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="tokenvault-outside-") as folder:
        write(Path(folder) / "diary")
        (Path(folder) / "tokenvault").symlink_to(ROOT)
        # What the repository's own build is told does not concern others.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TOKENVAULT_")}
        subprocess.run(
            ["swift", "test", "--package-path", Path(folder) / "diary", "--scratch-path", ROOT / ".build/outside"],
            check=True, env=environment)


if __name__ == "__main__":
    main()
