"""A refresh passes 20 functions of ours or fewer from the route to the disk, and `docs/reading-order.md` walks them. Run by
`make test-release`, as root, after `make release`.

The stacks are those of the release build, with the names of its debug file. A function counts also where the optimizer
put it into another; a closure counts as the function in whose text it stands, and what only the compiler made does not
count. Functions that wait for a task and were put into the one that called them have no frame of their own: the page may
name more than the stacks, which is why its rows are counted too."""

import base64, hashlib, json, os, pathlib, re, secrets, shutil, signal, subprocess, tempfile, time, unittest
import urllib.parse, urllib.request

TOP = pathlib.Path(__file__).resolve().parents[2]
BINARY = TOP / os.environ["TOKENVAULT_BINARY"]
DEBUG = pathlib.Path(f"{BINARY}.debug")
LIMIT = 20
REDIRECT = "https://app.example/cb"
MODULES = [path.name for path in (TOP / "Sources").iterdir()]
# What a name says beyond the function's: kinds of copies, and the closure in it.
PREFIX = re.compile(r"^(specialized|merged|outlined|inlined|partial apply for|closure #\d+ in) ")
COMPILER = re.compile(r"^(partial apply|thunk|implicit closure|protocol witness|reabstraction|outlined|\(extension in)")


def output(*arguments, **options):
    return subprocess.run(arguments, check=True, capture_output=True, text=True, **options).stdout


def is_ours(symbol):
    return any(symbol.startswith(f"$s{len(name)}{name}") or f"{len(name)}{name}E" in symbol for name in MODULES)


def functions(stack, named):
    """The functions of ours in a stack, the outermost first, each once."""
    found = []
    for address in reversed(stack):
        for name in reversed(named.get(address, [])):
            if name not in found:
                found.append(name)
    return found


