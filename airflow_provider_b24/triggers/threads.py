"""Blocking work beside the triggerer's event loop."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from asgiref.sync import sync_to_async

T = TypeVar("T")

# The event loop's own threads also resolve host names; a portal that hangs must not use them up.
_executor = ThreadPoolExecutor(max_workers=16, thread_name_prefix="bitrix24")


async def run_in_thread(work: Callable[[], T]) -> T:
    """
    Run blocking work in a thread and return its result.

    Inside the thread Airflow's connections and Variables can be read: before Airflow 3.3 the triggerer
    answers only threads that asgiref started.
    """
    return await sync_to_async(work, thread_sensitive=False, executor=_executor)()
