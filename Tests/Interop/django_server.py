"""django-oauth-toolkit as a process of its own."""

import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urljoin

import requests

from apache import free_port
from served import SECONDS
from visitor import Form


class DjangoServer:
    authorization, token, revocation, userinfo = "/o/authorize/", "/o/token/", "/o/revoke_token/", "/me"

    def __init__(self, folder: Path, client_secret: str) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        log = folder / "django.log"
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, Path(__file__).with_name("django_site.py"), folder, str(port)],
                stdin=subprocess.PIPE, stdout=out, stderr=out, cwd=folder)
        self.process.stdin.write(client_secret.encode())
        self.process.stdin.close()
        try:
            self.await_answer(log)
        except BaseException:
            self.process.kill()
            raise

    def await_answer(self, log: Path) -> None:
        deadline = time.monotonic() + 3 * SECONDS
        while True:
            assert self.process.poll() is None and time.monotonic() < deadline, log.read_text()
            try:
                requests.get(self.url + self.userinfo, timeout=5)
                return
            except requests.ConnectionError:
                time.sleep(0.05)

    def adopt(self, grace: int, protects: bool) -> None:
        """What a second use of a refresh token does, from now on."""
        assert requests.get(f"{self.url}/policy/{grace}/{int(protects)}", timeout=10).ok

    def go(self, link: str) -> str:
        """Its user is signed in, reads the page and presses the button that allows."""
        browser = requests.Session()
        page = browser.get(link, timeout=10)
        assert page.status_code == 200, page.text
        form = Form(page.text)
        target = urljoin(link, form.action) if form.action else link
        answer = browser.post(target, form.fields, allow_redirects=False, timeout=10)
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]

    def register(self, redirect_uri: str) -> None:
        """It takes any port of the loopback address."""

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(SECONDS)
