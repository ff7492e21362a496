"""Numbers of a portal that lies: what they may cost is bounded by what was measured here."""

import json
import time

import pytest

from airflow_provider_b24.errors import Bitrix24AuthError
from airflow_provider_b24.rest.auth.oauth import exchange_code, refresh_tokens
from airflow_provider_b24.rest.auth.tokens import TokenPair
from airflow_provider_b24.rest.auth.webhook import WebhookAuth
from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.rest.client import Client
from airflow_provider_b24.rest.config import OAuthApp, PortalConfig, Webhook
from airflow_provider_b24.rest.limits.operating import OPERATING_WINDOW, SERVER_SECONDS, Ledger
from airflow_provider_b24.rest.limits.throttle import Throttle
from airflow_provider_b24.rest.replies import MAX_OPERATING, RawReply, Timing, parse_batch, parse_reply
from airflow_provider_b24.rest.transport import Transport
from tests.rest.conftest import FakeClock
from tests.rest.raw_servers import RawServer, send

HUGE = [1e300, 1e18, "1e300", 10**300]
NONSENSE = ["NaN", "-1", -1e300, "soon", [], {}, True, None]


def timing(value, seconds=0.5):
    names = ("duration", "operating", "operating_reset_at")
    body = json.dumps({"result": {"result": [1], "result_time": [dict.fromkeys(names, value)]}})
    body = body[:-1] + ', "time": ' + json.dumps(dict.fromkeys(names, value)) + "}"
    reply = parse_reply(RawReply(200, body.encode(), seconds), "batch")
    (outcome,) = parse_batch(reply, [Call("profile")])
    assert outcome.time == reply.time
    return reply.time


@pytest.mark.parametrize("value", HUGE, ids=lambda value: f"{value!r:.9}")
def test_a_portal_cannot_have_worked_for_longer_than_we_waited(value):
    read = timing(value)
    assert (read.duration, read.operating) == (0.5, MAX_OPERATING)


@pytest.mark.parametrize("value", NONSENSE, ids=repr)
def test_what_is_no_time_is_unknown(value):
    assert timing(value) == Timing()


def test_an_honest_duration_is_kept():
    assert timing(0.25) == Timing(0.25, 0.25, 0.25)


def answer_batch(lies):
    """Answer every command with 1, and with these durations for the first requests."""
    lies = iter(lies)

    def answer(connection, headers, body):
        commands = json.loads(body).get("cmd")
        block = {"duration": next(lies, 0.001), "operating": 0, "operating_reset_at": time.time() + 600}
        if commands is None:
            send(connection, {"result": 1, "time": block})
            return
        results = {"result": [1] * len(commands), "result_time": [block] * len(commands)}
        send(connection, {"result": results, "time": block})

    return answer


@pytest.mark.parametrize("lie", [1e300, 59.0, "1e300", float("inf"), -1e300])
@pytest.mark.parametrize("first", ["batch", "call"])
def test_a_lie_about_a_duration_makes_no_small_batches(lie, first):
    with RawServer(answer_batch([lie])) as server:
        credentials = Webhook(1, "canary0code")
        sender = Transport(PortalConfig(server.url, credentials))
        client = Client(sender, WebhookAuth(credentials))
        if first == "call":
            client.call("crm.contact.get", {"id": 1})
        outcomes = list(client.bulk(Call("crm.contact.get", {"id": number}) for number in range(1, 1001)))
        sender.close()
    assert len(outcomes) == 1000
    assert all(outcome.ok for outcome in outcomes)
    assert len(server.seen) <= 30  # 20, and what is measured on a busy machine


def test_one_call_takes_no_longer_than_a_request_may():
    ledger = Ledger(FakeClock())
    ledger.record("profile", Timing(), seconds=1e300)
    assert ledger.seconds_per_call("profile") == 2 * SERVER_SECONDS
    for _ in range(30):
        ledger.record("profile", Timing(), seconds=0.01)
    assert ledger.room("profile", 50) == 50


@pytest.mark.parametrize("lie", [1e300, 1e18, -1e300, 0.0, 5.0])
def test_a_reset_that_is_no_time_changes_nothing(lie):
    clock = FakeClock()
    ledger = Ledger(clock)
    ledger.record("profile", Timing(operating=479.0, operating_reset_at=lie))
    assert ledger.ready_at("profile") == 0


