"""OAuth against the imitation portal: one refresh per expiry, whoever asks, and nobody is locked out."""

import io
import logging
import multiprocessing
import signal
import threading
import time

import pytest
import requests
import urllib3

from airflow_provider_b24.errors import (
    Bitrix24AuthError,
    Bitrix24TokenExpiredError,
    Bitrix24TransportError,
)
from airflow_provider_b24.rest.auth.application import OAuthAuth
from airflow_provider_b24.rest.auth.build import build_auth
from airflow_provider_b24.rest.auth.oauth import authorize_url, exchange_code, parse_server
from airflow_provider_b24.rest.auth.tokens import FileTokenStore, MemoryTokenStore, TokenPair
from airflow_provider_b24.rest.auth.webhook import WebhookAuth
from airflow_provider_b24.rest.calls import Call, Signed
from airflow_provider_b24.rest.client import Client
from airflow_provider_b24.rest.clock import SystemClock
from airflow_provider_b24.rest.config import OAuthApp, PortalConfig, Webhook
from airflow_provider_b24.rest.transport import Transport
from airflow_provider_b24.sandbox import Fault, PortalServer, seeded_portal
from tests.rest.conftest import PortalAdapter
from tests.rest.networks import free_port

SECRET = "canary0secret0of0the0application"
PORTAL = "https://portal.example"
spawn = multiprocessing.get_context("spawn")


@pytest.fixture
def tokens(portal):
    """The first pair of an application of the portal."""
    portal.add_app("local.app", SECRET)
    return portal.issue_tokens("local.app")


@pytest.fixture
def store():
    return MemoryTokenStore()


@pytest.fixture
def told():
    """Every secret that was told before it was used."""
    return []


@pytest.fixture
def make_auth(portal, tokens, store, told, clock, tmp_path):
    """Build an OAuthAuth of the application; what is not given is that of an untouched connection."""

    def make(*, store=store, adapter=None, around_post=lambda post: post, on_new_secret=told.append, **app):
        given = {"client_id": "local.app", "client_secret": SECRET, "server": PORTAL}
        app = OAuthApp(**given | dict(zip(("access_token", "refresh_token"), tokens, strict=True)) | app)
        transport = Transport(PortalConfig(PORTAL, app), adapter=adapter or PortalAdapter(portal))
        folder = tmp_path / "locks"
        post = around_post(transport.post_form)
        auth = OAuthAuth(app, post, store, on_new_secret=on_new_secret, clock=clock, lock_folder=folder)
        return auth, transport

    return make


@pytest.fixture
def make_oauth_client(make_auth, clock):
    def make(**given):
        auth, transport = make_auth(**given)
        return Client(transport, auth, clock=clock)

    return make


def test_a_webhook_is_part_of_the_path_and_does_not_renew():
    auth = WebhookAuth(Webhook(1, "code"))
    assert auth.sign("profile", {"a": 1}) == Signed("profile", "/rest/1/code/profile", {"a": 1}, ("code",))
    assert auth.renew(Signed("profile", "/rest/1/code/profile", {})) is False


def test_a_token_travels_in_the_body_and_never_in_the_address(portal, tokens, make_oauth_client):
    assert make_oauth_client().call("crm.contact.get", {"id": 82}).result["ID"] == "82"
    (entry,) = portal.journal
    assert tokens[0] not in entry.path
    assert portal.refreshes == 0


def test_an_answer_does_not_bring_the_token_into_data(portal, tokens, make_oauth_client):
    portal.update_record("contact", 82, PHOTO=12)
    client = make_oauth_client()
    photo = client.call("crm.contact.get", {"id": 82}).result["PHOTO"]
    assert "?auth=***&ownerId=82" in photo["downloadUrl"]
    (row,) = client.pages("crm.item.list", {"entityTypeId": 3, "filter": {"id": 82}})
    assert "auth=***&token=" in row["photo"]["urlMachine"]


