"""Runs pairs against a portal: on records it creates itself and removes in the end."""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.conformance.pair import Pair, Send, fill, matches

SET, GET = "crm.contact.company.items.set", "crm.contact.company.items.get"


@dataclass(frozen=True)
class Difference:
    """A pair that a portal answered otherwise."""

    pair: Pair
    expected: str
    actual: str


@contextmanager
def own_records(send: Send) -> Iterator[dict[str, int]]:
    """A contact and three companies for one run."""
    made: list[tuple[str, int]] = []
    try:
        for name, kind in (("@contact", "contact"), ("@a", "company"), ("@b", "company"), ("@c", "company")):
            fields = {"NAME": f"Conformance {name[1:]}", "TITLE": f"Conformance {name[1:]}"}
            status, body = send(f"crm.{kind}.add", {"fields": fields})
            if status != 200 or not isinstance(body.get("result"), int):
                raise RuntimeError(f"crm.{kind}.add failed with HTTP {status}")
            made.append((kind, body["result"]))
        yield dict(zip(("@contact", "@a", "@b", "@c"), (number for _, number in made), strict=True))
    finally:
        for kind, number in made:
            with suppress(OSError):
                send(f"crm.{kind}.delete", {"id": number})


def run(send: Send, pairs: Iterable[Pair], records: dict[str, int]) -> list[Difference]:
    """The pairs that the portal answers otherwise."""
    found = (check(send, pair, records) for pair in pairs)
    return [difference for difference in found if difference is not None]


def check(send: Send, pair: Pair, records: dict[str, int]) -> Difference | None:
    """Bring the contact to the given state, send the request, compare reply and final state."""
    contact = records["@contact"]
    send("crm.contact.company.items.delete", {"id": contact})
    if pair.given:
        send(SET, {"id": contact, "items": [_item(row, records) for row in pair.given]})
    status, body = send(pair.method, fill(pair.params, records))
    expected = fill(_expected(pair), records)
    actual: dict[str, Any] = {"status": status} | {name: body[name] for name in _NAMES if name in body}
    good = matches(expected, actual) and ("result" in actual) is (pair.error is None)
    if pair.after is not None:
        rows = send(GET, {"id": contact})[1]["result"]
        actual["after"] = [[row["COMPANY_ID"], row["SORT"], row["IS_PRIMARY"]] for row in rows]
        expected["after"] = fill(pair.after, records)
        good = good and actual["after"] == expected["after"]
    return None if good else Difference(pair, repr(expected), repr(actual))


_NAMES = ("result", "error", "error_description", "total", "next")


def _item(row: tuple[str, int, str], records: dict[str, int]) -> dict[str, Any]:
    return {"COMPANY_ID": records[row[0]], "SORT": row[1], "IS_PRIMARY": row[2]}


def _expected(pair: Pair) -> dict[str, Any]:
    if pair.error is None:
        return {"status": pair.status, "result": pair.result}
    expected: dict[str, Any] = {"status": pair.status, "error": pair.error}
    return expected | ({} if pair.text is None else {"error_description": pair.text})


def table(differences: Iterable[Difference]) -> str:
    """The differences as a Markdown table."""
    lines = ["| Method | Parameters | Expected | Received | Source |", "| --- | --- | --- | --- | --- |"]
    for one in differences:
        cells = (one.pair.method, json.dumps(one.pair.params), one.expected, one.actual, one.pair.source)
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    return "\n".join(lines)


def http_sender(webhook: str) -> Send:
    """Calls a portal by its webhook's address."""
    opener = urllib.request.build_opener(_NoRedirect)

    def send(method: str, params: Any) -> tuple[int, Any]:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        request = urllib.request.Request(  # noqa: S310 - main checks the scheme
            f"{webhook.rstrip('/')}/{method}", json.dumps(params).encode(), headers
        )
        try:
            with opener.open(request, timeout=60) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    return send


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def main(portal: str, webhook: str, pairs: Iterable[Pair]) -> int:
    """Run the safe pairs against the portal at this host and print the differences.

    :return: the exit status: 0 without differences, 1 with some, 2 if the webhook is not of this portal.
    """
    address = urlsplit(webhook)
    if address.scheme not in {"http", "https"} or address.netloc != portal:
        print(
            "BITRIX24_WEBHOOK must contain the address of a webhook of the portal that PORTAL names",
            file=sys.stderr,
        )
        return 2
    safe = [pair for pair in pairs if pair.safe]
    send = http_sender(webhook)
    with own_records(send) as records:
        differences = run(send, safe, records)
    print(f"{len(safe)} pairs, {len(differences)} differences")
    if differences:
        print(table(differences).replace(address.path.strip("/").split("/")[-1], "***"))
    return 1 if differences else 0


if __name__ == "__main__":
    from tests.conformance.pairs import PAIRS

    sys.exit(main(sys.argv[1], os.environ.get("BITRIX24_WEBHOOK", ""), PAIRS))
