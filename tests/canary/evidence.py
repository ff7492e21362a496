"""What can be made of an error: its texts, its traceback, its pickle, and the variables of its frames."""

import os
import pickle
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ.get("CANARY_EVIDENCE", ""))


def note_failure(context: Any) -> None:
    """A task's `on_failure_callback`."""
    note_error(context["ti"].task_id, context["exception"])


def note_error(name: str, error: BaseException) -> None:
    """Write down all that can be made of an error."""
    texts = [*say_all(error), *traceback.TracebackException.from_exception(error).format()]
    append("errors.txt", f"===== {name}\n" + "\n".join(texts))
    append("locals.txt", f"===== {name}\n" + "\n".join(say_locals(error)))
    append("pickles.txt", f"===== {name}\n{pickle.dumps(error)!r}")


def say_all(error: BaseException | None) -> Iterator[str]:
    for one in chain(error):
        yield f"{one!s} {one!r} {one.args!r} {vars(one)!r}"


def say_locals(error: BaseException | None) -> Iterator[str]:
    """The variables of each frame, which error trackers and some log formatters show; not those of tests."""
    for one in chain(error):
        for frame, line in traceback.walk_tb(one.__traceback__):
            if "canary" not in frame.f_code.co_filename:
                where = f"{frame.f_code.co_filename}:{line} {frame.f_code.co_name}"
                yield from (f"{where}: {name} = {value!r:.10000}" for name, value in frame.f_locals.items())


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those behind it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def append(file: str, text: str) -> None:
    with (FOLDER / file).open("a") as opened:
        opened.write(f"{text}\n")