@pytest.mark.parametrize("batched", [False, True], ids=["single", "batch"])
def test_an_expired_token_is_refreshed_once_and_the_call_is_replayed(
    portal, clock, tokens, store, told, make_oauth_client, batched
):
    client = make_oauth_client()
    clock.sleep(3601)
    if batched:
        assert all(outcome.ok for outcome in client.batch([Call("profile")] * 3))
    else:
        assert client.call("profile").result["ID"] == "1"
    assert (portal.refreshes, portal.refused_refreshes) == (1, 0)
    kept = store.load()
    assert kept.access_token not in tokens
    assert kept.refresh_token not in tokens
    assert kept.expires_at == clock.now() + 3600
    assert set(told) == {kept.access_token, kept.refresh_token}


def test_nothing_is_refreshed_before_the_portal_asks_for_it(portal, clock, store, make_oauth_client):
    store.save(TokenPair("never issued", "never issued either", expires_at=clock.now() - 1))
    with pytest.raises(Bitrix24AuthError):
        make_oauth_client().call("profile")
    assert portal.refreshes == portal.refused_refreshes == 0


def test_the_next_task_goes_on_with_the_stored_pair(portal, clock, make_oauth_client):
    clock.sleep(3601)
    make_oauth_client().call("profile")
    make_oauth_client().call("profile")
    clock.sleep(3601)
    make_oauth_client().call("profile")
    assert (portal.refreshes, portal.refused_refreshes) == (2, 0)


def test_a_connection_without_an_access_token_gets_one_with_its_refresh_token(portal, make_oauth_client):
    client = make_oauth_client(access_token="")
    client.call("profile")
    client.call("profile")
    assert portal.refreshes == 1


def test_a_connection_without_a_refresh_token_works_until_its_token_ends(portal, clock, make_oauth_client):
    client = make_oauth_client(refresh_token="")
    client.call("profile")
    clock.sleep(3601)
    with pytest.raises(Bitrix24TokenExpiredError, match="refresh token"):
        client.call("profile")


def test_threads_that_find_the_token_expired_share_one_refresh(portal, clock, make_oauth_client):
    client = make_oauth_client()
    clock.sleep(3601)
    failures = []

    def work():
        try:
            client.call("profile")
        except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert (portal.refreshes, portal.refused_refreshes) == (1, 0)


def test_two_tasks_of_one_connection_share_one_refresh(portal, clock, make_oauth_client):
    first, second = make_oauth_client(), make_oauth_client()
    first.call("profile")
    second.call("profile")
    clock.sleep(3601)
    first.call("profile")
    second.call("profile")
    assert (portal.refreshes, portal.refused_refreshes) == (1, 0)


def test_a_stored_pair_that_has_ended_too_is_refreshed_at_once(portal, clock, make_oauth_client):
    idle, busy = make_oauth_client(), make_oauth_client()
    idle.call("profile")
    clock.sleep(3601)
    busy.call("profile")
    clock.sleep(3601)
    idle.call("profile")
    assert (portal.refreshes, portal.refused_refreshes) == (2, 0)


class SlowStore(MemoryTokenStore):
    """A store that shows another host's pair only after a while."""

    def __init__(self, clock, until):
        super().__init__()
        self._clock, self.until = clock, until

    def load(self):
        return super().load() if self._clock.now() >= self.until else None


def test_the_loser_of_a_race_between_hosts_reads_the_winner_s_pair(portal, clock, tokens, make_oauth_client):
    clock.sleep(3601)
    shared = SlowStore(clock, until=clock.now() + 2.5)
    make_oauth_client(store=shared).call("profile")
    make_oauth_client(store=shared).call("profile")
    assert (portal.refreshes, portal.refused_refreshes) == (1, 1)


def test_a_store_that_was_silent_at_first_leads_on_with_its_own_refresh_token(
    portal, clock, make_oauth_client
):
    """Airflow 3.3 tells a task 'no such Variable' when it merely could not read it."""
    clock.sleep(3601)
    shared = SlowStore(clock, until=clock.now())
    make_oauth_client(store=shared).call("profile")
    clock.sleep(3601)
    shared.until = clock.now() + 0.5
    make_oauth_client(store=shared).call("profile")
    assert (portal.refreshes, portal.refused_refreshes) == (2, 1)


class Interruption(BaseException):
    """As a task's timeout, it is raised by a signal, wherever the main thread is."""


