"""What an answer may become, whatever urllib3 is installed: bytes, objects, and all answers together."""

import gc
import gzip
import json
import logging
import re
import threading
import tracemalloc
import zlib

import pytest
import urllib3

from airflow_provider_b24.errors import Bitrix24ConfigError, Bitrix24TransportError
from airflow_provider_b24.rest import answers, exchange, transport
from airflow_provider_b24.rest.answers import AnswerError, InFlight, Room, read_body
from airflow_provider_b24.rest.auth.webhook import WebhookAuth
from airflow_provider_b24.rest.client import Client
from airflow_provider_b24.rest.config import PortalConfig, Webhook
from airflow_provider_b24.rest.transport import Transport
from tests.rest.raw_servers import RawServer, send

REPLY = json.dumps({"result": list(range(10_000))}).encode()


def unpacked(data, encoding, most=10_000_000, size=1000):
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    return read_body(pieces, encoding, Room(InFlight(), most))


def raw_deflate(data):
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


@pytest.mark.parametrize("size", [1, 1000, 1_000_000])
@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (REPLY, ""),
        (REPLY, "identity"),
        (gzip.compress(REPLY), "gzip"),
        (gzip.compress(REPLY), "X-GZIP, identity"),
        (zlib.compress(REPLY), "deflate"),
        (gzip.compress(REPLY[:5000]) + gzip.compress(REPLY[5000:]), "gzip"),
        (gzip.compress(REPLY) + bytes(3000), "gzip"),
    ],
    ids=["plain", "identity", "gzip", "x-gzip", "deflate", "two members", "padding"],
)
def test_what_was_compressed_comes_out(data, encoding, size):
    assert unpacked(data, encoding, size=size) == REPLY


@pytest.mark.parametrize(
    ("data", "encoding", "reason"),
    [
        (b"hello", "gzip", "cannot be decompressed"),
        (raw_deflate(REPLY), "deflate", "cannot be decompressed"),
        (gzip.compress(REPLY)[:-20], "gzip", "ends before its compressed data does"),
        (gzip.compress(gzip.compress(REPLY)), "gzip, gzip", "compressed more than once"),
        (b"...", "br", "a way that was not asked for"),
        (b"...", "zstd", "a way that was not asked for"),
    ],
)
def test_what_cannot_be_decompressed_is_refused(data, encoding, reason):
    with pytest.raises(AnswerError, match=reason):
        unpacked(data, encoding)


