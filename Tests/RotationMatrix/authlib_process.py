"""The Authlib server as a process: the client's secret comes on standard input, its URL goes to standard output."""

import sys
import threading

from authlib_server import AuthlibServer

print(AuthlibServer(sys.stdin.readline().strip()).url, flush=True)
threading.Event().wait()
