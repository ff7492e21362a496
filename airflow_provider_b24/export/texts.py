"""What is no text in a database or in Parquet: null characters, and halves of surrogate pairs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_NO_TEXT = re.compile("[\0\ud800-\udfff]")


class Cleaner:
    """
    Replaces what is no text by U+FFFD, and counts it.

    :ivar count: characters that were replaced.
    :ivar first: the first row with one, as given to ``clean``.
    """

    def __init__(self) -> None:
        self.count = 0
        self.first = ""

    def clean(self, value: Any, row: str) -> Any:
        """Return a row's value with every text in it replaced, names included."""
        before = self.count
        cleaned = self._clean(value)
        if self.count > before and not self.first:
            self.first = row
        return cleaned

    def _clean(self, value: Any) -> Any:
        if isinstance(value, str):
            text, count = _NO_TEXT.subn(REPLACEMENT, value)
            self.count += count
            return text
        if isinstance(value, Mapping):
            return {self._clean(name): self._clean(one) for name, one in value.items()}
        return [self._clean(one) for one in value] if isinstance(value, list) else value

    def warning(self) -> str:
        """Return the one line about all that was replaced; empty if nothing was."""
        if not self.count:
            return ""
        what = "1 character" if self.count == 1 else f"{self.count:,} characters"
        return (
            f"{what} that no text can hold (null, or half of a surrogate pair) were replaced by U+FFFD, "
            f"first in {self.first}"
        )


def cleaned_name(name: str) -> str:
    """Return a field's name that any text can hold."""
    return _NO_TEXT.sub(REPLACEMENT, name)


def exact_json(value: Any) -> str:
    """Return a value as JSON of ASCII: half a surrogate pair is an escape, numbers keep their digits."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json.dumps(name)}:{exact_json(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(exact_json, value)) + "]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value)
