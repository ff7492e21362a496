"""A server that is hardly alive: each request meets what the test wrote for it."""

import contextlib
import json
import socketserver
import threading
from collections.abc import Callable
from typing import Any

from tests.faults.portals import CODE

Act = Callable[["Conversation", str, list[str]], None]


class HalfDeadServer(socketserver.ThreadingTCPServer):
    """
    Listens on a free port; a context manager.

    :param act: does to a connection what it likes, given the REST method and, of a batch, its commands.
    """

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, act: Act) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.act = act
        self.requests = 0
        self.ended = threading.Event()

    def __enter__(self) -> "HalfDeadServer":
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.ended.set()
        self.shutdown()
        self.server_close()

    def connection(self, **extra: Any) -> str:
        """The server as an Airflow connection, whose client waits for half a second."""
        settings = {"allow_http": True, "plan": "none", "connect_timeout": 1, "read_timeout": 1, **extra}
        return json.dumps(
            {
                "conn_type": "bitrix24",
                "host": f"http://127.0.0.1:{self.server_address[1]}",
                "login": "1",
                "password": CODE,
                "extra": settings,
            }
        )

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are no news here."""


class Conversation(socketserver.StreamRequestHandler):
    """One connection."""

    server: HalfDeadServer

    def handle(self) -> None:
        while line := self.rfile.readline():
            length = 0
            while (header := self.rfile.readline()) not in (b"\r\n", b""):
                if header.lower().startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
            body = json.loads(self.rfile.read(length) or b"{}")
            self.server.requests += 1
            method = line.split()[1].decode().rpartition("/")[2]
            self.server.act(self, method, body.get("cmd", []))

    def answer(self, body: Any, status: str = "200 OK") -> None:
        """Answer with JSON, or with these bytes."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        self.wfile.write(head.encode() + data)

    def drip(self, data: bytes) -> None:
        """Send a byte a second."""
        with contextlib.suppress(OSError):
            for byte in data:
                self.wfile.write(bytes([byte]))
                if self.server.ended.wait(0.7):
                    return

    def hang_up(self) -> None:
        """Close the connection."""
        raise ConnectionAbortedError
