"""No phase of a request can be dripped past its timeouts, directly, through TLS, or through a proxy."""

import contextlib
import socket
import threading
import time

import pytest

from airflow_provider_b24.errors import Bitrix24TimeoutError, Bitrix24TransportError
from airflow_provider_b24.rest.config import PortalConfig, Webhook
from airflow_provider_b24.rest.transport import Transport
from tests.rest.networks import make_certificate
from tests.rest.raw_servers import RawServer, SlowPipe, TunnelProxy, dripping, send

LIMIT = 0.5  # seconds, of both timeouts
PATIENCE = 8.0  # seconds: a machine may be busy, but what is dripped here takes forever
PATH = "/rest/1/canary0code/profile"

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
GZIP = (
    HEAD
    + b"Content-Encoding: gzip\r\nContent-Length: 1000000\r\n\r\n"
    + bytes.fromhex("1f8b0800000000000003")
)
BEFORE_THE_BODY = {
    "status line": (b"HTTP/1.1 200 ", b"a"),
    "headers": (HEAD + b"X-A: ", b"a"),
    "many headers": (HEAD, b"X-A: a\r\n"),
    "1xx answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "headers of 1xx answers": (b"HTTP/1.1 102 Processing\r\n", b"X: a\r\n"),
}
IN_THE_BODY = {
    "body": (HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
    "body without an end": (HEAD + b"\r\n", b" "),
    "size of a chunk": (CHUNKED, b"0"),
    "chunk extension": (CHUNKED + b"5;", b"a"),
    "chunks": (CHUNKED, b"1\r\n \r\n"),
    "trailer": (CHUNKED + b"2\r\n{}\r\n0\r\nT: ", b"a"),
    "many trailers": (CHUNKED + b"2\r\n{}\r\n0\r\n", b"T: a\r\n"),
    "empty compressed blocks": (GZIP, b"\x00\x00\x00\xff\xff"),
}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"), "here", "IP:127.0.0.1", "DNS:localhost")


def failure(url, body=None, **settings):
    """The error of a request, which must come in time."""
    settings = {"connect_timeout": LIMIT, "read_timeout": LIMIT} | settings
    transport = Transport(PortalConfig(url, Webhook(1, "canary0code"), **settings))
    begun = time.monotonic()
    try:
        with pytest.raises(Bitrix24TransportError) as caught:
            transport.send(PATH, body or {}, "profile")
    finally:
        transport.close()
    assert time.monotonic() - begun < PATIENCE
    assert caught.value.temporary
    return caught.value


@pytest.mark.parametrize("phase", BEFORE_THE_BODY)
def test_the_head_of_an_answer_cannot_be_dripped(phase):
    with RawServer(dripping(*BEFORE_THE_BODY[phase])) as server:
        error = failure(server.url)
    assert isinstance(error, Bitrix24TimeoutError)
    assert "no answer within read_timeout" in str(error)
    assert error.sent


@pytest.mark.parametrize("phase", IN_THE_BODY)
def test_the_body_of_an_answer_cannot_be_dripped(phase):
    with RawServer(dripping(*IN_THE_BODY[phase])) as server:
        error = failure(server.url)
    assert isinstance(error, Bitrix24TimeoutError)
    assert "the answer was not complete within read_timeout" in str(error)
    assert (error.sent, error.http_status) == (True, 200)


def test_a_body_that_never_pauses_ends_too():
    def flood(connection, headers, body):
        connection.sendall(CHUNKED)
        while True:
            connection.sendall(b"1;" + b"a" * 60_000 + b"\r\n \r\n")

    with RawServer(flood) as server:
        assert isinstance(failure(server.url), Bitrix24TimeoutError)


@pytest.mark.parametrize("phase", ["headers", "trailer"])
def test_each_request_of_a_connection_has_a_deadline_of_its_own(phase):
    """Also where the connection was used for longer than one request may take."""
    answers = 0

    def answer(connection, headers, body):
        nonlocal answers
        answers += 1
        if answers == 3:
            dripping(*(BEFORE_THE_BODY | IN_THE_BODY)[phase])(connection, headers, body)
        time.sleep(0.6)
        send(connection, {"result": 1})

    with RawServer(answer) as server:
        config = PortalConfig(server.url, Webhook(1, "canary0code"), connect_timeout=1.0, read_timeout=1.0)
        transport = Transport(config)
        assert [transport.send(PATH, {}, "profile").status for _ in range(2)] == [200, 200]
        begun = time.monotonic()
        with pytest.raises(Bitrix24TimeoutError):
            transport.send(PATH, {}, "profile")
        assert time.monotonic() - begun < PATIENCE
        transport.close()


@pytest.mark.parametrize("phase", ["status line", "trailer"])
def test_an_answer_cannot_be_dripped_through_tls(certificate, phase):
    with RawServer(dripping(*(BEFORE_THE_BODY | IN_THE_BODY)[phase]), certificate) as server:
        error = failure(server.url, ca_bundle=certificate[0], connect_timeout=5)
    assert isinstance(error, Bitrix24TimeoutError)


def honest(connection, headers, body):
    send(connection, {"result": 1})


@pytest.mark.parametrize("fast", [0, 100])  # bytes; a handshake takes more than 1,000
def test_a_handshake_cannot_be_dripped(certificate, fast):
    with RawServer(honest, certificate) as server, SlowPipe(server.port, fast) as pipe:
        error = failure(f"https://127.0.0.1:{pipe.port}", ca_bundle=certificate[0])
    assert "no connection within connect_timeout" in str(error)
    assert not error.sent


def bytes_of_a_handshake(certificate):
    """How many bytes a server sends, until the answer begins."""
    counted = []

    def count(source, to):
        total = 0
        while data := source.recv(65536):
            total += len(data)
            to.sendall(data)
            counted.append(total)

    with RawServer(honest, certificate) as server, socket.create_server(("127.0.0.1", 0)) as listener:

        def accept():
            near, _ = listener.accept()
            far = socket.create_connection(("127.0.0.1", server.port))
            threading.Thread(target=count, args=(far, near), daemon=True).start()
            while data := near.recv(65536):
                far.sendall(data)

        threading.Thread(target=accept, daemon=True).start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        transport = Transport(PortalConfig(url, Webhook(1, "canary0code"), ca_bundle=certificate[0]))
        assert transport.send(PATH, {}, "profile").status == 200
        transport.close()
    return counted[-1] - 140


def test_records_of_tls_cannot_be_dripped(certificate):
    fast = bytes_of_a_handshake(certificate)
    with RawServer(honest, certificate) as server, SlowPipe(server.port, fast) as pipe:
        error = failure(f"https://127.0.0.1:{pipe.port}", ca_bundle=certificate[0], connect_timeout=5)
    assert isinstance(error, Bitrix24TimeoutError)


def test_a_server_that_does_not_read_the_request_does_not_hold_it():
    with socket.create_server(("127.0.0.1", 0)) as listener:  # the system accepts the connection
        error = failure(f"http://127.0.0.1:{listener.getsockname()[1]}", {"text": "a" * 30_000_000})
    assert isinstance(error, Bitrix24TimeoutError)
    assert error.sent


def test_a_server_that_reads_the_request_slowly_through_tls_does_not_hold_it(certificate):
    """Of TLS, each record that leaves would have all the time again."""

    def read_slowly(connection, headers, body):
        raise AssertionError("the request was read")

    class Slow(RawServer):
        def _serve(self, connection):
            with contextlib.suppress(OSError):
                secured = self._context.wrap_socket(connection, server_side=True)
                while secured.recv(20_000):
                    time.sleep(0.1)

    with Slow(read_slowly, certificate) as server:
        error = failure(server.url, {"text": "a" * 30_000_000}, ca_bundle=certificate[0], connect_timeout=5)
    assert isinstance(error, Bitrix24TimeoutError)
    assert error.sent


def test_a_proxy_cannot_drip_its_answer():
    with TunnelProxy(1, greeting=b"HTTP/1.1 200 Connection established\r\nX-A: ") as proxy:
        error = failure("https://portal.example", proxy=proxy.url)
    assert "no connection within connect_timeout" in str(error)
    assert not error.sent


def test_an_answer_cannot_be_dripped_through_a_plain_proxy():
    with RawServer(dripping(*BEFORE_THE_BODY["headers"])) as proxy:
        error = failure("http://portal.example", proxy=proxy.url)
        assert [line for line, _ in proxy.seen] == [f"POST http://portal.example{PATH} HTTP/1.1"]
    assert isinstance(error, Bitrix24TimeoutError)
    assert error.sent


@pytest.mark.parametrize("secured", [False, True], ids=["http proxy", "https proxy"])
def test_an_answer_cannot_be_dripped_through_a_tunnel(certificate, secured):
    with (
        RawServer(dripping(*BEFORE_THE_BODY["headers"]), certificate) as server,
        TunnelProxy(server.port, certificate if secured else None) as proxy,
    ):
        error = failure(server.url, proxy=proxy.url, ca_bundle=certificate[0], connect_timeout=5)
    assert isinstance(error, Bitrix24TimeoutError)
    assert error.sent


@pytest.mark.parametrize("secured", [False, True], ids=["http proxy", "https proxy"])
def test_tls_cannot_be_dripped_through_a_tunnel(certificate, secured):
    """A record of the tunnel's own TLS for each byte of the portal's."""
    fast = bytes_of_a_handshake(certificate)
    with (
        RawServer(honest, certificate) as server,
        TunnelProxy(server.port, certificate if secured else None, fast) as proxy,
    ):
        error = failure(server.url, proxy=proxy.url, ca_bundle=certificate[0], connect_timeout=5)
    assert isinstance(error, Bitrix24TimeoutError)
    assert error.sent


def test_all_addresses_of_a_name_share_the_time_to_connect(monkeypatch):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", full.getsockname())
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **named: [address] * 50)
        error = failure("http://portal.example")
        for one in waiting:
            one.close()
    assert "no connection within connect_timeout" in str(error)
    assert not error.sent


