"""A driver reads questions as lines of JSON and writes an answer for each."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

Question = dict[str, Any]
Operation = Callable[[Question], dict[str, Any]]


def converse(*operations: Operation) -> None:
    """Answer questions until the input ends. A question names its operation under ``do``."""
    by_name = {operation.__name__: operation for operation in operations}
    for line in sys.stdin:
        question = json.loads(line)
        try:
            answer = by_name[question["do"]](question)
        except Exception as error:  # noqa: BLE001 - the test sees whatever the client raised
            answer = {"raised": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
