"""What the audit log says of grants, read from its export."""

import json

from services import Installation


def generations(vault: Installation) -> dict[int, list[int]]:
    """For each grant the generations that it was moved to, in the log's order; its code's was the first."""
    moved: dict[int, list[int]] = {}
    entries = [json.loads(line) for line in vault.command("audit", "export", "--format", "ndjson").splitlines()]
    for number, entry in enumerate(entries):
        assert entry["i"] == number, f"entry {number} says that it is {entry['i']}"
        if entry["op"] in ("token.code", "token.refresh") and entry["out"] == "ok":
            moved.setdefault(entry["g"], []).append(entry["n"])
    return moved