def test_a_reset_that_lies_a_day_ahead_is_forgotten_with_the_next_honest_one():
    clock = FakeClock()
    ledger = Ledger(clock)
    ledger.record("profile", Timing(operating=479.0, operating_reset_at=clock.now() + 80_000))
    assert ledger.ready_at("profile") <= clock.now() + OPERATING_WINDOW + 1
    ledger.record("profile", Timing(operating=1.0, operating_reset_at=clock.now() + 500))
    assert ledger.ready_at("profile") == 0
    assert ledger.room("profile", 50) == 50


def test_no_wait_is_longer_than_it_was_meant_if_the_clock_is_put_back():
    clock = FakeClock()
    ledger, throttle = Ledger(clock), Throttle(None, clock)
    throttle.sent()
    throttle.pause(3.0)
    ledger.record("profile", Timing(operating=479.0, operating_reset_at=clock.now() + 500))
    ledger.refused("profile")
    clock.time -= 1_000_000
    assert throttle.wait() <= 3.0
    assert ledger.ready_at("profile") <= clock.now() + OPERATING_WINDOW + 1
    assert ledger.refused("profile") <= clock.now() + OPERATING_WINDOW + 1


# What an authorization server answers

APP = OAuthApp("local.app", "canary0secret", server="https://oauth.example")
GRANTED = {"access_token": "a" * 60, "refresh_token": "b" * 60, "expires_in": 3600}


def granted(**fields):
    body = json.dumps(GRANTED | fields).encode()
    return exchange_code(lambda url, form: RawReply(200, body), APP, "code", now=1000.0)


@pytest.mark.parametrize(
    ("lifetime", "expires_at"),
    [
        (3600, 4600.0),
        ("3600", 4600.0),
        (1e300, 1000.0 + 31 * 86_400),
        *((odd, 0.0) for odd in ("NaN", "Infinity", -5, 0, "soon", [], {}, True, None)),
    ],
    ids=repr,
)
def test_a_lifetime_is_a_plausible_number_or_unknown(lifetime, expires_at):
    assert granted(expires_in=lifetime).pair.expires_at == expires_at


@pytest.mark.parametrize(
    "token", [None, 5, True, [], {"a": 1}, "", "a\nb", "a\x00", "a" * 10_001], ids=lambda one: f"{one!r:.9}"
)
@pytest.mark.parametrize("name", ["access_token", "refresh_token"])
def test_a_token_is_a_text_of_a_plausible_length(name, token):
    if name == "refresh_token" and token == "":
        assert granted(refresh_token="").pair.refresh_token == ""  # an application without renewal
        return
    with pytest.raises(Bitrix24AuthError, match="no tokens"):
        granted(**{name: token})


def test_a_refresh_that_brings_no_new_refresh_token_keeps_the_old_one():
    body = json.dumps({"access_token": "new", "expires_in": 60}).encode()
    pair = refresh_tokens(lambda url, form: RawReply(200, body), APP, "old", now=1000.0)
    assert pair == TokenPair("new", "old", 1060.0)


@pytest.mark.parametrize(
    "odd",
    [None, 5, [], {"a": 1}, "no address", "https://", "https://a@b/", "a\n", "x" * 3000],
    ids=lambda one: f"{one!r:.9}",
)
def test_an_address_of_an_answer_is_one_or_empty(odd):
    grant = granted(
        client_endpoint=odd, server_endpoint=odd, scope=odd if not isinstance(odd, str) else "crm"
    )
    assert (grant.endpoint, grant.server) == ("", "")
    assert grant.scope in ("", "crm")


def test_addresses_and_scope_of_an_honest_answer_are_kept():
    grant = granted(
        client_endpoint="https://portal.example/rest/",
        server_endpoint="https://oauth.example/rest/",
        scope="crm,im",
    )
    assert (grant.endpoint, grant.server) == ("https://portal.example/rest/", "https://oauth.example/rest/")
    assert grant.scope == "crm,im"


@pytest.mark.parametrize("body", [b"[" * 100_000, b"\xff\xfe", b"null", b"[1]", b"<html>"])
def test_an_answer_that_is_no_map_is_an_error_of_ours(body):
    with pytest.raises(Bitrix24AuthError, match="no tokens"):
        exchange_code(lambda url, form: RawReply(200, body), APP, "code", now=1000.0)


@pytest.mark.parametrize("end", [1e300, -5, "x", None, 10**400])
def test_a_stored_pair_with_an_odd_end_is_still_a_pair(end):
    stored = json.dumps({"access_token": "a", "refresh_token": "b", "expires_at": end})
    pair = TokenPair.from_json(stored)
    assert (pair.access_token, pair.refresh_token) == ("a", "b")
    assert pair.expires_at >= 0
