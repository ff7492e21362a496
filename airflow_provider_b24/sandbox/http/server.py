"""The portal behind a socket: threads, HTTP/1.1 with kept-alive connections, TLS, and network faults."""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Iterator
from http.client import responses
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlencode

from airflow_provider_b24.sandbox.http import control
from airflow_provider_b24.sandbox.http.exchange import Response
from airflow_provider_b24.sandbox.http.portal import Portal
from airflow_provider_b24.sandbox.http.seed import DEMO_CODE

IDLE_SECONDS = 300
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
SLOW_PIECES = 10


class PortalServer:
    """Serves a portal from its own thread; a context manager. ``port`` 0 takes a free port."""

    def __init__(
        self,
        portal: Portal,
        host: str = "127.0.0.1",
        port: int = 0,
        certfile: str | None = None,
        keyfile: str | None = None,
    ) -> None:
        self.portal = portal
        self.host = host
        self._context = _server_context(certfile, keyfile) if certfile else None
        self._listener = Listener((host, port), portal, self._context)
        self._thread: threading.Thread | None = None
        portal.url = self.url.rstrip("/")

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._listener.server_address[1])

    @property
    def url(self) -> str:
        """The address with a final slash."""
        scheme = "https" if self._context else "http"
        return f"{scheme}://{self.host}:{self.port}/"

    @property
    def connections(self) -> int:
        """Sockets accepted so far."""
        return self._listener.connections

    def start(self) -> PortalServer:
        """Start serving."""
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop serving and close every connection."""
        if self._thread is not None:
            self._listener.shutdown()
            self._thread.join()
            self._thread = None
        self._listener.server_close()

    def __enter__(self) -> PortalServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def connection_uri(self, user_id: int = 1, code: str = DEMO_CODE, **extra: Any) -> str:
        """An Airflow connection URI; ``extra`` is added to the connection's extra fields."""
        scheme = "https" if self._context else "http"
        extras = urlencode({"__extra__": json.dumps(self._extra(extra))})
        return f"bitrix24://{user_id}:{quote(code, safe='')}@{self.host}:{self.port}/{scheme}?{extras}"

    def connection_json(self, user_id: int = 1, code: str = DEMO_CODE, **extra: Any) -> str:
        """An Airflow connection in JSON; ``extra`` is added to the connection's extra fields."""
        scheme = "https" if self._context else "http"
        connection = {
            "conn_type": "bitrix24",
            "host": f"{scheme}://{self.host}",
            "port": self.port,
            "login": str(user_id),
            "password": code,
            "extra": self._extra(extra),
        }
        return json.dumps(connection)

    def _extra(self, extra: dict[str, Any]) -> dict[str, Any]:
        return extra if self._context else {"allow_http": True, **extra}


def _server_context(certfile: str, keyfile: str | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certfile, keyfile)
    return context


class Listener(socketserver.ThreadingTCPServer):
    """Accepts connections; a daemon thread serves each until it ends."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], portal: Portal, context: ssl.SSLContext | None) -> None:
        self.portal = portal
        self.context = context
        self.connections = 0
        self.stopping = threading.Event()
        self._open: dict[socket.socket, int] = {}
        self._lock = threading.Lock()
        super().__init__(address, Conversation)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a socket; its own thread does the TLS handshake."""
        accepted, address = super().get_request()
        if self.context is not None:
            accepted = self.context.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False)
        with self._lock:
            self.connections += 1
            self._open[accepted] = self.connections
        return accepted, address

    def number_of(self, connection: socket.socket) -> int:
        """The number of a connection, counted from 1."""
        with self._lock:
            return self._open.get(connection, 0)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection; a connection to reset must not send its FIN first."""
        with self._lock:
            self._open.pop(request, None)
        if _must_be_reset(request):
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def server_close(self) -> None:
        """Stop listening and wake every thread that waits for a client or sleeps in a fault."""
        self.stopping.set()
        super().server_close()
        with self._lock:
            waiting = list(self._open)
        for connection in waiting:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect or do not trust the certificate."""


def _must_be_reset(connection: Any) -> bool:
    with contextlib.suppress(OSError):
        linger = connection.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, len(RESET_ON_CLOSE))
        return bool(linger == RESET_ON_CLOSE)
    return False


class Conversation(BaseHTTPRequestHandler):
    """One connection: reads requests, lets the portal answer, and sends the responses or their faults."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS
    server: Listener

    def setup(self) -> None:
        """Give the connection its number."""
        super().setup()
        self.number = self.server.number_of(self.request)

    def do_GET(self) -> None:
        """Answer a GET."""
        self._answer()

    def do_POST(self) -> None:
        """Answer a POST."""
        self._answer()

    def _answer(self) -> None:
        response = self._response(self._body())
        faults = {
            "reset": self._reset,
            "hang": self._hang,
            "truncated": self._truncate,
            "slow_body": self._send_slowly,
        }
        faults.get(response.fault or "", self._send)(response)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(self._chunks())
        length = self.headers.get("Content-Length", "0")
        return self.rfile.read(int(length)) if length.isdigit() else b""

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().partition(b";")[0] or b"0", 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers

    def _response(self, body: bytes) -> Response:
        source = str(self.client_address[0])
        if self.path.startswith(control.PREFIX):
            connections = self.server.connections
            return control.answer(self.server.portal, connections, self.command, self.path, body, source)
        headers = {name: str(value) for name, value in self.headers.items()}
        return self.server.portal.handle(self.command, self.path, headers, body, source, self.number)

    def _send(self, response: Response) -> None:
        self.wfile.write(_head(response, len(response.body)) + response.body)

    def _reset(self, response: Response) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.close_connection = True

    def _hang(self, response: Response) -> None:
        self.server.stopping.wait(response.seconds)
        self.close_connection = True

    def _truncate(self, response: Response) -> None:
        half = response.body[: len(response.body) // 2]
        self.wfile.write(_head(response, len(response.body)) + half)
        self.close_connection = True

    def _send_slowly(self, response: Response) -> None:
        self.wfile.write(_head(response, len(response.body)))
        step = len(response.body) // SLOW_PIECES + 1
        for at in range(0, len(response.body), step):
            self.server.stopping.wait(response.seconds / SLOW_PIECES)
            self.wfile.write(response.body[at : at + step])

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Log nothing: the journal is the log, and request lines contain webhooks."""


def _head(response: Response, length: int) -> bytes:
    lines = [f"HTTP/1.1 {response.status} {responses.get(response.status, '')}"]
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    lines += [f"Content-Length: {length}", "Server: nginx", "\r\n"]
    return "\r\n".join(lines).encode("latin-1", "replace")
