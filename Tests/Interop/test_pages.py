"""What the pages under docs/ tell an operator to type works, in the order it is told, on a machine of its own."""

from pathlib import Path

import pytest

from pages import DOCS, blocks, is_run, run

PAGES = [page for page in sorted(DOCS.glob("*.md")) if is_run(page.read_text())]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_its_blocks_run(page: Path, tmp_path: Path) -> None:
    ended = run(page, tmp_path)
    assert ended.returncode == 0, "\n".join(ended.stdout.splitlines()[-60:])


def test_the_operators_pages_are_among_them() -> None:
    assert {"operations.md", "keys.md", "backup.md"} <= {page.name for page in PAGES}


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_every_block_says_what_it_is(page: Path) -> None:
    assert [number for number, language, _, _ in blocks(page.read_text()) if not language] == []


@pytest.mark.parametrize(("block", "complaint"), [
    ("```sh\ntrue\nfalse\n```", "wrong.md:5: status 1: false"),
    ("```sh\nfalse | true\n```", "wrong.md:4: status 1"),
    ("```console\n$ echo one\ntwo\n$ true\n```", "-two\n+one"),
    ("```console\n$ tokenvault nonsense\n```", "wrong.md:4: status 2"),
    ("```sh\nsystemctl start absent\n```", "wrong.md:4: status 5"),
    ("```sh\napt-get install there-is-no-such-package\n```", "wrong.md:4: status 100"),
], ids=["command", "pipe", "output", "refusal", "unit", "package"])
def test_a_wrong_block_is_found(block: str, complaint: str, tmp_path: Path) -> None:
    page = tmp_path / "wrong.md"
    page.write_text(f"# Wrong\n\n{block}\n")
    ended = run(page, tmp_path)
    assert ended.returncode != 0 and complaint in ended.stdout, ended.stdout