def test_an_interruption_does_not_lose_the_pair_that_was_just_exchanged(portal, clock, tokens, make_auth):
    clock.sleep(3601)
    store = MemoryTokenStore()

    def slow(post):
        def post_slowly(url, form):
            answer = post(url, form)
            signal.raise_signal(signal.SIGALRM)
            time.sleep(0.3)
            return answer

        return post_slowly

    def interrupt(number, frame):
        raise Interruption

    auth, transport = make_auth(store=store, around_post=slow)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(Interruption):
            Client(transport, auth, clock=clock).call("profile")
    finally:
        signal.signal(signal.SIGALRM, before)
    assert portal.refreshes == 1
    assert store.load().refresh_token not in (None, tokens[1])
    auth, transport = make_auth(store=store)
    assert Client(transport, auth, clock=clock).call("profile").result["ID"] == "1"
    assert portal.refused_refreshes == 0


def test_a_listener_that_breaks_does_not_lose_the_new_pair(portal, clock, tokens, make_auth, caplog):
    clock.sleep(3601)
    store = MemoryTokenStore()

    def break_down(secret):
        raise RuntimeError(secret)

    auth, transport = make_auth(store=store, on_new_secret=break_down)
    assert Client(transport, auth, clock=clock).call("profile").result["ID"] == "1"
    pair = store.load()
    assert pair is not None
    assert "could not be registered with the masker (RuntimeError)" in caplog.text
    assert pair.access_token not in caplog.text


def test_a_run_renews_in_the_thread_that_drives_it(portal, clock, make_auth):
    clock.sleep(3601)
    auth, transport = make_auth()
    threads = []
    renew = auth.renew

    def note_and_renew(signed):
        threads.append(threading.current_thread())
        return renew(signed)

    auth.renew = note_and_renew
    client = Client(transport, auth, clock=clock)
    assert all(outcome.ok for outcome in client.bulk([Call("profile")] * 500))
    assert set(threads) == {threading.main_thread()}
    assert portal.refreshes == 1


def test_a_batch_may_outlive_many_tokens_while_the_portal_fails(portal, clock, make_auth):
    """Each token is good for one request, which meets a broken server, and has ended by the next."""
    auth, transport = make_auth()
    sign, send = auth.sign, transport.send
    breaks = iter([True, False] * 5)

    def sign_and_break(method, params):
        if next(breaks, False):
            portal.add_fault(Fault("html_502", times=1))
        return sign(method, params)

    def send_and_wait(path, body, method):
        try:
            return send(path, body, method)
        finally:
            clock.sleep(3601)

    auth.sign, transport.send = sign_and_break, send_and_wait
    client = Client(transport, auth, clock=clock, retry_timeout=1e9)
    assert [outcome.status for outcome in client.bulk([Call("profile")])] == ["success"]
    assert portal.refreshes == 5


def test_a_used_up_refresh_token_is_a_permanent_error_that_says_what_to_do(portal, clock, make_oauth_client):
    clock.sleep(3601)
    make_oauth_client(store=MemoryTokenStore()).call("profile")
    with pytest.raises(Bitrix24AuthError, match="airflow bitrix24 authorize") as caught:
        make_oauth_client(store=MemoryTokenStore()).call("profile")
    assert (caught.value.code, caught.value.temporary) == ("invalid_grant", False)


def test_a_used_up_refresh_token_that_is_also_in_the_store_is_tried_once(
    portal, clock, tokens, make_oauth_client
):
    clock.sleep(3601)
    make_oauth_client(store=MemoryTokenStore()).call("profile")
    store = MemoryTokenStore()
    store.save(TokenPair(*tokens, expires_at=clock.now() - 1))
    with pytest.raises(Bitrix24AuthError, match="airflow bitrix24 authorize"):
        make_oauth_client(store=store).call("profile")
    assert portal.refused_refreshes == 1


@pytest.mark.parametrize(
    "text",
    ["oauth.example", "https://oauth.example/", "https://oauth.example/oauth/token/", "oauth.example/rest"],
)
def test_an_authorization_server_is_known_by_any_of_its_addresses(text):
    assert str(parse_server(text)) == "https://oauth.example"