def test_decompression_stops_at_the_limit():
    bomb = gzip.compress(bytes(100_000_000), compresslevel=1)
    tracemalloc.start()
    with pytest.raises(AnswerError, match="larger than 20,000,000 bytes"):
        unpacked(bomb, "gzip", most=20_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30_000_000


def ask(server, **settings):
    config = PortalConfig(server.url, Webhook(1, "canary0code"), read_timeout=20)
    sender = Transport(config, **settings)
    try:
        return Client(sender, WebhookAuth(Webhook(1, "canary0code")), retry_timeout=0).call("profile")
    finally:
        sender.close()


def compressed(body, status="200 OK", headers=""):
    data = gzip.compress(body)
    return lambda connection, *request: send(connection, data, f"Content-Encoding: gzip\r\n{headers}", status)


def test_only_gzip_is_asked_for():
    asked = []

    def answer(connection, headers, body):
        asked.append(headers["accept-encoding"])
        send(connection, {"result": 1})

    with RawServer(answer) as server:
        ask(server)
    assert asked == ["gzip"]


def test_a_compressed_answer_is_read():
    with RawServer(compressed(REPLY)) as server:
        assert ask(server).result == list(range(10_000))


def test_a_small_answer_that_becomes_large_is_refused():
    with (
        RawServer(compressed(b'{"result": "' + b"a" * 3_000_000 + b'"}')) as server,
        pytest.raises(Bitrix24TransportError, match="larger than 1,000,000 bytes") as caught,
    ):
        ask(server, max_reply=1_000_000)
    assert (caught.value.sent, caught.value.temporary, caught.value.http_status) == (True, True, 200)


def test_a_redirect_s_answer_is_limited_too():
    bomb = compressed(bytes(50_000_000), "302 Found", "Location: https://elsewhere.example/\r\n")
    tracemalloc.start()
    with RawServer(bomb) as server, pytest.raises(Bitrix24TransportError, match="larger than"):
        ask(server, max_reply=1_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000
    assert server.seen


def test_an_authorization_server_s_answer_is_limited():
    with RawServer(compressed(bytes(5_000_000))) as server:
        sender = Transport(PortalConfig("https://portal.example", Webhook(1, "canary0code")))
        with pytest.raises(Bitrix24TransportError, match="larger than 1,000,000 bytes"):
            sender.post_form(f"{server.url}/oauth/token/", {"client_id": "x"})


EXPANDS = {
    "lists": b"[" + b",".join([b"[]"] * 400_000) + b"]",
    "lists of one": b"[" + b",".join([b"[0]"] * 300_000) + b"]",
    "maps": b"[" + b",".join([b"{}"] * 400_000) + b"]",
    "maps of one": b"[" + b",".join([b'{"a":0}'] * 150_000) + b"]",
    "keys": b"{" + b",".join(b'"%d":{}' % number for number in range(150_000)) + b"}",
    "numbers": b"[" + b",".join([b"999"] * 300_000) + b"]",
    "texts": b"[" + b",".join([b'"ab"'] * 300_000) + b"]",
    "wide texts": b"[" + b",".join(['"\U0001f600b"'.encode()] * 150_000) + b"]",
    "one wide text": b'["' + "\U0001f600".encode() + b"a" * 2_000_000 + b'"]',
    "one escaped wide text": b'["\\ud83d\\ude00' + b"a" * 2_000_000 + b'"]',
}


@pytest.mark.parametrize("kind", EXPANDS)
def test_what_json_becomes_is_known_before_it_is_parsed(kind):
    body = EXPANDS[kind]
    gc.collect()
    tracemalloc.start()
    value = json.loads(body)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert value
    with pytest.raises(AnswerError, match="bytes of memory"), InFlight().parsing(body, most=int(peak * 0.7)):
        raise AssertionError("it would have been parsed")


@pytest.mark.parametrize(
    "text", ["{" * 400_000, "a,b:[c]," * 100_000, '\\"' * 200_000], ids=["braces", "code", "quotes"]
)
def test_text_that_looks_like_json_is_no_structure(text):
    body = b'{"result": "' + text.encode() + b'"}' + b" " * 1_000_000
    with InFlight().parsing(body, most=5 * len(body)):
        assert json.loads(body)


def test_ordinary_rows_are_far_from_the_limit():
    row = {f"UF_CRM_{number}": f"value {number}" for number in range(100)} | {"COMMENTS": "Привет 😀 " * 50}
    body = json.dumps({"result": [row] * 2500}, ensure_ascii=False).encode()
    assert len(body) > 8_000_000
    with InFlight().parsing(body, most=answers.MAX_OBJECTS // 2):
        pass


def test_an_answer_that_json_makes_large_is_an_error_that_names_the_server(monkeypatch):
    small = InFlight()
    monkeypatch.setattr(small, "parsing", lambda body: InFlight.parsing(small, body, 10_000_000))
    monkeypatch.setattr(exchange, "IN_FLIGHT", small)
    with RawServer(compressed(b'{"result": ' + EXPANDS["lists"] + b"}")) as server:
        with pytest.raises(Bitrix24TransportError, match="more than 10,000,000 bytes of memory") as caught:
            ask(server)
        assert f"127.0.0.1:{server.port}" in str(caught.value)


def test_all_answers_that_are_read_at_the_same_time_share_a_limit(monkeypatch):
    together = InFlight(most=3_000_000)
    monkeypatch.setattr(transport, "IN_FLIGHT", together)
    half_sent, go_on = threading.Semaphore(0), threading.Event()
    body = json.dumps({"result": "a" * 1_400_000}).encode()

    def answer(connection, headers, request):
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:-10])
        half_sent.release()
        go_on.wait(20)
        connection.sendall(body[-10:])

    results = []

    def one():
        try:
            results.append(len(ask(server).result))
        except Bitrix24TransportError as error:
            results.append(str(error))

    with RawServer(answer) as server:
        threads = [threading.Thread(target=one) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in threads:
            half_sent.acquire(timeout=20)
        go_on.set()
        for thread in threads:
            thread.join(20)
        refused = [one for one in results if isinstance(one, str)]
        assert refused
        assert all("at the same time" in one for one in refused)
        assert together.bytes == 0
        assert len(ask(server).result) == 1_400_000  # there is room again
    gc.collect()
    assert together.bytes == 0


@pytest.mark.parametrize(
    ("version", "warned"),
    [("2.2.0", True), ("2.6.3", True), ("2.7.0", False), ("2.8.0", False), ("3.0b1", False)],
)
def test_an_unsafe_urllib3_is_one_warning(monkeypatch, caplog, version, warned):
    transport._warn_of_urllib3.cache_clear()
    monkeypatch.setattr(urllib3, "__version__", version)
    for _ in range(3):
        Transport(PortalConfig("https://portal.example", Webhook(1, "canary0code")))
    transport._warn_of_urllib3.cache_clear()
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == warned
    assert all(
        re.search(f"urllib3 {version} has known vulnerabilities", one.getMessage()) for one in warnings
    )


def test_half_a_surrogate_pair_is_an_error_that_carries_no_request():
    sender = Transport(PortalConfig("https://portal.example", Webhook(1, "canary0code")))
    with pytest.raises(ValueError, match="surrogate") as caught:
        sender.send("/rest/profile", {"auth": "canary0token", "text": "\ud800"}, "profile")
    assert not isinstance(caught.value, UnicodeError | Bitrix24ConfigError)
    assert caught.value.__context__ is None
