"""One portal's level, shared by processes: who may hold it, who may break it, and what stands in for it."""

import contextlib
import logging
import math
import multiprocessing
import os
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from airflow_provider_b24.crm.bindings import CompanyBinding
from airflow_provider_b24.crm.contact_company import set_companies
from airflow_provider_b24.errors import Bitrix24ConfigError
from airflow_provider_b24.rest.auth.webhook import WebhookAuth
from airflow_provider_b24.rest.client import Client
from airflow_provider_b24.rest.clock import SystemClock
from airflow_provider_b24.rest.config import PortalConfig, Webhook
from airflow_provider_b24.rest.limits.bucket import MAX_BACKLOG, PLANS, Bucket, Level, MemoryStore
from airflow_provider_b24.rest.limits.stores import UNUSED_AFTER, FileStore, open_store
from airflow_provider_b24.rest.transport import Transport
from airflow_provider_b24.sandbox import Bucket as PortalBucket
from airflow_provider_b24.sandbox import Portal, PortalServer

PORTAL = "https://portal.example"
CODE = "canary0code0of0the0webhook"
PASSWORD = "canary0password"
PROCESSES, WRITES = 4, 700  # 56 requests: a few more than fit the bucket

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")


def add_one(level: Level) -> tuple[Level, float]:
    return level._replace(empty_at=level.empty_at + 1), 0.0


def look(level: Level) -> tuple[Level, float]:
    return level, 0.0


def level_file(folder: Path) -> Path:
    (file,) = folder.glob("*.level")
    return file


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "levels"


@pytest.fixture
def store(folder):
    return open_store(PORTAL, str(folder))


# Sharing


def test_what_one_store_writes_another_reads(folder, store):
    store.update(add_one)
    assert open_store(PORTAL.upper(), str(folder)).update(look)[0] == Level(1.0, 0)
    assert open_store("https://other.example", str(folder)).update(look)[0] == Level()


def test_file_and_folder_are_the_owners_alone(folder, store):
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(level_file(folder).stat().st_mode) == 0o600


def test_files_of_portals_that_nobody_calls_any_longer_are_removed(folder):
    open_store("https://old.example", str(folder)).update(add_one)
    old = level_file(folder)
    os.utime(old, (time.time() - UNUSED_AFTER - 60,) * 2)
    open_store("https://busy.example", str(folder)).update(add_one)
    open_store(PORTAL, str(folder))
    assert not old.exists()
    assert len([*folder.glob("*.level")]) == 2


def test_the_default_folder_lies_in_the_temporary_directory(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    open_store(PORTAL).update(add_one)
    assert level_file(tmp_path / f"airflow-provider-b24-{os.geteuid()}").stat().st_size == 16


def count_up(folder: str, times: int) -> None:
    store = open_store(PORTAL, folder)
    for _ in range(times):
        store.update(add_one)


def test_no_change_is_lost_between_four_processes(folder, store):
    run_processes(count_up, [(str(folder), 500)] * PROCESSES)
    assert store.update(look)[0].empty_at == 500 * PROCESSES


def write_paced(portal: str, folder: str, redis_url: str | None, first: int) -> None:
    """What a worker process does: writes contacts, within the bucket that it shares with the others."""
    webhook = Webhook(1, CODE)
    transport = Transport(PortalConfig(url=portal, credentials=webhook))
    bucket = Bucket(PLANS["standard"], open_store(portal, folder, redis_url), SystemClock())
    client = Client(transport, WebhookAuth(webhook), bucket=bucket)
    calls = (set_companies(contact, [CompanyBinding(8)]) for contact in range(first, first + WRITES))
    assert all(outcome.ok for outcome in client.bulk(calls))


def run_processes(work, arguments) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=work, args=one) for one in arguments]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * len(processes)


@pytest.fixture
def limited_portal():
    """A portal with the bucket of the standard plan, over HTTP."""
    portal = Portal()
    portal.add_webhook(1, CODE)
    portal.add_generated(contacts=PROCESSES * WRITES, companies=10)
    portal.bucket = PortalBucket(capacity=50, drain=2.0)
    portal.journal_limit = 0
    with PortalServer(portal) as server:
        yield portal, server.url.rstrip("/")


@pytest.mark.slow
def test_four_processes_share_one_bucket(limited_portal, folder):
    portal, url = limited_portal
    run_processes(write_paced, [(url, str(folder), None, 1 + number * WRITES) for number in range(PROCESSES)])
    assert portal.refused <= 2
    assert len(portal.writes) == PROCESSES * WRITES
    assert set(portal.writes.values()) == {1}


