"""
urllib3's connections with one deadline for each request, and with paths that only the server sees.

**Deadline.** A socket's timeout starts again with each byte, so a server that sends one now and then is never
too slow. Here, the timeout of each read and write is what is left of the request's own time, in every phase:
addresses, proxy, TLS, request, status line, headers, 1xx answers, chunks, body, trailers.

**Paths.** The path of a webhook is a password, and much listens below this package: Sentry records what
``http.client`` is asked for, OpenTelemetry what requests and urllib3 are, other agents patch the same places,
and all of them log. So these libraries get a path with ``***``, and the real one replaces it in the bytes of
the request line. ``http.client``'s debug output, which prints these bytes, stays off.
"""

from __future__ import annotations

import functools
import io
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from http.client import HTTPResponse
from typing import Any

from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.poolmanager import PoolManager
from urllib3.util.connection import allowed_gai_family


class Sending:
    """
    One request under way.

    :param connect_timeout: seconds until there is a connection: addresses, proxy, and TLS.
    :param read_timeout: seconds from then on, until the answer is complete.
    :param path: the path that is sent.
    :param shown: the path that everything but the server sees; by default the same.
    :param timer: seconds that only grow.
    :ivar sent: whether a part of the request may have left.
    :ivar started_at: when it was sent, by the timer.
    """

    def __init__(
        self,
        connect_timeout: float,
        read_timeout: float,
        path: str = "",
        shown: str = "",
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self.sent = False
        self.path, self.shown = path, shown or path
        self._connect_timeout, self._read_timeout = connect_timeout, read_timeout
        self._timer = timer
        self.started_at = timer()
        self._ends_at = self.started_at + connect_timeout

    def connecting(self) -> None:
        """A connection is being made: the wait for a free one does not count."""
        self._ends_at = self._timer() + self._connect_timeout

    def sending(self) -> None:
        """The request leaves; later parts of it change nothing."""
        if not self.sent:
            self.sent, self.started_at = True, self._timer()
            self._ends_at = self.started_at + self._read_timeout

    @property
    def elapsed(self) -> float:
        """Seconds since the request was sent."""
        return self._timer() - self.started_at

    def left(self) -> float:
        """
        Return the seconds that are left for this phase.

        :raises TimeoutError: none are.
        """
        left = self._ends_at - self._timer()
        if left <= 0:
            raise TimeoutError("timed out")
        return left


_current: ContextVar[Sending | None] = ContextVar("bitrix24_sending", default=None)


@contextmanager
def under_way(sending: Sending) -> Iterator[None]:
    """Give the connections that this thread uses the request's deadline and path."""
    token = _current.set(sending)
    try:
        yield
    finally:
        _current.reset(token)


def keep_deadlines(manager: PoolManager) -> None:
    """Make all connections of a pool manager, also of one for a proxy, connections of this module."""
    pools = manager.pool_classes_by_scheme
    manager.pool_classes_by_scheme = {scheme: _pool_class(pool) for scheme, pool in pools.items()}


@functools.cache
def _pool_class(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    connection = type(pool.ConnectionCls.__name__, (_Connection, pool.ConnectionCls), {})
    return type(pool.__name__, (pool,), {"ConnectionCls": connection})


def _limit(connection: Any) -> None:
    """Limit what a socket does next to the time that is left."""
    sending = _current.get()
    if sending is not None:
        connection.settimeout(sending.left())


class TlsSocket(ssl.SSLSocket):
    """A TLS connection whose single operations are limited: ``sendall`` is many, and so is TLS within TLS."""

    def send(self, *args: Any) -> int:
        _limit(self)
        return super().send(*args)

    def recv(self, *args: Any) -> bytes:
        _limit(self)
        return super().recv(*args)


class _Reader(io.RawIOBase):
    """
    What an answer is read from.

    :param raw: what the socket made for it, which is closed in time.
    """

    def __init__(self, connection: Any, raw: io.RawIOBase) -> None:
        self._connection = connection
        self._raw = raw

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

    def readinto(self, buffer: Any) -> int:
        _limit(self._connection)
        return int(self._connection.recv_into(buffer))

    def close(self) -> None:
        super().close()
        self._raw.close()


class _Response(HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **named: Any) -> None:
        super().__init__(sock, *args, **named)
        self.fp = io.BufferedReader(_Reader(sock, self.fp.detach()))


class _Connection(HTTPConnection):
    """Before one of urllib3's own classes in the bases of a connection."""

    debuglevel = 0  # whatever http.client.HTTPConnection.debuglevel is
    response_class = _Response
    _is_connecting = False

    def set_debuglevel(self, level: int) -> None:
        """Do nothing: the debug output contains the request."""

    def connect(self) -> None:
        sending = _current.get()
        if sending is not None:
            sending.connecting()
        self._is_connecting = True  # what is sent now is for a proxy
        try:
            super().connect()
        finally:
            self._is_connecting = False

    def send(self, data: Any) -> None:
        sending = _current.get()
        if sending is not None and not self._is_connecting:
            if self.sock is None and self.auto_open:
                self.connect()
            sending.sending()
        if self.sock is not None:
            _limit(self.sock)
        super().send(data)

    def _encode_request(self, request: str) -> bytes:
        sending = _current.get()
        if sending is None or sending.path == sending.shown:
            return request.encode("ascii")
        before, found, after = request.partition(sending.shown)
        if not found:
            raise ValueError("the request line does not contain the path")
        return f"{before}{sending.path}{after}".encode("ascii")

    def _new_conn(self) -> socket.socket:
        sending = _current.get()
        if sending is None or hasattr(self, "_socks_options"):
            return super()._new_conn()
        try:
            connection = _connect(
                self._dns_host, self.port, self.source_address, self.socket_options or (), sending
            )
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"Connection to {self.host} timed out") from error
        except OSError as error:
            raise NewConnectionError(self, f"Failed to establish a new connection: {error}") from error
        sys.audit("http.client.connect", self, self.host, self.port)
        return connection


def _connect(
    host: str,
    port: int | None,
    source: tuple[str, int] | None,
    options: Sequence[tuple[Any, ...]],
    sending: Sending,
) -> socket.socket:
    """
    Connect to the first address of a host that answers; each gets its share of the time that is left.

    :raises OSError: none of them does.
    """
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, allowed_gai_family(), socket.SOCK_STREAM)
    except UnicodeError:
        raise socket.gaierror(socket.EAI_NONAME, "the name is not valid") from None
    failure = OSError("the name has no addresses")
    for number, (family, kind, protocol, _, address) in enumerate(found):
        connection = socket.socket(family, kind, protocol)
        try:
            for option in options:
                connection.setsockopt(*option)
            connection.settimeout(sending.left() / (len(found) - number))
            if source:
                connection.bind(source)
            connection.connect(address)
            connection.settimeout(sending.left())  # for TLS
        except OSError as error:
            connection.close()
            failure = error
        else:
            return connection
    raise failure
