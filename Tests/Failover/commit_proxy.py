"""A proxy before PostgreSQL that knows the protocol well enough to lose one COMMIT or its answer, and that can cut every
connection after any number of bytes."""

import socket
import threading
from collections.abc import Iterator

# What a fault waits for: the entry of a refresh in the transaction that is committed.
MARK = b'"op":"token.refresh"'
PIECE = 1 << 16


class Frames:
    """Splits one direction of the protocol into messages: a type, four bytes of length, a body."""

    def __init__(self, untyped: int) -> None:
        self.rest = b""
        # The first messages of a client have no type.
        self.untyped = untyped

    def take(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Each message that is complete now: its type, and all of its bytes."""
        self.rest += data
        while len(self.rest) >= 5:
            start = 0 if self.untyped else 1
            size = start + int.from_bytes(self.rest[start:start + 4], "big")
            if len(self.rest) < size:
                return
            message, self.rest = self.rest[:size], self.rest[size:]
            if self.untyped:
                self.untyped -= 1
                yield b"", message
            else:
                yield message[:1], message


class Pair:
    """A connection of a client and its own to the server."""

    def __init__(self, proxy: "CommitProxy", client: socket.socket, server: socket.socket) -> None:
        self.proxy = proxy
        self.client = client
        self.server = server
        self.statements: dict[bytes, bytes] = {}
        self.marked = False
        # Set when the server's next COMMIT is to be lost.
        self.loses_answer = False
        self.is_silent = False

    def start(self) -> None:
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        upward = threading.Thread(target=self._upward, daemon=True)
        upward.start()
        self._downward()
        upward.join()
        for end in (self.client, self.server):
            end.close()
        self.proxy.forget(self)

    def close(self) -> None:
        """Ends both directions: their threads see it."""
        for end in (self.client, self.server):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _upward(self) -> None:
        frames = Frames(untyped=1)
        while data := self._receive(self.client):
            for kind, message in frames.take(data):
                if self._commits(kind, message) and self.marked:
                    self.marked = False
                    if not self._meet_fault():
                        return
                if not self.is_silent:
                    self._send(self.server, message)
        self.close()

    def _downward(self) -> None:
        frames = Frames(untyped=0)
        while data := self._receive(self.server):
            for kind, message in frames.take(data):
                if self.loses_answer and kind == b"C" and message[5:] == b"COMMIT\0":
                    if self.proxy.fault == "answer":
                        self.proxy.fire()
                        return self.close()
                    self.proxy.fire()
                    self.is_silent = True
                if not self.is_silent:
                    self._send(self.client, message)
        self.close()

    def _meet_fault(self) -> bool:
        """Whether the connection goes on."""
        match self.proxy.fault:
            case "commit":
                self.proxy.fire()
                self.close()
                return False
            case "commit, silently":
                self.proxy.fire()
                self.is_silent = True
            case "answer" | "answer, silently":
                self.loses_answer = True
            case "everything":
                self.proxy.fire()
                self.proxy.darken()
        return True

    def _commits(self, kind: bytes, message: bytes) -> bool:
        """Whether this message runs COMMIT; remembers the texts of statements, and what is written before."""
        self.marked = self.marked or MARK in message
        body = message[5:]
        if kind == b"P":
            name, text = body.split(b"\0")[:2]
            self.statements[name] = text.strip().upper()
        if kind == b"B":
            return self.statements.get(body.split(b"\0")[1]) == b"COMMIT"
        return kind == b"Q" and body.rstrip(b"\0; ").strip().upper() == b"COMMIT"

    def _receive(self, end: socket.socket) -> bytes:
        try:
            return end.recv(PIECE)
        except OSError:
            return b""

    def _send(self, end: socket.socket, data: bytes) -> None:
        allowed = self.proxy.allow(len(data))
        try:
            end.sendall(data[:allowed])
        except OSError:
            pass
        if allowed < len(data):
            self.proxy.cut()


class CommitProxy:
    def __init__(self, address: str, port: int) -> None:
        self.target = (address, port)
        self.fault: str | None = None
        self.fired = threading.Event()
        self.pairs: list[Pair] = []
        self.is_dark = False
        self.left: int | None = None
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def lose(self, fault: str) -> None:
        """At the next commit of a refresh: `commit` is lost before the server has it, `answer` after. The connection
        breaks then; with `, silently` behind it, it stays, and nothing comes any more. `everything`: nothing comes any
        more either way, from now on and on all connections."""
        self.fired.clear()
        self.fault = fault

    def darken(self) -> None:
        """As a network that was cut: connections stay, and new ones are made, but not a byte goes through."""
        with self.lock:
            self.is_dark = True
            for pair in self.pairs:
                pair.is_silent = True

    def lighten(self) -> None:
        """For new connections: what the others lost is lost."""
        with self.lock:
            self.is_dark = False

    def fire(self) -> None:
        self.fault = None
        self.fired.set()

    def cut_after(self, count: int | None) -> None:
        """Breaks all connections when so many more bytes have passed, both ways together, once; `None`: never."""
        with self.lock:
            self.fired.clear()
            self.left = count

    def allow(self, count: int) -> int:
        with self.lock:
            if self.left is None:
                return count
            allowed = min(self.left, count)
            self.left -= allowed
            return allowed

    def cut(self) -> None:
        with self.lock:
            self.left = None
            pairs = list(self.pairs)
        self.fired.set()
        for pair in pairs:
            pair.close()

    def forget(self, pair: Pair) -> None:
        with self.lock:
            self.pairs.remove(pair)

    def close(self) -> None:
        self.listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self.target, timeout=2)
            except OSError:
                # As a server that is not there, but for the connection it came through.
                client.close()
                continue
            for end in (client, server):
                end.settimeout(None)
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pair = Pair(self, client, server)
            with self.lock:
                pair.is_silent = self.is_dark
                self.pairs.append(pair)
            pair.start()
