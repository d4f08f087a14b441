"""Apache with mod_auth_openidc as docs/sign-in.md configures it: users of one server sign in at another."""

import json
import os
import pwd
import re
import secrets
import socket
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from apache import Apache, free_port
from library_fixtures import REDIRECT_URI, Provider
from served import ROOT, Server
from visitor import Form, Visitor

PAGE = ROOT / "docs/sign-in.md"
# Started by root, Apache becomes this user.
APACHE_USER = "www-data" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
FORGED = {"OIDC_CLAIM_sub": "mallory", "OIDC_CLAIM_iss": "https://evil.example", "OIDC_CLAIM_name": "Mallory"}


@dataclass
class Site:
    """The page's site: an issuer behind Apache, whose users are the provider's."""

    url: str
    server: Server
    socket: Path
    apache: Apache

    def link(self, client_id: str, **changes: str) -> str:
        query = {
            "response_type": "code", "client_id": client_id, "redirect_uri": REDIRECT_URI,
            "scope": "openid profile email", "state": secrets.token_hex(),
        }
        return self.url + "/oauth2/authorize?" + urllib.parse.urlencode(query | changes)

    def users(self) -> list[str]:
        lines = self.server.command("user", "list", "--json").splitlines()
        return [json.loads(line)["user"] for line in lines]


@pytest.fixture
def site(provider: Provider, serve: Callable[..., Server], tmp_path: Path) -> Iterator[Site]:
    (port, place) = (free_port(), f"/tmp/front-{secrets.token_hex(4)}.sock")
    url = f"https://localhost:{port}"
    server = serve("--issuer", url, "--front-socket", place, "--front-user", APACHE_USER)
    client = provider.server.add_client(
        f"Apache {port}", "--redirect-uri", url + "/sign-in/front/callback", "--scope", "openid profile email")
    block = re.search(r"```apache\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert block
    text = block[1]
    key, chain, trusted = tmp_path / "privkey.pem", tmp_path / "fullchain.pem", tmp_path / "provider.pem"
    key.write_text(provider.certificate.with_name("key.pem").read_text())
    for file in chain, trusted:
        file.write_text(provider.certificate.read_text())
    for said, here in [
        ("*:443", f"*:{port}"), ("/etc/ssl/id.example/fullchain.pem", chain), ("/etc/ssl/id.example/privkey.pem", key),
        ("/var/log/apache2", tmp_path), ("https://id.example", url), ("id.example", "localhost"),
        ("https://provider.example", provider.issuer), ("CLIENT_ID", client["client_id"]),
        ("CLIENT_SECRET", client["client_secret"]), ("RANDOM_TEXT", secrets.token_urlsafe()),
        ("/run/tokenvault/front.sock", place), ("http://127.0.0.1:8080", server.url),
    ]:
        assert said in text, f"the page does not say {said}"
        text = text.replace(said, str(here))
    apache = Apache(
        tmp_path, free_port(), ["auth_openidc", "ssl", "proxy", "proxy_http"],
        f"Listen 127.0.0.1:{port}\nOIDCCABundlePath {trusted}\n{text}")
    yield Site(url, server, Path(place), apache)
    apache.stop()
    Path(place).unlink(missing_ok=True)


def sign_in(site: Site, visitor: Visitor, browser: requests.Session, link: str) -> requests.Response:
    """From the application's link to the page after the sign-in, with forged headers all the way."""
    answer = browser.get(link, headers=FORGED, allow_redirects=False)
    assert answer.status_code == 303, answer.text
    front = urllib.parse.urljoin(link, answer.headers["location"])
    assert front.startswith(site.url + "/sign-in/front?")
    asked = browser.get(front, headers=FORGED, allow_redirects=False)
    assert asked.status_code == 302, site.apache.log.read_text()
    back = visitor.go(asked.headers["location"])
    assert back.startswith(site.url + "/sign-in/front/callback?")
    page = browser.get(back, headers=FORGED)
    assert page.status_code == 200, page.text + site.apache.log.read_text() + site.server.log.read_text()
    return page


def test_apache_signs_users_in(provider: Provider, visitor: Visitor, site: Site) -> None:
    provider.server.command(
        "user", "set", visitor.name, "--email", "visitor@example.com", "--email-verified", "--name", "Älice Ädams")
    client = site.server.add_client("app", "--redirect-uri", REDIRECT_URI, "--scope", "openid profile email")
    browser = requests.Session()
    page = sign_in(site, visitor, browser, site.link(client["client_id"]))
    form = Form(page.text)
    answer = browser.post(
        urllib.parse.urljoin(page.url, form.action), form.fields | {"decision": "allow"}, allow_redirects=False)
    assert answer.headers["location"].startswith(REDIRECT_URI + "?"), answer.text
    code = urllib.parse.parse_qs(urllib.parse.urlparse(answer.headers["location"]).query)["code"][0]
    tokens = requests.post(
        site.url + "/oauth2/token", {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI},
        auth=(client["client_id"], client["client_secret"]), timeout=10).json()
    told = requests.get(
        site.url + "/oauth2/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"}, timeout=10).json()
    assert (told["email"], told["email_verified"], told["name"]) == ("visitor@example.com", True, "Älice Ädams")
    assert told["preferred_username"] == visitor.name
    # One user, known by issuer and subject; the subject that the application learns is another.
    [name] = site.users()
    assert name.startswith(provider.issuer + "#") and told["sub"] not in name
    # Apache's session is there still: in the same browser nothing is asked, and it is the same user.
    assert browser.get(site.link(client["client_id"], prompt="none"), allow_redirects=False).status_code == 303
    again = sign_in(site, visitor, requests.Session(), site.link(client["client_id"], prompt="consent"))
    assert "decision" in again.text
    assert site.users() == [name]


