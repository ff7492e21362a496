"""Servers over raw sockets that answer as no web server would: byte by byte, with lies, or not at all."""

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

Answer = Callable[[Any, dict[str, str], bytes], object]
INTERVAL = 0.1  # seconds between two bytes


class RawServer:
    """
    A server of this machine; a context manager.

    :param answer: writes to a connection what it likes, given the headers and the body of a request; the
        first header is the request line, under ``""``. Returns True to end the connection.
    :param certificate: paths of a certificate and its key, for TLS.
    """

    def __init__(self, answer: Answer, certificate: tuple[str, str] | None = None) -> None:
        self._answer = answer
        self._context = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*certificate)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.seen: list[tuple[str, bytes]] = []

    def __enter__(self) -> "RawServer":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._listener.close()

    @property
    def url(self) -> str:
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self.port}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            secured = self._context.wrap_socket(connection, server_side=True) if self._context else connection
            with secured, secured.makefile("rb") as file:
                while line := file.readline():
                    headers = {"": line.decode().strip()}
                    while (header := file.readline()) not in (b"\r\n", b""):
                        name, _, value = header.decode("latin-1").partition(":")
                        headers[name.lower()] = value.strip()
                    body = file.read(int(headers.get("content-length", 0)))
                    self.seen.append((headers[""], body))
                    if self._answer(secured, headers, body):
                        return


def drip(connection: Any, data: bytes) -> None:
    """Send the same bytes again and again, forever."""
    while True:
        connection.sendall(data)
        time.sleep(INTERVAL)


def dripping(head: bytes, data: bytes) -> Answer:
    """Begin an answer, and never end it."""

    def answer(connection: Any, headers: dict[str, str], body: bytes) -> None:
        connection.sendall(head)
        drip(connection, data)

    return answer


def send(connection: Any, body: Any, headers: str = "", status: str = "200 OK") -> None:
    """Answer with JSON, or with these bytes."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n{headers}\r\n"
    )
    connection.sendall(head.encode() + data)


class SlowPipe:
    """
    Passes on bytes between clients and a port: at once, but after some of them the port's one at a time.

    :param fast: how many of the port's bytes pass at once.
    """

    def __init__(self, port: int, fast: int) -> None:
        self._to, self._fast = port, fast
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def __enter__(self) -> "SlowPipe":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                for source, to, fast in ((near, far, 1 << 60), (far, near, self._fast)):
                    threading.Thread(target=pump, args=(source, to, fast), daemon=True).start()


def pump(source: Any, to: Any, fast: int) -> None:
    """Pass on what one says to the other."""
    with contextlib.suppress(OSError, ValueError):
        while data := source.recv(65536):
            to.sendall(data[:fast])
            for byte in data[fast:]:
                time.sleep(INTERVAL)
                to.sendall(bytes([byte]))
            fast = max(0, fast - len(data))


class TunnelProxy(RawServer):
    """
    A proxy that connects every request for a tunnel to one port, whatever it is for.

    :param greeting: what it answers before it passes on anything; by default that there is a connection.
    :param fast: as of a `SlowPipe`.
    """

    def __init__(
        self,
        port: int,
        certificate: tuple[str, str] | None = None,
        fast: int = 1 << 60,
        greeting: bytes = b"",
    ) -> None:
        super().__init__(self._connect, certificate)
        self._to, self._fast, self._greeting = port, fast, greeting

    def _connect(self, connection: Any, headers: dict[str, str], body: bytes) -> bool:
        if self._greeting:
            connection.sendall(self._greeting)
            drip(connection, b"a")
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        far = socket.create_connection(("127.0.0.1", self._to))
        threading.Thread(target=pump, args=(far, connection, self._fast), daemon=True).start()
        pump(connection, far, 1 << 60)
        return True
