"""As much of libpq as the tests need to look at servers, through ctypes."""

import ctypes

_library = ctypes.CDLL("libpq.so.5")
for name, result, arguments in (
    ("PQconnectdb", ctypes.c_void_p, [ctypes.c_char_p]), ("PQstatus", ctypes.c_int, [ctypes.c_void_p]),
    ("PQerrorMessage", ctypes.c_char_p, [ctypes.c_void_p]), ("PQfinish", None, [ctypes.c_void_p]),
    ("PQexec", ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_char_p]),
    ("PQresultStatus", ctypes.c_int, [ctypes.c_void_p]), ("PQclear", None, [ctypes.c_void_p]),
    ("PQntuples", ctypes.c_int, [ctypes.c_void_p]), ("PQnfields", ctypes.c_int, [ctypes.c_void_p]),
    ("PQgetisnull", ctypes.c_int, [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]),
    ("PQgetvalue", ctypes.c_char_p, [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]),
):
    function = getattr(_library, name)
    function.restype, function.argtypes = result, arguments
_quiet = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p)(lambda _, message: None)
_library.PQsetNoticeProcessor.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]

COMMAND_OK, TUPLES_OK = 1, 2


class Unavailable(Exception):
    """No connection, or a statement that failed."""


class Connection:
    def __init__(self, conninfo: str) -> None:
        self.handle = _library.PQconnectdb(conninfo.encode())
        if _library.PQstatus(self.handle) != 0:
            message = self._message()
            self.close()
            raise Unavailable(message)
        _library.PQsetNoticeProcessor(self.handle, ctypes.cast(_quiet, ctypes.c_void_p), None)

    def execute(self, sql: str) -> list[list[str | None]]:
        """Rows as text; several statements are one transaction, and the last one's rows are returned."""
        result = _library.PQexec(self.handle, sql.encode())
        try:
            if _library.PQresultStatus(result) not in (COMMAND_OK, TUPLES_OK):
                raise Unavailable(self._message())
            columns = range(_library.PQnfields(result))
            return [[None if _library.PQgetisnull(result, row, column)
                     else _library.PQgetvalue(result, row, column).decode() for column in columns]
                    for row in range(_library.PQntuples(result))]
        finally:
            _library.PQclear(result)

    def close(self) -> None:
        if self.handle:
            _library.PQfinish(self.handle)
            self.handle = None

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _message(self) -> str:
        return _library.PQerrorMessage(self.handle).decode(errors="replace").strip()