class Frames(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="tokenvault-frames-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        # Without its debug file beside it: gdb would read that at every frame, and need not.
        shutil.copy(BINARY, cls.folder / "tokenvault")
        cls.environment = os.environ | {
            "TOKENVAULT_PATH": str(cls.folder / "vault"), "TOKENVAULT_KEY_FILE": str(cls.folder / "key")}

    def tokenvault(self, *arguments):
        return output(str(BINARY), *arguments, env=self.environment)

    def post(self, url, **fields):
        request = urllib.request.Request(url + "/oauth2/token", urllib.parse.urlencode(fields).encode())
        request.add_header("Authorization", "Basic " + base64.b64encode(f"app:{self.secret}".encode()).decode())
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def wait(self, path, debugger):
        limit = time.monotonic() + 120
        while not (path.exists() and path.read_text().strip()):
            self.assertIsNone(debugger.poll(), "the debugger ended before the server served")
            self.assertLess(time.monotonic(), limit)
            time.sleep(0.05)
        return path.read_text().strip()

    def record(self):
        """What is done for one refresh, after one that filled the caches."""
        self.tokenvault("init", "--create-key-file")
        self.tokenvault("user", "add", "alice")
        client = self.tokenvault("client", "add", "app", "--client-id", "app", "--redirect-uri", REDIRECT,
                                 "--scope", "basic")
        self.secret = re.search(r"^client_secret:\s*(\S+)", client, re.MULTILINE)[1]
        symbols = output("nm", "--defined-only", str(DEBUG))
        continuation = re.search(r"^([0-9a-f]+) . swift_continuation_init$", symbols, re.MULTILINE)[1]
        stacks, ready = self.folder / "stacks", self.folder / "ready"
        environment = self.environment | {"STACKS": str(stacks), "CONTINUATION": str(int(continuation, 16))}
        debugger = subprocess.Popen(
            ["gdb", "-nx", "-batch", "-x", str(TOP / "Tests/Release/stacks.py"), "--args",
             str(self.folder / "tokenvault"), "serve", "--listen", "127.0.0.1:0", "--ready-file", str(ready)],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        server = None
        try:
            url = self.wait(ready, debugger)
            server = int(self.wait(stacks.with_suffix(".pid"), debugger))
            verifier = secrets.token_urlsafe(48)
            challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
            code = self.tokenvault("grant", "authorize", "--client", "app", "--user", "alice",
                                   "--code-challenge", challenge).strip()
            tokens = self.post(url, grant_type="authorization_code", code=code, code_verifier=verifier,
                               redirect_uri=REDIRECT)
            tokens = self.post(url, grant_type="refresh_token", refresh_token=tokens["refresh_token"])
            os.kill(server, signal.SIGUSR2)
            self.wait(stacks.with_suffix(".armed"), debugger)
            self.post(url, grant_type="refresh_token", refresh_token=tokens["refresh_token"])
        finally:
            if server:
                os.kill(server, signal.SIGTERM)
            else:
                debugger.terminate()
            said = debugger.communicate(timeout=120)[0]
        found = stacks.with_suffix(".json")
        self.assertTrue(found.exists(), said)
        return json.loads(found.read_text())

    def names(self, addresses):
        """The functions of ours at each address, the innermost first."""
        found, address = {}, None
        text = output("addr2line", "--addresses", "--inlines", "--functions", f"--exe={DEBUG}",
                      input="\n".join(hex(address) for address in addresses))
        for line in text.splitlines():
            if line.startswith("0x"):
                address = int(line, 16)
                found[address] = []
            elif line.startswith("$s") and is_ours(line):
                found[address].append(line)
        symbols = sorted({symbol for symbols in found.values() for symbol in symbols})
        plain = dict(zip(symbols, output("swift", "demangle", "--simplified", "--compact",
                                         input="\n".join(symbols)).splitlines()))
        return {address: [name for name in map(self.function, (plain[symbol] for symbol in symbols)) if name]
                for address, symbols in found.items()}

    @staticmethod
    def function(name):
        """The name without what tells copies and closures apart; None for what only the compiler made."""
        while PREFIX.match(name) and not COMPILER.match(name):
            name = PREFIX.sub("", name)
        return None if COMPILER.match(name) else re.sub(r"<.*?>(?=\()", "", name)

    def test_a_refresh_passes_20_functions_or_fewer(self):
        recorded = self.record()
        base, size = recorded["base"], BINARY.stat().st_size
        stacks = {kind: [[address - base for address in stack if 0 <= address - base < size]
                         for stack in recorded[kind]] for kind in ["tasks", "threads"]}
        named = self.names({address for kind in stacks.values() for stack in kind for address in stack})
        tasks = [functions(stack, named) for stack in stacks["tasks"]]
        threads = [functions(stack, named) for stack in stacks["threads"]]
        waiting = [stack[index:] for stack in tasks for index, name in enumerate(stack)
                   if name.startswith("ServerMiddleware.handle(") and "CommitQueue.submit(" in "".join(stack)]
        # What a batch collected is applied after its bodies; a body that asks by a query has it applied before.
        writing = [stack for stack in threads if "SQLiteTransaction.apply(_:)" in stack
                   and "BodyJob.run(in:)" not in stack]
        self.assertTrue(waiting, tasks)
        self.assertTrue(writing, threads)
        route, disk = max(waiting, key=len), max(writing, key=len)
        path = route + [name for name in disk if name not in route]
        shown = "\n".join(f"{index + 1:3} {name}" for index, name in enumerate(path))
        print(f"\n{shown}")
        page = (TOP / "docs/reading-order.md").read_text()
        walked = re.findall(r"^\| \d+ \| `([^`]+)`", page, re.MULTILINE)
        self.assertLessEqual(max(len(path), len(walked)), LIMIT, shown)
        rest = iter(walked)
        for name in path:
            self.assertIn(name.split("(")[0], rest, f"not on the page, or in another order there:\n{shown}")


if __name__ == "__main__":
    unittest.main()
