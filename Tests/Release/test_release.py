"""The release build is one file that starts where no toolchain is: in a fresh Debian root with the two libraries that
docs/operations.md names. Run by `make test-release`, as root, after `make release`."""

import base64, hashlib, json, os, pathlib, re, secrets, shutil, subprocess, tempfile, time, unittest, urllib.error
import urllib.parse, urllib.request

TOP = pathlib.Path(__file__).resolve().parents[2]
BINARY = TOP / os.environ["TOKENVAULT_BINARY"]
LIBRARIES = ["libsodium23", "libsqlite3-0"]
REDIRECT = "https://app.example/cb"


def output(*arguments, **options):
    return subprocess.run(arguments, check=True, capture_output=True, text=True, **options).stdout


class ReleaseBinary(unittest.TestCase):
    """What the file is, looked at from outside."""

    def test_it_is_small_and_its_debug_information_lies_apart(self):
        self.assertLess(BINARY.stat().st_size, 100_000_000)
        sections = output("readelf", "--sections", "--wide", str(BINARY))
        self.assertNotIn(".debug_info", sections)
        self.assertIn(".gnu_debuglink", sections)
        self.assertIn(".debug_info", output("readelf", "--sections", "--wide", f"{BINARY}.debug"))

    def test_it_needs_no_library_of_the_toolchain_and_looks_for_none_beside_itself(self):
        dynamic = output("readelf", "--dynamic", "--wide", str(BINARY))
        self.assertNotIn("RUNPATH", dynamic)
        self.assertNotIn("RPATH", dynamic)
        needed = set(re.findall(r"\(NEEDED\).*\[(.+)\]", dynamic))
        self.assertIn("libsodium.so.23", needed)
        self.assertIn("libsqlite3.so.0", needed)
        # Every Debian has these, however small.
        system = {"libc.so.6", "libm.so.6", "libgcc_s.so.1", "libz.so.1", "ld-linux-x86-64.so.2",
                  "ld-linux-aarch64.so.1"}
        self.assertEqual(needed - system - {"libsodium.so.23", "libsqlite3.so.0"}, set())


class FreshDebian(unittest.TestCase):
    """The binary in a root folder of its own. Its processes see nothing of this machine but the network."""

    @classmethod
    def setUpClass(cls):
        cls.root = tempfile.mkdtemp(prefix="tokenvault-debian-")
        cls.addClassCleanup(shutil.rmtree, cls.root)
        output("mmdebstrap", "--quiet", "--variant=essential", "--include=" + ",".join(LIBRARIES),
               '--aptopt=Acquire::Languages "none"', "bookworm", cls.root)
        staged = os.environ | {"DESTDIR": cls.root, "PREFIX": "/usr/local"}
        output("make", "--silent", "install", f"RELEASED={BINARY}", cwd=TOP, env=staged)

    def tokenvault(self, *arguments, status=0):
        ended = subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=120)
        self.assertEqual(ended.returncode, status, ended.stderr)
        return ended.stdout

    def command(self, *arguments):
        # In a mount namespace of its own, which has /proc as every container does, and ends with the process.
        inside = 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", inside, self.root,
                "/usr/bin/env", "-i", "PATH=/usr/local/bin:/usr/bin:/bin",
                "TOKENVAULT_PATH=/srv/vault", "TOKENVAULT_KEY_FILE=/srv/vault.key", "tokenvault", *arguments]

    def post(self, url, **fields):
        with urllib.request.urlopen(url, urllib.parse.urlencode(fields).encode(), timeout=30) as answer:
            return json.load(answer)

    def test_it_issues_refreshes_and_proves(self):
        installed = output("chroot", self.root, "dpkg-query", "-W", "-f", "${Package}\n").split()
        self.assertTrue(set(LIBRARIES) <= set(installed))
        self.assertFalse([name for name in installed if "swift" in name or name.startswith("libcurl")])
        self.assertFalse(os.path.exists(self.root + "/opt/swift"))

        self.tokenvault("init", "--create-key-file")
        self.tokenvault("user", "add", "alice")
        self.tokenvault("client", "add", "app", "--client-id", "app", "--public", "--redirect-uri", REDIRECT,
                        "--scope", "basic")
        verifier = secrets.token_urlsafe(48)
        digest = hashlib.sha256(verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        server = subprocess.Popen(
            self.command("serve", "--listen", "127.0.0.1:0", "--ready-file", "/srv/ready"),
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            ready = pathlib.Path(self.root, "srv/ready")
            limit = time.monotonic() + 60
            while not (ready.exists() and ready.read_text().strip()):
                self.assertIsNone(server.poll(), "the server ended before it served")
                self.assertLess(time.monotonic(), limit)
                time.sleep(0.05)
            url = ready.read_text().strip()
            code = self.tokenvault("grant", "authorize", "--client", "app", "--user", "alice",
                                   "--code-challenge", challenge).strip()
            token = url + "/oauth2/token"
            tokens = self.post(token, grant_type="authorization_code", client_id="app", code=code,
                               code_verifier=verifier, redirect_uri=REDIRECT)
            again = self.post(token, grant_type="refresh_token", client_id="app",
                              refresh_token=tokens["refresh_token"])
            self.assertNotEqual(again["access_token"], tokens["access_token"])
            with self.assertRaises(urllib.error.HTTPError) as refusal:
                self.post(token, grant_type="refresh_token", client_id="app", refresh_token="tv_rt_nonsense")
            self.assertEqual(json.load(refusal.exception)["error"], "invalid_grant")
        finally:
            server.terminate()
            complaints = server.communicate(timeout=60)[1]
        self.assertEqual(server.returncode, 0, complaints)
        self.tokenvault("audit", "verify")

    def test_uninstall_leaves_nothing_of_install(self):
        with tempfile.TemporaryDirectory() as stage:
            staged = os.environ | {"DESTDIR": stage, "PREFIX": "/usr"}
            output("make", "--silent", "install", f"RELEASED={BINARY}", cwd=TOP, env=staged)
            found = {path.name for path in pathlib.Path(stage).rglob("*") if path.is_file()}
            self.assertTrue({"tokenvault", "tokenvault.1", "tokenvault-serve.1"} <= found, found)
            output("make", "--silent", "uninstall", cwd=TOP, env=staged)
            self.assertEqual([path for path in pathlib.Path(stage).rglob("*") if path.is_file()], [])


if __name__ == "__main__":
    unittest.main()
