"""The auditor's page in a real browser: what it shows, on every device, and that nothing in it comes alive."""

import base64
import hashlib
import json
import subprocess
import urllib.parse
from pathlib import Path

import page_checks
import pytest
import requests
from chromium import Chromium
from people import CHALLENGE, VERIFIER
from served import BINARY, Server

REDIRECT = "http://127.0.0.1/callback"
ATTACK = "</td><script>document.title='owned'</script><img src=x onerror=alert(1)> & \"quoted\" 'too'"
TURNED = "Mood \u202etracker"
GRANTS = 6
REFRESHES = 6


class Client:
    """A public client, whose grants are made by command and refreshed over HTTP."""

    def __init__(self, server: Server, name: str, identifier: str) -> None:
        self.server = server
        self.identifier = identifier
        server.add_client(
            name, "--public", "--client-id", identifier, "--redirect-uri", REDIRECT, "--scope", "basic")

    def token(self, **form: str) -> dict[str, str]:
        return requests.post(
            self.server.url + "/oauth2/token", data=form | {"client_id": self.identifier}, timeout=10).json()

    def grant(self, user: str) -> str:
        """A new grant's first refresh token."""
        code = self.server.command(
            "grant", "authorize", "--client", self.identifier, "--user", user, "--scope", "basic",
            "--redirect-uri", REDIRECT, "--code-challenge", CHALLENGE).strip()
        return self.token(
            grant_type="authorization_code", code=code, redirect_uri=REDIRECT, code_verifier=VERIFIER,
        )["refresh_token"]

    def refresh(self, token: str) -> dict[str, str]:
        return self.token(grant_type="refresh_token", refresh_token=token)


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Server:
    """A server with a history: exchanges, replays, refusals, reuse, and names that are markup."""
    server = Server(tmp_path_factory.mktemp("report"))
    server.add_user("alice-nobody-may-see")
    client = Client(server, "Mood tracker", "mood")
    server.add_client(ATTACK, "--client-id", "attack", "--redirect-uri", REDIRECT, "--scope", "basic")
    server.add_client(TURNED, "--client-id", "turned", "--redirect-uri", REDIRECT, "--scope", "basic")
    for number in range(GRANTS):
        first = newest = client.grant("alice-nobody-may-see")
        for _ in range(REFRESHES - 1):
            newest = client.refresh(newest)["refresh_token"]
        successor = client.refresh(newest)["refresh_token"]
        assert client.refresh(newest)["refresh_token"] == successor
        if number % 3 == 0:
            assert client.refresh(first)["error"] == "invalid_grant"
    client.refresh("tv_rt_nonsense")
    server.stop()
    return server


@pytest.fixture(scope="module")
def page(busy: Server) -> Path:
    path = busy.folder / "report.html"
    summary = json.loads(busy.command("report", "--html", str(path), "--json"))
    assert summary["ok"] is True
    assert summary["alarms"] == GRANTS // 3
    return path


def problems(browser: Chromium, name: str) -> list[str]:
    """What is wrong with the page that is open; a screenshot beside."""
    browser.screenshot(name)
    found = [*browser.console(), *page_checks.accessibility(browser)]
    fetched = [
        event["params"]["request"]["url"] for event in browser.traffic()
        if event["method"] == "Network.requestWillBeSent"]
    found += [f"fetched {url}" for url in fetched if not url.endswith("/" + urllib.parse.quote(name + ".html"))]
    for pixels in (browser.device.width, 320):
        browser.resize(pixels)
        box = browser.script("""
            const root = document.documentElement;
            const boxes = [...document.querySelectorAll('main *')].map(e => e.getBoundingClientRect());
            return [root.scrollWidth, Math.max(...boxes.map(b => Math.ceil(b.right)))]""")
        if max(box) > pixels:
            found.append(f"at {pixels}: {box}")
    browser.resize(browser.device.width)
    facts = browser.script("""return {
        scripts: document.querySelectorAll('script, iframe, object, img, link, a, form').length,
        handlers: [...document.querySelectorAll('*')].filter(
            e => e.getAttributeNames().some(name => name.startsWith('on'))).length,
        headings: document.querySelectorAll('h1').length, mains: document.querySelectorAll('main').length,
    }""")
    expected = {"scripts": 0, "handlers": 0, "headings": 1, "mains": 1}
    return [*found, *(f"{name}: {facts[name]}" for name in expected if facts[name] != expected[name])]