def test_an_address_that_does_not_answer_leaves_time_for_the_next(monkeypatch):
    with socket.socket() as full, RawServer(honest) as server:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", address)
            for address in (full.getsockname(), ("127.0.0.1", server.port))
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **named: found)
        transport = Transport(
            PortalConfig("http://portal.example", Webhook(1, "canary0code"), connect_timeout=2)
        )
        assert transport.send(PATH, {}, "profile").status == 200
        transport.close()
        for one in waiting:
            one.close()


def test_an_authorization_server_cannot_drip_either():
    with RawServer(dripping(*BEFORE_THE_BODY["1xx answers"])) as server:
        config = PortalConfig(
            "https://portal.example", Webhook(1, "canary0code"), connect_timeout=LIMIT, read_timeout=LIMIT
        )
        begun = time.monotonic()
        with pytest.raises(Bitrix24TimeoutError):
            Transport(config).post_form(f"{server.url}/oauth/token/", {"client_id": "x"})
        assert time.monotonic() - begun < PATIENCE


def test_requests_through_a_socks_proxy_have_the_same_deadline():
    pytest.importorskip("socks", reason="needs PySocks")

    def greet(connection):
        connection.recv(100)
        connection.sendall(b"\x05\x00")  # no password
        connection.recv(100)
        connection.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")  # connected

    class Socks(RawServer):
        def _serve(self, connection):
            greet(connection)
            super()._serve(connection)

    with Socks(dripping(*BEFORE_THE_BODY["headers"])) as proxy:
        error = failure("http://portal.example", proxy=proxy.url.replace("http", "socks5h"))
        assert [line for line, _ in proxy.seen] == [f"POST {PATH} HTTP/1.1"]
    assert isinstance(error, Bitrix24TimeoutError)
    assert error.sent
