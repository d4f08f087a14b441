"""A proxy between the keeper and a server, which remembers what passed and can lose one request or one answer."""

import http.client
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

SECONDS = 20
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "host", "content-length"}


@dataclass
class Passed:
    """A request that came. `status` and `answer` are the server's, whether or not the keeper got to see them."""

    path: str
    form: dict[str, str]
    status: int | None = None
    answer: dict[str, object] = field(default_factory=dict)


class Lossy:
    """Forwards to `upstream`. `next_fault`: `request` is lost on its way there, `answer` on its way back, once."""

    def __init__(self, upstream: str) -> None:
        self.passed: list[Passed] = []
        self.next_fault: str | None = None
        self.upstream = urlsplit(upstream).netloc
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                outer.take(self, body)

            do_GET = do_POST

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def take(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        if "json" in request.headers.get("content-type", ""):
            form = json.loads(body)
        else:
            form = dict(parse_qsl(body.decode() or urlsplit(request.path).query))
        passed = Passed(urlsplit(request.path).path, form)
        self.passed.append(passed)
        fault, self.next_fault = self.next_fault, None
        request.close_connection = True
        if fault == "request":
            return
        connection = http.client.HTTPConnection(self.upstream, timeout=SECONDS)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        connection.request(request.command, request.path, body or None, headers)
        answer = connection.getresponse()
        content = answer.read()
        passed.status = answer.status
        if content.startswith(b"{"):
            passed.answer = json.loads(content)
        if fault == "answer":
            return
        request.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP:
                request.send_header(name, value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    @property
    def refreshes(self) -> list[Passed]:
        return [passed for passed in self.passed if passed.form.get("grant_type") == "refresh_token"]

    @property
    def tokens(self) -> set[str]:
        """Every access and refresh token that the server gave."""
        return {str(passed.answer[name]) for passed in self.passed for name in ("access_token", "refresh_token")
                if name in passed.answer}

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