def test_the_page_on_every_device(device: Chromium, page: Path) -> None:
    device.driver.get(page.as_uri())
    assert device.heading == "Audit report"
    assert problems(device, "report") == []


def test_it_shows_what_happened(desk: Chromium, page: Path, busy: Server) -> None:
    desk.driver.get(page.as_uri())
    text = desk.text
    assert "The log and the database are what was written" in text
    assert "refresh_token_reused" in text and "vault.create" in text
    assert json.loads(busy.command("status", "--json"))["vault_id"] in text
    assert desk.count("svg rect.revoked") >= 1 and desk.count("svg rect.answered") >= 1
    tiles = {
        tile.text.split("\n")[0]: int(tile.text.split("\n")[1].replace("\u202f", ""))
        for tile in desk.driver.find_elements("css selector", ".tiles li")}
    assert tiles["Answered"] == GRANTS * (1 + REFRESHES)
    assert tiles["Answered again"] == GRANTS
    assert tiles["Reuse, revoked"] == GRANTS // 3
    # The checkpoint and the key are whole: somebody else's program checks them.
    note, key = [box.text for box in desk.driver.find_elements("css selector", "pre")]
    assert note.split("\n")[0] == key.split("+")[0]


def test_names_with_markup_stay_names(desk: Chromium, page: Path) -> None:
    desk.driver.get(page.as_uri())
    assert desk.driver.title.startswith("Audit report")
    cells = [cell.get_attribute("textContent") for cell in desk.driver.find_elements("css selector", "td bdi")]
    assert ATTACK in cells
    # What turns the line around is spelled out.
    assert "Mood \\u{202e}tracker" in cells
    assert desk.console() == []


def test_a_folder_with_markup_in_its_name(desk: Chromium, busy: Server, tmp_path: Path) -> None:
    folder = tmp_path / "<b onmouseover=alert(1)>&amp;"
    folder.mkdir(mode=0o700)
    for name in ("vault", "vault.key"):
        (folder / name).write_bytes((busy.folder / name).read_bytes())
        (folder / name).chmod(0o600)
    page = tmp_path / "page.html"
    busy.command(
        "report", "--html", str(page), "--vault", str(folder / "vault"), "--key-file", str(folder / "vault.key"))
    desk.driver.get(page.as_uri())
    assert str(folder / "vault") in desk.text
    assert desk.count("b") == 0


def test_the_policy_allows_the_style_and_nothing_else(desk: Chromium, page: Path, tmp_path: Path) -> None:
    source = page.read_text(encoding="utf-8")
    style = source.split("<style>")[1].split("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}';" in source
    # Even with markup of somebody else's in it nothing runs and nothing is fetched.
    broken = tmp_path / "broken.html"
    broken.write_text(source.replace(
        "</main>", "<script>document.title='owned'</script><img src='https://example.invalid/x'>"
        "<style>h1{display:none}</style><p style='position:fixed'>x</p></main>"), encoding="utf-8")
    desk.driver.get(broken.as_uri())
    assert desk.driver.title.startswith("Audit report")
    assert desk.find("h1").is_displayed()
    assert len([line for line in desk.console() if "Content Security Policy" in line]) >= 4


def test_no_token_and_no_user_name_is_in_it(page: Path) -> None:
    source = page.read_text(encoding="utf-8")
    assert "alice-nobody-may-see" not in source
    assert "tv_rt_" not in source and "tv_at_" not in source and "tv_cs_" not in source


def test_damage_is_shown(device: Chromium, busy: Server, tmp_path: Path) -> None:
    copy = tmp_path / "vault"
    copy.write_bytes((busy.folder / "vault").read_bytes())
    copy.chmod(0o600)
    subprocess.run(
        ["sqlite3", copy, "UPDATE grants SET state = 1 WHERE state = 2"], check=True, capture_output=True)
    page = tmp_path / "report-damaged.html"
    done = subprocess.run(
        [BINARY, "report", "--html", page], env=busy.environment | {"TOKENVAULT_PATH": str(copy)},
        capture_output=True, text=True, timeout=60)
    assert done.returncode == 7, done.stderr
    device.driver.get(page.as_uri())
    assert "is not what was written" in device.text
    assert problems(device, "report-damaged") == []
