"""Canaries: secrets that can be recognized anywhere and in any encoding."""

import base64
import contextlib
import gzip
import json
import re
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

FRAGMENT = 10  # the characters at a canary's start or end that identify it in truncated text

# A webhook code cannot contain characters such as / + =. The other secrets do, so that encoding changes them.
SECRETS = {
    "webhook code": "c4nary0code-of_the0webhook-7Qz1",
    "pasted webhook code": "p4sted0code-of_a0whole-addressX9",
    "code in Host": "h0stcode0that-does_not-belong-there5",
    "code in Login": "l0gincode0that-does_not-belong-there6",
    "wrong webhook code": "wr0ngcode0that_opens-no0portal8",
    "code without rights": "n0rights0code-of_a0reader-only4",
    "code without scope": "n0scope0code-of_a0messenger2",
    "client secret": 'cl1ent-s3cret/ca+n=a&r"y%c3%a9é',
    "wrong client secret": "wr0ng-s3cret/ca+n=a&r'y%20é",
    "access token": 'acc3ss-t0ken/f+irs=t&one"é%00-acc1',
    "refresh token": 'refr3sh-t0ken/f+irs=t&one"é%00-ref2',
    "refused refresh token": 'refus3d-refr3sh/t+oken=&"é%2f-ref3',
    "rotated token": 'rotat3d-t0ken/f+rom=the&sandbox"é%00-rot4',
    "authorization code": 'auth0risation-c0de/on+ce="é&%41-cod5',
    "wrong authorization code": 'wr0ngauth0-c0de/on+ce="é&%41-cod6',
    "proxy password": "pr0xy-p4ss/w:ord@wi+th=all&%40-prx7",
}
PLANTED = {"planted canary": 'pl4nted-c4nary/so+that="it is&found%00é-plt8'}


@dataclass(frozen=True)
class Hit:
    """A canary that was found."""

    canary: str
    form: str
    place: str
    around: str

    def __str__(self) -> str:
        return f"{self.place}: {self.canary} ({self.form}): ...{self.around}..."


class Searcher:
    """
    Find canaries, and their starts and ends: plain, URL-encoded, in JSON, in base64.

    :param canaries: the secret by its name.
    """

    def __init__(self, canaries: dict[str, str]) -> None:
        self._found_by: dict[bytes, tuple[str, str]] = {}
        for name, secret in canaries.items():
            for form, text in forms(secret):
                self._found_by.setdefault(text.encode(), (name, form))
        longest_first = sorted(self._found_by, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, longest_first)))

    def search(self, content: str | bytes, place: str = "") -> list[Hit]:
        """Find every canary in a text."""
        data = content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace")
        return [
            Hit(*self._found_by[match[0]], place, repr(data[max(0, match.start() - 90) : match.end() + 30]))
            for match in self._pattern.finditer(data)
        ]

    def search_files(self, folder: Path, ignore: Iterable[Path] = ()) -> list[Hit]:
        """Find every canary in the names and contents of a folder's files, compressed ones too."""
        hits: list[Hit] = []
        for path in sorted(folder.rglob("*")):
            place = str(path.relative_to(folder))
            hits += self.search(place, f"name of {place}")
            if path.is_file() and path not in ignore:
                data = path.read_bytes()
                hits += self.search(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data, place)
        return hits


def search_database(searcher: Searcher, database: Path) -> list[Hit]:
    """Find every canary in every value of every table."""
    hits: list[Hit] = []
    with contextlib.closing(sqlite3.connect(database)) as connection:
        tables = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        for table in tables:
            rows = connection.execute(f'SELECT * FROM "{table}"')
            columns = [column[0] for column in rows.description]
            for row in rows:
                for column, value in zip(columns, row, strict=True):
                    if isinstance(value, str | bytes):
                        hits += searcher.search(value, f"{table}.{column}")
    return hits


def forms(secret: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each form that a secret may take."""
    whole = {
        "unchanged": secret,
        "in a path": quote(secret),
        "in an address": quote(secret, safe=""),
        "in a form": quote_plus(secret),
        "in JSON": json.dumps(secret)[1:-1],
        "in JSON, not escaped": json.dumps(secret, ensure_ascii=False)[1:-1],
        "in JSON in JSON": json.dumps(json.dumps(secret))[3:-3],
        "as Python writes it": repr(secret)[1:-1],
        "as Python writes its bytes": repr(secret.encode())[2:-1],
    }
    for name, text in whole.items():
        yield name, text
        yield f"{name}, its beginning", text[:FRAGMENT]
        yield f"{name}, its end", text[-FRAGMENT:]
    for text in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1]):
        for offset in range(3):
            yield "in base64", inner_base64(text.encode(), offset)
            yield "in base64 for addresses", inner_base64(text.encode(), offset, b"-_")


def inner_base64(secret: bytes, offset: int, alphabet: bytes = b"+/") -> str:
    """Return how a secret looks in base64 of a longer text, in which it starts at ``offset`` modulo 3."""
    encoded = base64.b64encode(b"\0" * offset + secret, alphabet).decode().rstrip("=")
    first = -(-offset * 8 // 6)  # the characters that depend on the text before it
    return encoded[first : (offset + len(secret)) * 8 // 6]
