"""Threads of triggers: shares per connection, and nothing that is left behind."""

import asyncio
import contextlib
import os
import threading
import time

import pytest

from airflow_provider_b24.triggers import threads as module
from airflow_provider_b24.triggers.threads import ConnectionThreads, run_in_thread

SECONDS = 20  # in which everything here ends, also on a busy machine


@pytest.fixture
def hang():
    """Work that hangs until the test ends."""
    ended = threading.Event()
    yield lambda: ended.wait(SECONDS)
    ended.set()


@pytest.fixture
def threads(monkeypatch):
    """The threads that `run_in_thread` uses, a few only."""
    few = ConnectionThreads(per_connection=3, most=4, idle_seconds=0.2)
    monkeypatch.setattr(module, "_threads", few)
    return few


def ends(condition):
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return True


def test_a_connection_that_hangs_holds_up_no_other(threads, hang):
    waiting = [threads.submit("sick", hang) for _ in range(64)]
    assert threads.submit("healthy", lambda: 7).result(SECONDS) == 7
    assert threads.counts()["sick"] == 3
    assert not any(future.done() for future in waiting)


def test_many_connections_that_hang_leave_each_other_one_a_thread(threads, hang):
    for number in range(9):
        for _ in range(64):
            threads.submit(f"sick{number}", hang)
    assert threads.submit("healthy", lambda: 7).result(SECONDS) == 7
    counts = threads.counts()
    counts.pop("healthy", None)
    assert sum(counts.values()) == 9 + 4
    assert set(counts.values()) <= {1, 2, 3}


def test_threads_end_when_there_is_nothing_to_do(threads):
    before = threading.active_count()
    futures = [threads.submit(f"c{n % 5}", lambda: time.sleep(0.01)) for n in range(50)]
    for future in futures:
        future.result(SECONDS)
    assert ends(lambda: threads.counts() == {} and threading.active_count() <= before)
    assert threads.submit("c1", lambda: 7).result(SECONDS) == 7


def test_work_of_a_connection_is_done_in_its_order(hang):
    one = ConnectionThreads(per_connection=1, most=0, idle_seconds=0.2)
    done = []
    futures = [one.submit("c", lambda n=n: done.append(n)) for n in range(100)]
    futures[-1].result(SECONDS)
    assert done == list(range(100))


def test_no_work_is_left_waiting_while_threads_come_and_go():
    quick = ConnectionThreads(per_connection=2, most=2, idle_seconds=0.0)
    for _ in range(300):
        futures = [quick.submit(f"c{n}", lambda n=n: n) for n in range(3)]
        assert [future.result(SECONDS) for future in futures] == [0, 1, 2]


def test_an_error_reaches_who_waits_and_the_thread_goes_on(threads):
    def fail():
        raise SystemExit("broken on purpose")

    with pytest.raises(SystemExit, match="on purpose"):
        threads.submit("c", fail).result(SECONDS)
    assert threads.submit("c", lambda: 7).result(SECONDS) == 7


def test_a_trigger_that_is_cancelled_takes_its_work_out_of_the_queue(threads, hang):
    done = []

    async def run():
        busy = [asyncio.create_task(run_in_thread(hang, "c")) for _ in range(3)]
        await asyncio.sleep(0.05)
        waiting = asyncio.create_task(run_in_thread(lambda: done.append("waiting"), "c"))
        await asyncio.sleep(0.05)
        for task in (*busy, waiting):
            task.cancel()
        for task in (*busy, waiting):
            with contextlib.suppress(asyncio.CancelledError):
                await task
        return await run_in_thread(lambda: 7, "other")

    assert asyncio.run(asyncio.wait_for(run(), SECONDS)) == 7
    assert done == []


def test_a_system_without_threads_is_an_error_and_not_a_wait(threads, monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start"):
            threads.submit("c", lambda: 7)
    assert threads.counts() == {}
    assert threads.submit("c", lambda: 7).result(SECONDS) == 7


def test_a_forked_process_has_threads_of_its_own(threads, hang):
    threads.submit("c", hang)
    ends(lambda: threads.counts() == {"c": 1})
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover
        answer = b"?"
        with contextlib.suppress(BaseException):
            answer = threads.submit("c", lambda: b"7").result(SECONDS)
        os.write(write, answer)
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 1) == b"7"
    os.close(read)
    os.close(write)