# Broken files, foreign files, foreign folders


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x",
        b"\xff" * 16,
        b"\x00" * 16,
        struct.pack("<dQ", math.inf, 2**64 - 1),
        struct.pack("<dQ", -math.inf, 0),
        struct.pack("<dQ", 1e300, 7),
        b"not a level at all" * 1000,
    ],
    ids=["empty", "short", "nan", "zero", "inf", "minus inf", "far", "text"],
)
def test_a_broken_record_neither_stops_requests_for_long_nor_lets_them_pass_for_ever(
    folder, store, clock, content
):
    level_file(folder).write_bytes(content)
    bucket = Bucket(PLANS["standard"], store, clock)
    start, _ = bucket.reserve()
    assert clock.now() <= start <= clock.now() + bucket.longest_wait
    assert max(bucket.reserve()[0] for _ in range(60)) > clock.now()
    bucket.refused()
    waits = [bucket.reserve()[0] - clock.now() for _ in range(10)]
    assert 0 < waits[0] < waits[-1] <= bucket.longest_wait


def private(folder: Path) -> Path:
    folder.mkdir(mode=0o700)
    return folder


def linked_file(folder: Path) -> None:
    open_store(PORTAL, str(folder))
    file = level_file(folder)
    target = folder.parent / "target"
    target.write_bytes(b"precious")
    file.unlink()
    file.symlink_to(target)


def linked_folder(folder: Path) -> None:
    folder.symlink_to(private(folder.parent / "target"), target_is_directory=True)


def dangling_link(folder: Path) -> None:
    folder.symlink_to(folder.parent / "nowhere", target_is_directory=True)


def folder_that_all_may_write(folder: Path) -> None:
    private(folder).chmod(0o777)


def folder_that_is_a_file(folder: Path) -> None:
    folder.write_bytes(b"precious")


def pipe_instead_of_a_file(folder: Path) -> None:
    open_store(PORTAL, str(folder))
    file = level_file(folder)
    file.unlink()
    os.mkfifo(file)


def foreign_folder(folder: Path) -> None:
    os.chown(private(folder), 65534, 65534)


def foreign_file(folder: Path) -> None:
    open_store(PORTAL, str(folder))
    os.chown(level_file(folder), 65534, 65534)


@pytest.mark.parametrize(
    "spoil",
    [
        linked_file,
        linked_folder,
        dangling_link,
        folder_that_all_may_write,
        folder_that_is_a_file,
        pipe_instead_of_a_file,
        pytest.param(foreign_folder, marks=as_root),
        pytest.param(foreign_file, marks=as_root),
    ],
)
def test_what_others_may_have_laid_there_is_not_touched(folder, caplog, spoil):
    spoil(folder)
    before = {path: path.read_bytes() for path in folder.parent.rglob("*") if path.is_file()}
    store = open_store(PORTAL, str(folder))
    assert isinstance(store, MemoryStore)
    assert store.update(add_one)[0].empty_at == 1
    assert "tracked by this process alone" in caplog.text
    assert {path: path.read_bytes() for path in folder.parent.rglob("*") if path.is_file()} == before


def test_a_place_that_cannot_be_written_is_no_obstacle(caplog):
    for folder in ("/proc/no/levels", "/dev/null/levels"):
        assert isinstance(open_store(PORTAL, folder), MemoryStore)
    assert caplog.text.count("tracked by this process alone") == 2


def test_a_file_that_is_spoilt_later_is_replaced_by_memory(folder, store, caplog):
    store.update(add_one)
    file = level_file(folder)
    file.unlink()
    file.symlink_to("/etc/passwd")
    assert store.update(add_one)[0].empty_at == 2
    assert "tracked by this process alone" in caplog.text


def test_a_folder_that_is_cleaned_away_is_replaced_by_memory(folder, store, caplog):
    store.update(add_one)
    shutil.rmtree(folder)
    for expected in (2, 3, 4):
        assert store.update(add_one)[0].empty_at == expected
    assert len(caplog.records) == 1


# Holders that die or stop


