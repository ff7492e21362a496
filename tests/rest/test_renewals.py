"""Renewals of tokens that hang: they hold up neither the task's timeout nor anybody else for long."""

import contextlib
import inspect
import signal
import subprocess
import sys
import threading
import time
from functools import partial

import pytest

from airflow_provider_b24.errors import Bitrix24TransportError
from airflow_provider_b24.rest import locks
from airflow_provider_b24.rest import transport as transport_module
from airflow_provider_b24.rest.auth import application
from airflow_provider_b24.rest.auth.application import OAuthAuth
from airflow_provider_b24.rest.auth.tokens import MemoryTokenStore
from airflow_provider_b24.rest.clock import SystemClock
from airflow_provider_b24.rest.config import OAuthApp, PortalConfig
from airflow_provider_b24.rest.locks import thread_lock
from airflow_provider_b24.rest.transport import Transport
from tests.rest.raw_servers import RawServer

SECRET = "canary0secret0of0the0application"
PORTAL = "https://portal.example"


class Interruption(BaseException):
    """As a task's timeout, it is raised by a signal, wherever the main thread is."""


@pytest.fixture
def hanging_server():
    """An authorization server that never answers, and notes that it was asked."""
    asked, ended = threading.Event(), threading.Event()

    def hang(connection, headers, body):
        asked.set()
        ended.wait(60)

    with RawServer(hang) as server:
        yield server.url, asked
        ended.set()


def make_hanging_auth(url, folder, **settings):
    app = OAuthApp("local.app", SECRET, "", "canary0refresh", server=url)
    transport = Transport(PortalConfig(PORTAL, app, **settings))
    return OAuthAuth(
        app,
        transport.post_form,
        MemoryTokenStore(),
        on_new_secret=lambda secret: None,
        clock=SystemClock(),
        lock_folder=folder,
    )


def test_a_task_s_timeout_ends_it_while_a_renewal_hangs(hanging_server, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(application, "LAST_WAIT", 0.5)
    url, asked = hanging_server
    auth = make_hanging_auth(url, tmp_path / "locks")

    def interrupt(number, frame):
        raise Interruption

    def ring():
        asked.wait(30)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGALRM)

    threading.Thread(target=ring).start()
    before = signal.signal(signal.SIGALRM, interrupt)
    begun = time.monotonic()
    try:
        with pytest.raises(Interruption):
            auth.sign("profile", {})
    finally:
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - begun < 20  # read_timeout is 65 seconds
    assert "must be authorized again" in caplog.text


@pytest.mark.slow
def test_a_process_ends_although_a_renewal_hangs(hanging_server, tmp_path):
    url, _ = hanging_server
    code = f"""
import pathlib, signal
from tests.rest import test_renewals
from airflow_provider_b24.rest.auth import application
application.LAST_WAIT = 0.5
def interrupt(number, frame):
    raise SystemExit(7)
signal.signal(signal.SIGALRM, interrupt)
auth = test_renewals.make_hanging_auth({url!r}, pathlib.Path({str(tmp_path)!r}) / "locks")
signal.setitimer(signal.ITIMER_REAL, 1)
auth.sign("profile", {{}})
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=40, capture_output=True)
    assert done.returncode == 7, done.stderr


def test_others_do_not_wait_for_a_renewal_that_hangs(hanging_server, tmp_path, monkeypatch):
    """Neither threads of the same process nor other tasks; here they wait for a second."""
    monkeypatch.setattr(application, "thread_lock", partial(thread_lock, timeout=1.0))
    url, asked = hanging_server
    auth = make_hanging_auth(url, tmp_path / "locks", read_timeout=20)
    other_task = make_hanging_auth(url, tmp_path / "locks", read_timeout=20)

    def renew():
        with contextlib.suppress(Bitrix24TransportError):
            auth.sign("profile", {})

    threading.Thread(target=renew, daemon=True).start()
    assert asked.wait(30)
    for waiting in (auth, other_task):
        begun = time.monotonic()
        with pytest.raises(Bitrix24TransportError, match="renewing the tokens for too long") as caught:
            waiting.sign("profile", {})
        assert time.monotonic() - begun < 10
        assert (caught.value.temporary, caught.value.sent) == (True, False)


def test_nobody_waits_for_longer_than_a_minute():
    assert locks.LOCK_TIMEOUT <= 60
    assert inspect.signature(thread_lock).parameters["timeout"].default == locks.LOCK_TIMEOUT
    assert inspect.signature(locks.machine_lock).parameters["timeout"].default == locks.LOCK_TIMEOUT


def test_a_renewal_that_hangs_ends_before_those_who_wait_give_up():
    config = PortalConfig(PORTAL, OAuthApp("local.app", SECRET))
    assert config.connect_timeout + transport_module._FORM_TIMEOUT < locks.LOCK_TIMEOUT
