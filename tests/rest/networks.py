"""Small servers that networks are made of: certificates, a proxy, ports where nobody listens."""

import base64
import contextlib
import select
import shutil
import socket
import socketserver
import subprocess
import threading
from pathlib import Path

import pytest


def make_certificate(folder: Path, name: str, *hosts: str) -> tuple[str, str]:
    """A certificate that signs itself, for hosts given as `DNS:...` or `IP:...`; its path and its key's."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command to make a certificate")
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        f"/CN={name}",
    ]
    files = ["-keyout", str(key), "-out", str(certificate)]
    names = ["-addext", f"subjectAltName={','.join(hosts)}"]
    subprocess.run([*command, *files, *names], check=True, capture_output=True)
    return str(certificate), str(key)


def free_port() -> int:
    """A port where nobody listens."""
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Proxy(socketserver.ThreadingTCPServer):
    """An HTTP proxy, plain and CONNECT, that finds every host at a place of its own choice.

    `places` leads from `host:port` as clients ask for it to a port of this machine; `seen` are the request
    lines, `credentials` what clients authenticated with. Without `password` everybody may pass.
    """

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, places: dict[str, int], password: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _Passage)
        self.places = places
        self.password = password
        self.seen: list[str] = []
        self.credentials: list[str] = []

    def __enter__(self) -> "Proxy":
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that distrust a certificate hang up in the middle."""

    @property
    def url(self) -> str:
        user = f"proxyuser:{self.password}@" if self.password else ""
        return f"http://{user}127.0.0.1:{self.server_address[1]}"


class _Passage(socketserver.StreamRequestHandler):
    server: Proxy
    rbufsize = 0  # what follows the headers stays in the socket

    def handle(self) -> None:
        line = self.rfile.readline().decode()
        lines = []
        while (header := self.rfile.readline()) not in (b"\r\n", b""):
            lines.append(header)
        self.server.seen.append(line.strip())
        if self.server.password and not self._may_pass(lines):
            self.wfile.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        method, target, version = line.split()
        if method == "CONNECT":
            self._tunnel(self.server.places.get(target))
        else:
            host, _, path = target.partition("://")[2].partition("/")
            head = f"{method} /{path} {version}\r\n".encode() + b"".join(lines) + b"\r\n"
            self._forward(self.server.places.get(host if ":" in host else f"{host}:80"), head)

    def _may_pass(self, lines: list[bytes]) -> bool:
        for line in lines:
            name, _, value = line.decode().partition(": ")
            if name.lower() == "proxy-authorization":
                given = base64.b64decode(value.split()[1]).decode()
                self.server.credentials.append(given)
                return given == f"proxyuser:{self.server.password}"
        return False

    def _tunnel(self, port: int | None) -> None:
        if port is None:
            self.wfile.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            return
        with socket.create_connection(("127.0.0.1", port)) as other:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self._pump(other)

    def _forward(self, port: int | None, head: bytes) -> None:
        with socket.create_connection(("127.0.0.1", port or 1)) as other:
            other.sendall(head)
            # One request per connection: the next one may be for another host.
            self._pump(other, add=b"Connection: close\r\n")

    def _pump(self, other: socket.socket, add: bytes = b"") -> None:
        """Pass on what both say; `add` is a header for the answer."""
        while True:
            for source in select.select([self.connection, other], [], [])[0]:
                data = source.recv(65536)
                if not data:
                    return
                if source is self.connection:
                    other.sendall(data)
                else:
                    self.connection.sendall(data.replace(b"\r\n", b"\r\n" + add, 1))
                    add = b""