@pytest.mark.parametrize(
    ("wrong", "code", "status"),
    [
        ({"client_id": "local.unknown"}, "wrong_client", 200),
        ({"client_secret": "wrong"}, "invalid_client", 401),
        ({"refresh_token": "wrong"}, "invalid_grant", 400),
    ],
    ids=["wrong_client with HTTP 200", "wrong secret", "wrong refresh token"],
)
def test_what_the_authorization_server_refuses_is_permanent(
    portal, clock, make_oauth_client, wrong, code, status
):
    client = make_oauth_client(**wrong)
    clock.sleep(3601)
    with pytest.raises(Bitrix24AuthError) as caught:
        client.call("profile")
    assert (caught.value.code, caught.value.http_status, caught.value.temporary) == (code, status, False)
    assert caught.value.advice
    assert len(portal.journal) == 2
    assert SECRET not in str(caught.value)


class OAuthDown(PortalAdapter):
    """The portal answers, its authorization server does what `answer` says."""

    def __init__(self, portal, answer):
        super().__init__(portal)
        self.answer = answer

    def send(self, request, **facts):
        if "/oauth/" in request.url and self.answer is not None:
            return self.answer(request)
        return super().send(request, **facts)


def server_says(status, body):
    def answer(request):
        response = requests.Response()
        response.status_code = status
        response.raw = urllib3.HTTPResponse(body=io.BytesIO(body), status=status, preload_content=False)
        return response

    return answer


def line_breaks(request):
    raise requests.exceptions.ReadTimeout(f"{request.url} {request.body}")


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(line_breaks, id="timeout"),
        pytest.param(server_says(502, b"<html>Bad Gateway</html>"), id="502"),
        pytest.param(server_says(503, b'{"error": "overload"}'), id="503"),
        pytest.param(server_says(429, b'{"error": "slow down"}'), id="429"),
    ],
)
def test_an_authorization_server_that_is_down_is_waited_for(portal, clock, make_oauth_client, answer):
    adapter = OAuthDown(portal, answer)
    client = make_oauth_client(adapter=adapter)
    clock.sleep(3601)
    with pytest.raises(Bitrix24TransportError) as caught:
        client.call("crm.contact.add", {"fields": {"NAME": "Once"}})
    assert caught.value.temporary
    assert caught.value.sent is False
    assert SECRET not in str(caught.value)
    adapter.answer = None
    client.call("crm.contact.add", {"fields": {"NAME": "Once"}})


@pytest.mark.parametrize("body", [b"<html>not found</html>", b"[]", b'{"access_token": ""}'])
def test_an_answer_without_tokens_is_permanent(portal, clock, make_oauth_client, body):
    client = make_oauth_client(adapter=OAuthDown(portal, server_says(404, body)))
    clock.sleep(3601)
    with pytest.raises(Bitrix24AuthError, match="no tokens"):
        client.call("profile")


def test_an_error_that_quotes_our_secrets_is_scrubbed(portal, clock, tokens, make_oauth_client):
    body = f'{{"error": "invalid_request", "error_description": "{SECRET} {tokens[1]}"}}'.encode()
    client = make_oauth_client(adapter=OAuthDown(portal, server_says(400, body)))
    clock.sleep(3601)
    with pytest.raises(Bitrix24AuthError, match=r"\*\*\* \*\*\*"):
        client.call("profile")


class BrokenStore(MemoryTokenStore):
    def save(self, pair):
        raise RuntimeError(f"INSERT {pair.access_token}")


def test_a_store_that_cannot_save_does_not_stop_the_task_but_says_so(
    portal, clock, make_oauth_client, caplog
):
    client = make_oauth_client(store=BrokenStore())
    for _ in range(3):
        clock.sleep(3601)
        client.call("profile")
    assert (portal.refreshes, portal.refused_refreshes) == (3, 0)
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 3
    assert "could not be saved (RuntimeError)" in caplog.text
    assert "INSERT" not in caplog.text


def test_every_token_is_told_before_it_is_used(portal, clock, told, make_oauth_client, caplog):
    caplog.set_level(logging.DEBUG)
    used = []
    portal.on_request = lambda entry: used.append(list(told))
    client = make_oauth_client(access_token="")
    client.call("profile")
    assert len(used[-1]) == 2