@contextlib.contextmanager
def holder_of(file: Path):
    """Another process, which holds the file's lock."""
    program = (
        "import fcntl, sys, time; file = open(sys.argv[1], 'r+b'); fcntl.flock(file, fcntl.LOCK_EX); "
        "print('held', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(file)], stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            yield holder
        finally:
            holder.kill()


def test_a_killed_holder_holds_no_longer(folder, store, caplog):
    store.update(add_one)
    with holder_of(level_file(folder)) as holder:
        holder.kill()
        holder.wait()
        assert store.update(add_one)[0].empty_at == 2
    assert not caplog.records


def test_a_stopped_holder_is_waited_for_once_and_then_passed_by(folder, caplog):
    store = open_store(PORTAL, str(private(folder)), lock_timeout=1.0)
    store.update(add_one)
    with holder_of(level_file(folder)) as holder:
        holder.send_signal(signal.SIGSTOP)
        started = time.monotonic()
        assert store.update(add_one)[0].empty_at == 2  # memory goes on from the last known level
        assert time.monotonic() - started >= 1
        started = time.monotonic()
        assert store.update(add_one)[0].empty_at == 3
        assert time.monotonic() - started < 1
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "held by a stopped process" in record.getMessage()


def test_a_store_that_failed_is_asked_again_after_a_while(folder):
    store = open_store(PORTAL, str(private(folder)), lock_timeout=0.1, retry_after=0.2)
    store.update(add_one)
    with holder_of(level_file(folder)):
        assert store.update(add_one)[0].empty_at == 2
    time.sleep(0.3)
    assert store.update(look)[0].empty_at == 1  # the file again


def test_a_process_forked_under_the_lock_does_not_keep_it(folder):
    """The child of another thread's fork has the locked file open as long as it lives."""
    store = FileStore(private(folder) / "a.level", lock_timeout=0.5)
    children = []

    def fork_and_add(level):
        child = os.fork()
        if child == 0:
            time.sleep(600)
            os._exit(0)
        children.append(child)
        return add_one(level)

    try:
        store.update(fork_and_add)
        assert store.update(add_one)[0].empty_at == 2
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


# Clocks that jump


@pytest.mark.parametrize("jump", [-86_400, -3_600, -5, 5, 3_600, 86_400])
def test_a_clock_that_jumps_stops_nobody_for_longer_than_the_backlog(store, clock, jump):
    bucket = Bucket(PLANS["standard"], store, clock)
    for _ in range(60):
        bucket.reserve()
    clock.time += jump
    start, _ = bucket.reserve()
    assert 0 <= start - clock.now() <= bucket.longest_wait
    clock.sleep(start - clock.now() + 60)
    start, _ = bucket.reserve()
    assert start - clock.now() <= MAX_BACKLOG / 2


# Redis


@pytest.mark.slow
def test_four_processes_share_one_bucket_in_redis(limited_portal, folder, redis_server):
    portal, url = limited_portal
    work = [(url, str(folder), redis_server.url, 1 + number * WRITES) for number in range(PROCESSES)]
    run_processes(write_paced, work)
    assert portal.refused <= 2
    assert len(portal.writes) == PROCESSES * WRITES
    assert set(portal.writes.values()) == {1}
    assert not folder.exists()


def test_a_redis_that_goes_away_is_replaced_by_memory_without_telling_its_password(redis_server, caplog):
    caplog.set_level(logging.DEBUG)
    store = open_store(PORTAL, redis_url=redis_server.url)
    store.update(add_one)
    redis_server.process.kill()
    redis_server.process.wait()
    for expected in (2, 3, 4):
        assert store.update(add_one)[0].empty_at == expected
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "Redis does not answer (ConnectionError)" in warnings[0].getMessage()
    assert redis_server.password not in caplog.text


def test_a_wrong_password_and_a_broken_record_are_no_obstacle(redis_server, caplog):
    import redis

    url = redis_server.url
    assert open_store(PORTAL, redis_url=url.replace("canary", "wrong")).update(add_one)[0].empty_at == 1
    assert "Redis does not answer" in caplog.text
    store = open_store(PORTAL, redis_url=url)
    store.update(add_one)
    server = redis.Redis.from_url(url)
    (key,) = server.keys("bitrix24:level:*")
    server.set(key, "nonsense")
    assert store.update(add_one)[0].empty_at == 1
    assert 0 < server.ttl(key) <= 3600


@pytest.mark.parametrize(
    "url",
    [
        f"http://:{PASSWORD}@host",
        f"redis://host:{PASSWORD}",
        f"redis://:{PASSWORD}/x@host:6379/0",
        f"redis://:{PASSWORD}@[::1/0",
        PASSWORD,
    ],
)
def test_an_address_of_redis_that_cannot_be_used_is_not_quoted(url):
    pytest.importorskip("redis")
    with pytest.raises(Bitrix24ConfigError, match="pacing_redis_url must look like") as caught:
        open_store(PORTAL, redis_url=url)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert PASSWORD not in str(caught.value)


def test_a_missing_redis_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(Bitrix24ConfigError, match=r"airflow-provider-b24\[redis\]"):
        open_store(PORTAL, redis_url="redis://host")
