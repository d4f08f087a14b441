"""Run by gdb, which starts the server: writes the stacks of what is done between SIGUSR2 and the server's end into a file.

A task's stack is where it waits for a continuation: the functions that wait for it are in the chain of their contexts, and
not on the thread's stack. The writer's is where SQLite is asked for a step."""

import json, os

import gdb

stacks = {"tasks": [], "threads": []}
# Where the first argument is.
argument = "$rdi" if "x86-64" in gdb.execute("show architecture", to_string=True) else "$x0"


def on_thread():
    frame, found = gdb.newest_frame(), []
    while frame is not None and len(found) < 200:
        # The instruction that called, not the one to return to.
        found.append(frame.pc() - (1 if found else 0))
        frame = frame.older()
    return found


def word(address):
    return int.from_bytes(gdb.selected_inferior().read_memory(address, 8), "little")


class Waits(gdb.Breakpoint):
    """`swift_continuation_init(context)`. A context begins with that of the function which waits for it, and where that one
    will go on."""

    def stop(self):
        context, found = word(int(gdb.parse_and_eval(argument))), on_thread()
        while context and len(found) < 400:
            found.append(word(context + 8))
            context = word(context)
        stacks["tasks"].append(found)
        return False


class Steps(gdb.Breakpoint):
    """`sqlite3_step(statement)`."""

    def stop(self):
        stacks["threads"].append(on_thread())
        return False


def tell(kind, text):
    with open(os.environ["STACKS"] + "." + kind, "w") as file:
        file.write(text)


gdb.execute("set pagination off")
for signal in ["SIGPIPE", "SIGTERM"]:
    gdb.execute(f"handle {signal} nostop noprint pass")
gdb.execute("handle SIGUSR2 stop nopass")
gdb.execute("starti")
server = gdb.selected_inferior().pid
executable = os.readlink(f"/proc/{server}/exe")
with open(f"/proc/{server}/maps") as maps:
    base = next(int(line.split("-")[0], 16) for line in maps if line.rstrip().endswith(executable))
tell("pid", str(server))
gdb.execute("continue")
Waits(f"*{base + int(os.environ['CONTINUATION'])}")
Steps("sqlite3_step")
tell("armed", "yes")
gdb.execute("continue")
tell("json", json.dumps(stacks | {"base": base}))