def test_auth_is_built_from_the_configuration(portal, tokens):
    webhook = Transport(PortalConfig(PORTAL, Webhook(1, "code")), adapter=PortalAdapter(portal))
    assert isinstance(build_auth(webhook), WebhookAuth)
    app = OAuthApp("local.app", SECRET, *tokens, server=PORTAL)
    auth = build_auth(Transport(PortalConfig(PORTAL, app), adapter=PortalAdapter(portal)))
    signed = auth.sign("profile", {})
    assert (signed.path, signed.body) == ("/rest/profile", {"auth": tokens[0]})
    assert {SECRET, *tokens} <= set(signed.secrets)


def test_a_code_becomes_the_first_tokens_once(portal, tokens, clock):
    app = OAuthApp("local.app", SECRET, server=PORTAL)
    post = Transport(PortalConfig(PORTAL, app), adapter=PortalAdapter(portal)).post_form
    code = portal.issue_code("local.app")
    grant = exchange_code(post, app, code, clock.now())
    assert grant.endpoint == f"{PORTAL}/rest/"
    assert grant.scope == "crm,im"
    assert grant.pair.expires_at == clock.now() + 3600
    with pytest.raises(Bitrix24AuthError):
        exchange_code(post, app, code, clock.now())


def test_the_address_to_open_names_the_application_and_no_secret():
    url = authorize_url("https://portal.example", "local.app", state="x y")
    assert url == "https://portal.example/oauth/authorize/?client_id=local.app&response_type=code&state=x+y"


def refresh_in_a_process(url, tokens, folder, start, results):
    app = OAuthApp("local.app", SECRET, *tokens, server=url)
    transport = Transport(PortalConfig(url, app))
    store = FileTokenStore(f"{folder}/tokens", "app")
    auth = build_auth(transport, store=store, clock=SystemClock())
    client = Client(transport, auth)
    start.wait(30)
    try:
        results.put(client.call("profile").result["ID"])
    except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
        results.put(repr(error))


@pytest.fixture
def short_lived(request):
    """A portal over HTTP whose tokens live for a moment and whose refresh tokens are good for one use."""
    portal = seeded_portal()
    portal.add_app("local.app", SECRET)
    portal.rotate_refresh_tokens = True
    portal.token_lifetime = 0
    tokens = portal.issue_tokens("local.app")
    portal.token_lifetime = 3600
    with PortalServer(portal) as server:
        yield portal, server.url.rstrip("/"), tokens


@pytest.mark.slow
def test_processes_that_start_at_once_all_succeed_with_one_refresh(short_lived, tmp_path):
    portal, url, tokens = short_lived
    start, results = spawn.Event(), spawn.Queue()
    arguments = (url, tokens, str(tmp_path), start, results)
    processes = [spawn.Process(target=refresh_in_a_process, args=arguments) for _ in range(3)]
    for process in processes:
        process.start()
    start.set()
    assert [results.get(timeout=60) for _ in processes] == ["1"] * 3
    for process in processes:
        process.join()
    assert (portal.refreshes, portal.refused_refreshes) == (1, 0)


def test_the_log_at_debug_tells_no_token(short_lived, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    for name in ("urllib3", "urllib3.connectionpool", "urllib3.util.retry"):
        caplog.set_level(logging.DEBUG, logger=name)
    portal, url, tokens = short_lived
    app = OAuthApp("local.app", SECRET, *tokens, server=url)
    transport = Transport(PortalConfig(url, app, read_timeout=0.2))
    store = FileTokenStore(tmp_path / "tokens", "app")
    client = Client(transport, build_auth(transport, store=store))
    client.call("profile")
    portal.add_fault(Fault("hang", times=1))
    client.call("profile")
    assert f"127.0.0.1:{url.rpartition(':')[2]}" in caplog.text
    kept = store.load()
    shown = caplog.text + "".join(map(repr, (record.__dict__ for record in caplog.records)))
    assert not [one for one in (*tokens, SECRET, kept.access_token, kept.refresh_token) if one in shown]


def test_an_authorization_server_that_is_not_there_is_named(portal, tokens, clock):
    server = f"http://127.0.0.1:{free_port()}"
    app = OAuthApp("local.app", SECRET, "", tokens[1], server=server)
    auth = build_auth(Transport(PortalConfig(PORTAL, app)), clock=clock)
    with pytest.raises(Bitrix24TransportError, match=server.removeprefix("http://")) as caught:
        auth.sign("profile", {})
    assert caught.value.sent is False
