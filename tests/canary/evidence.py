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
    frames = traceback.TracebackException.from_exception(error, capture_locals=True).format()
    append("errors.txt", f"===== {name}\n" + "\n".join(texts))
    append("locals.txt", f"===== {name}\n" + "".join(frames))
    append("pickles.txt", f"===== {name}\n{pickle_of(error)!r}")


def say_all(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        yield f"{error!s} {error!r} {error.args!r} {vars(error)!r}"
        error = error.__cause__ or error.__context__


def pickle_of(error: BaseException) -> bytes:
    return pickle.dumps(error)


def append(file: str, text: str) -> None:
    with (FOLDER / file).open("a") as opened:
        opened.write(f"{text}\n")