def test_nothing_else_leads_in(visitor: Visitor, site: Site) -> None:
    client = site.server.add_client("app", "--redirect-uri", REDIRECT_URI, "--scope", "openid profile email")
    # A stranger is asked at every spelling of the path, or finds nothing there.
    for path in ("/sign-in/front", "//sign-in/front", "/sign-in//front", "/sign-in/./front", "/sign-in/%66ront",
                 "/SIGN-IN/front", "/sign-in/front/", "/sign-in/front;a", "/sign-in/x/../front"):
        asked = requests.Request("GET", site.url + path + "?form", headers=FORGED).prepare()
        asked.url = site.url + path + "?form"
        answer = requests.Session().send(asked, allow_redirects=False, verify=os.environ["REQUESTS_CA_BUNDLE"])
        assert answer.status_code in (302, 400, 401, 404), f"{path}: {answer.status_code}"
        assert "tokenvault" not in answer.headers.get("set-cookie", "")
    # The link of another browser signs no one in.
    first = requests.Session().get(site.link(client["client_id"]), allow_redirects=False)
    victim = requests.Session()
    front = urllib.parse.urljoin(site.url, first.headers["location"])
    asked = victim.get(front, allow_redirects=False)
    refused = victim.get(visitor.go(asked.headers["location"]))
    assert refused.status_code == 409 and "cookie" in refused.text
    assert site.users() == []
    # The server's own address knows no such path, and its socket no other user.
    assert requests.get(site.server.url + "/sign-in/front?form", headers=FORGED, timeout=10).status_code == 404
    if os.geteuid() == 0:
        with socket.socket(socket.AF_UNIX) as wire:
            wire.settimeout(20)
            wire.connect(str(site.socket))
            try:
                wire.sendall(b"GET /sign-in/front?form HTTP/1.1\r\nHost: a\r\n\r\n")
                assert wire.recv(1) == b""
            except (ConnectionResetError, BrokenPipeError):
                pass
