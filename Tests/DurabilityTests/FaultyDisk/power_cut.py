"""Rebuilds a vault as a power cut could have left it, many times over, and looks for what was acknowledged.

    power_cut.py TRACE DATABASE STATES SEED SCRATCH SAMPLES

TRACE is what faulty_disk.c wrote, DATABASE the file as it was before. A write is certain once a sync of its file
returned; until then it may be there or not, whole or by sectors, without regard to order. Creating and removing a
file is certain after a sync of the directory, and keeps its order. Prints one JSON object. SAMPLES of the states are
kept in SCRATCH/sample-N, each with the last acknowledged token of each grant in `acknowledged`.
"""
import json
import os
import random
import shutil
import sqlite3
import struct
import sys

SECTOR = 512


class Inode:
    """A file: what is certainly on the disk, and the changes made since."""

    def __init__(self, durable=b""):
        self.durable = bytearray(durable)
        self.pending = []

    def sync(self):
        for change in self.pending:
            apply(self.durable, *change)
        self.pending = []

    def after_cut(self, rng):
        """One of the contents the file may have after a cut now, and how it came about."""
        image = bytearray(self.durable)
        mode = rng.choice(["dropped", "kept", "torn", "sectors", "reordered", "reordered"])
        if mode == "kept":
            chosen = self.pending
        elif mode == "torn":
            end = rng.randint(0, len(self.pending))
            chosen = self.pending[:end]
            if end < len(self.pending):
                op, offset, data = self.pending[end]
                chosen = chosen + [(op, offset, data[: rng.randint(0, len(data)) // SECTOR * SECTOR])]
        elif mode == "sectors":
            chosen = [piece for change in self.pending for piece in sectors(*change) if rng.random() < 0.5]
        elif mode == "reordered":
            share = rng.random()
            chosen = [change for change in self.pending if rng.random() < share]
        else:
            chosen = []
        for change in chosen:
            apply(image, *change)
        return image


def sectors(op, offset, data):
    """A change by the sectors of the disk it touches."""
    if op == "T":
        return [(op, offset, data)]
    pieces = []
    while data:
        count = SECTOR - offset % SECTOR
        pieces.append((op, offset, data[:count]))
        offset, data = offset + count, data[count:]
    return pieces


def apply(image, op, offset, data):
    if op == "T":
        del image[offset:]
    if len(image) < offset:
        image.extend(bytes(offset - len(image)))
    if op == "W":
        image[offset : offset + len(data)] = data


class Disk:
    """The database and its WAL, and which of the two names are certainly in the directory."""

    def __init__(self, database):
        self.now = {"d": Inode(database)}
        self.names = dict(self.now)
        self.pending = []

    def play(self, op, file, offset, data):
        if op in "WT":
            self.now[file].pending.append((op, offset, data))
        elif op == "S" and file == "D":
            for change in self.pending:
                self.rename(self.names, change)
            self.pending = []
        elif op == "S":
            self.now[file].sync()
        elif op in "CU":
            change = (file, Inode() if op == "C" else None)
            self.rename(self.now, change)
            self.pending.append(change)

    @staticmethod
    def rename(names, change):
        if change[1] is None:
            names.pop(change[0], None)
        else:
            names[change[0]] = change[1]

    def after_cut(self, rng):
        names = dict(self.names)
        for change in self.pending[: rng.randint(0, len(self.pending))]:
            self.rename(names, change)
        return {file: inode.after_cut(rng) for file, inode in names.items()}


def records(path):
    with open(path, "rb") as trace:
        content = trace.read()
    position = 0
    while position < len(content):
        op, file, offset, length = struct.unpack_from("<ccqI", content, position)
        position += 14
        has_data = op in b"WA"
        data = content[position : position + length] if has_data else b""
        position += len(data)
        yield op.decode(), file.decode(), offset, data


def store(image, folder):
    os.makedirs(folder, exist_ok=True)
    for file, name in (("d", "vault"), ("w", "vault-wal")):
        path = os.path.join(folder, name)
        if file not in image:
            if os.path.exists(path):
                os.unlink(path)
            continue
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            out.write(image[file])
    shm = os.path.join(folder, "vault-shm")
    if os.path.exists(shm):
        os.unlink(shm)


def problem(folder, acknowledged, denied, thorough):
    """What is wrong with a state: nothing, or a sentence."""
    try:
        connection = sqlite3.connect(f"file:{folder}/vault?mode=ro", uri=True)
        try:
            found = dict(connection.execute("SELECT id, generation FROM grants"))
            size = connection.execute("SELECT size FROM audit_head").fetchone()[0]
            last = connection.execute("SELECT max(id) FROM audit_leaves").fetchone()[0]
            if thorough and connection.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
                return "corrupt: integrity_check"
        finally:
            connection.close()
    except sqlite3.Error as error:
        return f"corrupt: {error}"
    if size != last + 1:
        return f"corrupt: the head says {size} entries, there are {last + 1}"
    for grant, (generation, _) in acknowledged.items():
        # One more than acknowledged is a swap whose caller had not heard of it yet.
        if not generation <= found.get(grant, -1) <= generation + 1:
            return f"lost: grant {grant} at {found.get(grant)}, acknowledged {generation}"
    for grant in denied:
        if found.get(grant) != acknowledged[grant][0]:
            return f"untrue: grant {grant} was said not to have changed"
    return None


def main(trace, database, states, seed, scratch, samples):
    history = list(records(trace))
    rng = random.Random(seed)
    # Where a caller was told that nothing had changed, that must be so at once.
    told = [place + 1 for place, (op, _, _, data) in enumerate(history) if op == "A" and b"io_failure" in data]
    # Checkpoints are few records among many: every other cut is near one.
    copied = [place for place, (op, file, _, _) in enumerate(history) if op == "W" and file == "d"]
    cuts = 5 * told
    while len(cuts) < states:
        near = copied and len(cuts) % 2
        cut = rng.choice(copied) + rng.randint(-20, 40) if near else rng.randint(0, len(history))
        cuts.append(min(max(cut, 0), len(history)))
    cuts.sort()
    kept = set(rng.sample(range(states), min(samples, states)))
    with open(database, "rb") as file:
        disk = Disk(file.read())
    acknowledged, denied, problems, unsynced, played = {}, set(), [], 0, 0
    folder = os.path.join(scratch, "state")
    for number, cut in enumerate(cuts):
        for op, file, offset, data in history[played:cut]:
            if op == "A":
                words = data.decode().split()
                if words[0] in ("ack", "replay"):
                    acknowledged[int(words[1])] = (int(words[2]), words[3])
                elif words[0] == "fail" and words[2] == "io_failure" and int(words[1]) in acknowledged:
                    denied.add(int(words[1]))
            else:
                denied.clear()  # the retry has begun
                disk.play(op, file, offset, data)
        played = cut
        unsynced += any(inode.pending for inode in disk.now.values())
        image = disk.after_cut(rng)
        store(image, folder)
        found = problem(folder, acknowledged, denied, number % 20 == 0)
        if found:
            problems.append(f"state {number}, cut at {cut}: {found}")
        if number in kept:
            sample = os.path.join(scratch, f"sample-{len(os.listdir(scratch))}")
            store(image, sample)
            with open(os.path.join(sample, "acknowledged"), "w") as out:
                for grant, (generation, token) in acknowledged.items():
                    out.write(f"{grant} {generation} {token}\n")
    shutil.rmtree(folder)
    kinds = [op + file.strip("\0") for op, file, _, _ in history]
    print(json.dumps({
        "states": states, "unsynced": unsynced, "problems": len(problems), "first": problems[:5],
        "denials": len(told),
        "lost": sum("lost:" in text for text in problems),
        "acknowledged": sum(op == "A" and data.startswith(b"ack") for op, _, _, data in history),
        "databaseWrites": kinds.count("Wd"), "walSyncs": kinds.count("Sw"), "records": len(history),
    }))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5], int(sys.argv[6]))
