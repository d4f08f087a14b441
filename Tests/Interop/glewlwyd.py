"""glewlwyd, an authorization server in C with refresh tokens for one use, on a loopback port.

Its Debian package is unpacked by `make interop`, not installed: that would set up a database and start a service.
"""

import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import requests

from apache import free_port
from served import ROOT, SECONDS

PACKAGE = ROOT / ".build/glewlwyd"
SCOPE = "measurements"
USER, PASSWORD = "alice", "a-password-of-alice"
CLIENT_ID = "the-keeper"


class Glewlwyd:
    """One user, one client, one plugin called `oidc`; a browser that is signed in as the user is `go`."""

    authorization = "/api/oidc/auth"
    token = "/api/oidc/token"
    revocation = "/api/oidc/revoke"
    userinfo = "/api/oidc/userinfo"

    def __init__(self, folder: Path, client_secret: str) -> None:
        self.folder = folder
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / "glewlwyd.log"
        schema = PACKAGE / "usr/share/dbconfig-common/data/glewlwyd/install/sqlite3"
        subprocess.run(["sqlite3", folder / "glewlwyd.db"], input=schema.read_bytes(), check=True, timeout=SECONDS)
        modules = PACKAGE / "usr/lib/glewlwyd"
        (folder / "glewlwyd.conf").write_text(f"""
port = {port}
bind_address = "127.0.0.1"
external_url = "{self.url}"
login_url = "login.html"
api_prefix = "api"
log_mode = "file"
log_level = "WARNING"
log_file = "{self.log}"
cookie_secure = false
admin_session_authentication = "cookie"
user_module_path = "{modules}/user"
client_module_path = "{modules}/client"
user_auth_scheme_module_path = "{modules}/scheme"
plugin_module_path = "{modules}/plugin"
hash_algorithm = "SHA512"
database = {{ type = "sqlite3"; path = "{folder}/glewlwyd.db"; }};
""")
        with (folder / "glewlwyd.out").open("wb") as out:
            self.process = subprocess.Popen(
                [PACKAGE / "usr/bin/glewlwyd", "-c", folder / "glewlwyd.conf"], cwd=folder, stdout=out, stderr=out)
        try:
            self.await_answer()
            self.set_up(client_secret)
        except BaseException:
            self.process.kill()
            raise

    def await_answer(self) -> None:
        deadline = time.monotonic() + SECONDS
        while True:
            assert self.process.poll() is None and time.monotonic() < deadline, (self.folder / "glewlwyd.out").read_text()
            try:
                requests.get(self.url + "/api/", timeout=2)
                return
            except requests.ConnectionError:
                time.sleep(0.02)

    def set_up(self, client_secret: str) -> None:
        admin = self.signed_in("admin", "password")
        key = subprocess.run(
            ["openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout"], check=True, capture_output=True, text=True,
            timeout=SECONDS).stdout
        public = subprocess.run(
            ["openssl", "ec", "-pubout"], input=key, check=True, capture_output=True, text=True, timeout=SECONDS).stdout
        self.post(admin, "scope", name=SCOPE, display_name=SCOPE, password_required=True, password_max_age=0, scheme={})
        self.post(admin, "user", username=USER, password=PASSWORD, enabled=True, scope=[SCOPE, "openid", "g_profile"])
        self.clients = admin
        self.client = {
            "client_id": CLIENT_ID, "name": CLIENT_ID, "confidential": True, "client_secret": client_secret,
            "enabled": True, "scope": [SCOPE], "redirect_uri": ["http://127.0.0.1:1/callback"],
            "authorization_type": ["code", "client_credentials", "refresh_token"],
            "token_endpoint_auth_method": ["client_secret_basic"]}
        self.post(admin, "client", **self.client)
        self.post(admin, "mod/plugin", module="oidc", name="oidc", display_name="oidc", parameters={
            "iss": self.url, "jwt-type": "ecdsa", "jwt-key-size": "256", "key": key, "cert": public,
            "access-token-duration": 3600, "refresh-token-duration": 1209600, "code-duration": 600,
            "refresh-token-rolling": False, "refresh-token-one-use": "always", "allow-non-oidc": True,
            "auth-type-code-enabled": True, "auth-type-client-enabled": True, "auth-type-refresh-enabled": True,
            "pkce-allowed": True, "pkce-method-plain-allowed": False,
            "introspection-revocation-allowed": True, "introspection-revocation-allow-target-client": True,
            "introspection-revocation-auth-scope": []})

    def signed_in(self, name: str, password: str) -> requests.Session:
        session = requests.Session()
        self.post(session, "auth", username=name, password=password)
        return session

    def post(self, session: requests.Session, path: str, **body: Any) -> None:
        answer = session.post(f"{self.url}/api/{path}/", json=body, timeout=10)
        assert answer.ok, (path, answer.status_code, answer.text)

    def register(self, redirect_uri: str) -> None:
        """It knows redirect URIs only as a whole, port and all."""
        body = self.client | {"redirect_uri": [redirect_uri]}
        answer = self.clients.put(f"{self.url}/api/client/{CLIENT_ID}", json=body, timeout=10)
        assert answer.ok, answer.text

    def go(self, link: str) -> str:
        """As the browser of the user, who signs in and allows what is asked; where that leads."""
        browser = self.signed_in(USER, PASSWORD)
        allowed = browser.put(f"{self.url}/api/auth/grant/{CLIENT_ID}", json={"scope": SCOPE}, timeout=10)
        assert allowed.ok, allowed.text
        # Its pages are scripts, which come back with this parameter once the user has decided.
        answer = browser.get(link + "&g_continue", allow_redirects=False, timeout=10)
        assert answer.status_code == 302, answer.text
        return urljoin(self.url, answer.headers["location"])

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(SECONDS)
