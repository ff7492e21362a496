"""Record what errors (texts, tracebacks, pickles, local variables) and log records reveal."""

import contextlib
import importlib
import io
import logging
import os
import pickle
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from tests.canary.instruments import record_error

FOLDER = Path(os.environ.get("CANARY_EVIDENCE", ""))


def note_failure(context: Any) -> None:
    """A task's `on_failure_callback`."""
    name, error = context["ti"].task_id, context["exception"]
    note_error(name, error)
    if name.startswith(("refused-", "refused_refresh-", "in_host-")):  # slow, so only a few
        append("locals.txt", format_with_rich(error))


def note_error(name: str, error: BaseException) -> None:
    """Write down everything that can be read from an error."""
    texts = [*describe(error), *traceback.TracebackException.from_exception(error).format()]
    append("errors.txt", f"===== {name}\n" + "\n".join(texts))
    append("locals.txt", f"===== {name}\n" + "\n".join(describe_locals(error)))
    append("pickles.txt", f"===== {name}\n{pickle.dumps(error)!r}")
    record_error(error)


def describe(error: BaseException | None) -> Iterator[str]:
    for one in chain(error):
        yield f"{one!s} {one!r} {one.args!r} {vars(one)!r}"


def describe_locals(error: BaseException | None) -> Iterator[str]:
    """Yield the local variables of each frame outside the tests, which error trackers show."""
    for one in chain(error):
        for frame, line in traceback.walk_tb(one.__traceback__):
            if "canary" not in frame.f_code.co_filename:
                where = f"{frame.f_code.co_filename}:{line} {frame.f_code.co_name}"
                yield from (f"{where}: {name} = {value!r:.10000}" for name, value in frame.f_locals.items())


def format_with_rich(error: BaseException) -> str:
    """Return a traceback with local variables, as some Airflow versions print in `dag.test()`."""
    from rich.console import Console
    from rich.traceback import Traceback

    shown = io.StringIO()
    trace = Traceback.from_exception(type(error), error, error.__traceback__, show_locals=True)
    Console(file=shown, width=200).print(trace)
    return shown.getvalue()


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and its causes."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def append(file: str, text: str) -> None:
    with (FOLDER / file).open("a") as opened:
        opened.write(f"{text}\n")


class Everything(logging.Handler):
    """Write every record of every logger to a file, before it is masked."""

    def __init__(self, file: Any) -> None:
        super().__init__(logging.DEBUG)
        self.file = file
        self.formatter = logging.Formatter("%(name)s %(message)s")

    def emit(self, record: logging.LogRecord) -> None:
        record = logging.makeLogRecord(record.__dict__)
        record.exc_text = None  # other handlers store their masked text of an exception there
        self.file.write(self.format(record) + "\n")


class Masker:
    """
    Replaces Airflow's masker: it remembers the secrets that it is told and masks nothing.

    The masker is the last defense: `dag.test()`, error trackers and other processes do without it.
    """

    def __init__(self) -> None:
        self.told: set[str] = set()

    def take_over(self, stack: contextlib.ExitStack) -> None:
        for name in (
            "airflow._shared.secrets_masker.secrets_masker",
            "airflow.sdk._shared.secrets_masker.secrets_masker",
            "airflow.sdk.execution_time.secrets_masker",  # Airflow 3.0
            "airflow.utils.log.secrets_masker",  # Airflow 2
        ):
            with contextlib.suppress(ImportError, AttributeError):
                masker = importlib.import_module(name).SecretsMasker
                stack.enter_context(mock.patch.object(masker, "add_mask", self._add_mask))

    def _add_mask(self, secret: Any, name: str | None = None) -> None:
        if isinstance(secret, str):
            self.told.add(secret)
