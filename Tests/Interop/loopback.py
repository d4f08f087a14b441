"""A little web server on a loopback address: a client's redirect URI, or somebody else's site."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit


class Loopback:
    """Serves `pages` by path, and remembers the queries that came to `/callback`.

    With `onward` set, the callback redirects there.
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.pages: dict[str, str] = {"/callback": "<h1>Back at the application</h1>"}
        self.answers: list[dict[str, str]] = []
        self.onward: str | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                if url.path == "/callback":
                    outer.answers.append(dict(parse_qsl(url.query, keep_blank_values=True)))
                    if outer.onward is not None:
                        self.send_response(302)
                        self.send_header("Location", outer.onward)
                        self.end_headers()
                        return
                page = outer.pages.get(url.path)
                self.send_response(404 if page is None else 200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                # Without an icon of its own a page makes the browser ask for one, and complain.
                head = "<!doctype html><meta charset=utf-8><link rel=icon href='data:,'>"
                self.wfile.write((head + (page or "")).encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://{host}:{self.server.server_port}"
        self.callback = self.origin + "/callback"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self) -> dict[str, str]:
        """The last answer that came; there must be exactly one new one."""
        assert len(self.answers) == 1, self.answers
        return self.answers.pop()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
