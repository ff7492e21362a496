"""Every way through this package to a portal, each with what it wants and how the portal shows it."""

import asyncio
import csv
import io
import json
import logging
import math
import sqlite3
from collections.abc import Callable, Hashable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal

from tests.faults.matrix_world import CONTACTS, OAUTH, WEBHOOK, World

# What may be done when an answer is lost: read again, write again, look whether it was written, or nothing.
Effect = Literal["read", "repeatable", "verified", "blind"]
Status = Literal["done", "failed", "unknown", "waiting"]
Truth = Literal["wanted", "before", "other"]

CALLS = 60
EVENT = "ONCRMCONTACTUPDATE"
STATUSES: dict[str, Status] = {
    "success": "done",
    "written": "done",
    "unchanged": "done",
    "unknown": "unknown",
    "failure": "failed",
    "failed": "failed",
    "skipped": "failed",
}


@dataclass(frozen=True)
class Path:
    """
    One way through this package.

    :param run: does the task's work and returns what the task returns.
    :param right: whether what it returned is right.
    :param truth: what the portal (or the file, or the table) shows, by whatever the task writes.
    :param claims: what the task itself says about each of these, where it says so.
    :param polls: whether somebody calls it again and again, so that it gives up early.
    :param never_fails: whether it only says in the log that it did not work.
    :param optional: whether some of its calls only describe what is read, and may fail.
    :param bulk: whether it sends more than one command in a request.
    :param uses: what it needs of the worker: ``disk``, ``state``, ``tokens``.
    """

    name: str
    effect: Effect
    run: Callable[[World], Any]
    right: Callable[[World, Any], bool] = lambda world, value: True
    truth: Callable[[World], Mapping[Hashable, Truth]] = lambda world: {}
    claims: Callable[[World, Any], Mapping[Hashable, Status]] | None = None
    prepare: Callable[[World], None] = lambda world: None
    polls: bool = False
    never_fails: bool = False
    optional: bool = False
    bulk: bool = False
    oauth: bool = False
    uses: tuple[str, ...] = ()


def operator(make: Callable[..., Any], portal: str = WEBHOOK, **arguments: Any):
    """Run an operator's ``execute``; ``{folder}`` in an argument is the cell's folder."""

    def run(world: World) -> Any:
        given = {
            name: value.format(folder=world.folder) if isinstance(value, str) else value
            for name, value in arguments.items()
        }
        task = make(task_id="task", bitrix24_conn_id=portal, **given)
        return task.execute(world.context())

    return run


# One contact's companies


def companies(world: World, contact: int) -> list[int]:
    return [row["COMPANY_ID"] for row in world.portal.bindings(contact)]


def bound(before: list[int], wanted: list[int]) -> Callable[[World], Mapping[Hashable, Truth]]:
    def truth(world: World) -> Mapping[Hashable, Truth]:
        return {7: compare(companies(world, 7), before, wanted)}

    return truth


def compare(found: Any, before: Any, wanted: Any) -> Truth:
    return "wanted" if found == wanted else "before" if found == before else "other"


def bind_three(world: World) -> None:
    world.portal.bind(7, [(3, 10, True), (4, 20, False)])


def contact_paths() -> list[Path]:
    from airflow_provider_b24.operators import contact_company as ours

    def one(name, make, effect, wanted, **arguments):
        run = operator(make, contact_id=7, **arguments)
        return Path(name, effect, run, truth=bound([3, 4], wanted), prepare=bind_three)

    def is_read(world, value):
        return [row["COMPANY_ID"] for row in value] == [3, 4]

    get = ours.GetContactCompaniesOperator
    return [
        Path("fields", "read", operator(ours.GetContactCompanyFieldsOperator), lambda w, v: "SORT" in v),
        Path("get", "read", operator(get, contact_id=7), is_read, prepare=bind_three),
        Path(
            "get, OAuth",
            "read",
            operator(get, OAUTH, contact_id=7),
            is_read,
            prepare=bind_three,
            oauth=True,
            uses=("tokens",),
        ),
        one("set", ours.SetContactCompaniesOperator, "repeatable", [8, 9], items=[8, 9]),
        one(
            "set, companies checked",
            ours.SetContactCompaniesOperator,
            "repeatable",
            [8, 9],
            items=[8, 9],
            check_companies=True,
        ),
        one("add", ours.AddContactCompanyOperator, "verified", [3, 4, 8], company_id=8, sort=30),
        one("delete", ours.DeleteContactCompanyOperator, "verified", [3], company_id=4),
        one("clear", ours.ClearContactCompaniesOperator, "repeatable", []),
    ]


# Any method, batches


def named(world: World) -> list[str]:
    """The names of the contacts that were added."""
    last = world.portal.contacts.last_id
    return [world.portal.contact(number)["NAME"] for number in range(CONTACTS + 1, last + 1)]


def added(count: int) -> Callable[[World], Mapping[Hashable, Truth]]:
    def truth(world: World) -> Mapping[Hashable, Truth]:
        names = named(world)
        found = {number: names.count(f"Ann {number}") for number in range(count)}
        return {
            number: ("before", "wanted")[times] if times < 2 else "other" for number, times in found.items()
        }

    return truth


def batch_claims(world: World, value: Any) -> Mapping[Hashable, Status]:
    rows = value if value is not None else world.pushed.get("return_value")
    return {} if rows is None else {index: STATUSES[row["status"]] for index, row in enumerate(rows)}


def call_paths() -> list[Path]:
    from airflow_provider_b24.operators.bitrix24 import Bitrix24BatchOperator, Bitrix24Operator

    def ids_of(rows):
        return [int(row["result"]["ID"]) for row in rows]

    add = [{"method": "crm.contact.add", "params": {"fields": {"NAME": f"Ann {n}"}}} for n in range(CALLS)]
    get = [{"method": "crm.contact.get", "params": {"id": n + 1}} for n in range(CALLS)]
    linked = [*add[:2], {"method": "crm.contact.get", "params": {"id": "$result[0]"}}]

    def batch(calls, **options):
        return operator(Bitrix24BatchOperator, calls=calls, **options)

    call = operator(Bitrix24Operator, method="crm.contact.get", parameters={"id": 7})
    write = operator(Bitrix24Operator, method=add[0]["method"], parameters=add[0]["params"])
    blind: dict[str, Any] = {"effect": "blind", "claims": batch_claims, "bulk": True}
    return [
        Path("call, a read", "read", call, lambda world, value: value["ID"] == "7"),
        Path("call, a write", "blind", write, truth=added(1)),
        Path(
            "batch of reads",
            "read",
            batch(get),
            lambda world, value: ids_of(value) == [*range(1, CALLS + 1)],
            bulk=True,
        ),
        Path("batch of writes", run=batch(add), truth=added(CALLS), **blind),
        Path("batch with halt", run=batch(add, halt=True), truth=added(CALLS), **blind),
        Path("batch with references", run=batch(linked, references=True), truth=added(2), **blind),
    ]


# Lists


def exact(world: World, rows: Any) -> bool:
    return sorted(int(row["ID"]) for row in rows) == [*range(1, CONTACTS + 1)]


def in_file(name: str) -> Callable[[World], Mapping[Hashable, Truth]]:
    """A file is whole or absent, and nothing else is left under its name."""

    def truth(world: World) -> Mapping[Hashable, Truth]:
        path = world.folder / name
        if not path.exists():
            return {name: "before"}
        text = path.read_text()
        rows = [json.loads(line) for line in text.splitlines()] if name.endswith("jsonl") else csv_rows(text)
        return {name: "wanted" if exact(world, rows) else "other"}

    return truth


def csv_rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def in_table(world: World) -> Mapping[Hashable, Truth]:
    with closing(sqlite3.connect(world.folder / "rows.db")) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE name = 'contacts'").fetchall()
        ids = sorted(row[0] for row in database.execute("SELECT id FROM contacts")) if tables else []
    return {"contacts": compare(ids, [], [*range(1, CONTACTS + 1)])}


def list_paths() -> list[Path]:
    from airflow_provider_b24.operators.bitrix24 import Bitrix24ListOperator
    from airflow_provider_b24.operators.export import Bitrix24ExportOperator, Bitrix24ToSqlOperator

    what = {"method": "crm.contact.list", "parameters": {"select": ["ID", "NAME"]}}
    by_name = {**what, "parameters": {"select": ["ID", "NAME"], "order": {"NAME": "ASC"}}}

    def to_file(name, make, **arguments):
        return {
            "run": operator(make, **what, **arguments),
            "truth": in_file(name),
            "effect": "read",
            "uses": ("disk",),
        }

    return [
        Path("list by id", "read", operator(Bitrix24ListOperator, **what), exact, bulk=True),
        Path("list by offset", "read", operator(Bitrix24ListOperator, **by_name), exact, bulk=True),
        Path(
            "list to a file",
            bulk=True,
            **to_file("rows.jsonl", Bitrix24ListOperator, output_path="{folder}/rows.jsonl"),
        ),
        Path(
            "export to JSON lines",
            bulk=True,
            optional=True,
            **to_file("rows.jsonl", Bitrix24ExportOperator, output_path="{folder}/rows.jsonl"),
        ),
        Path(
            "export to CSV, readable",
            bulk=True,
            optional=True,
            **to_file("rows.csv", Bitrix24ExportOperator, output_path="{folder}/rows.csv", readable=True),
        ),
        Path(
            "load into SQL",
            "read",
            operator(Bitrix24ToSqlOperator, **what, conn_id="matrix_sql", table="contacts"),
            truth=in_table,
            bulk=True,
            optional=True,
        ),
    ]


# Sync


def wanted_company(contact: int) -> int:
    return contact % 20 + 1


def synced(world: World) -> Mapping[Hashable, Truth]:
    return {
        contact: compare(companies(world, contact), before_sync(contact), [wanted_company(contact)])
        for contact in range(1, CONTACTS + 1)
    }


def before_sync(contact: int) -> list[int]:
    return [5] if contact % 3 == 0 else []


def bind_some(world: World) -> None:
    for contact in range(3, CONTACTS + 1, 3):
        world.portal.bind(contact, [(5, 10, True)])


def report_claims(world: World, value: Any) -> Mapping[Hashable, Status]:
    path = world.folder / "report.jsonl"
    if not path.exists():
        return {}
    lines = map(json.loads, path.read_text().splitlines())
    return {line["contact_id"]: STATUSES[line["status"]] for line in lines}


def sync_paths() -> list[Path]:
    from airflow_provider_b24.operators.sync import SyncContactCompaniesOperator

    bindings = {contact: [wanted_company(contact)] for contact in range(1, CONTACTS + 1)}

    def sync(portal=WEBHOOK, uses=("state",), **options):
        run = operator(SyncContactCompaniesOperator, portal, bindings=bindings, **options)
        given = {"effect": "repeatable", "truth": synced, "prepare": bind_some, "bulk": True}
        return {"run": run, "uses": uses, **given}

    report = {"report_path": "{folder}/report.jsonl", "uses": ("disk", "state")}
    return [
        Path("sync", **sync()),
        Path("sync with a report", claims=report_claims, **sync(**report)),
        Path("sync, replace", **sync(mode="replace", check_companies=False)),
        Path("sync, replace, report", claims=report_claims, **sync(mode="replace", **report)),
        Path("sync, OAuth", oauth=True, **sync(OAUTH, uses=("state", "tokens"))),
    ]


# What looks again and again, and messages


def poke(world: World) -> Any:
    from airflow_provider_b24.sensors.bitrix24 import Bitrix24Sensor

    sensor = Bitrix24Sensor(
        task_id="task", method="crm.contact.get", parameters={"id": 7}, bitrix24_conn_id=WEBHOOK
    )
    return sensor.poke(world.context())


def poke_claims(world: World, value: Any) -> Mapping[Hashable, Status]:
    return {} if value is None or value.is_done else {"poke": "waiting"}


def notify(world: World) -> None:
    from airflow_provider_b24.notifications.bitrix24 import Bitrix24Notifier

    Bitrix24Notifier("Rows are late", user_id=1, bitrix24_conn_id=WEBHOOK).notify(world.context())


def notify_claims(world: World, value: Any) -> Mapping[Hashable, Status]:
    said = world.said.getvalue()
    if "notification may not have been sent" in said:
        return {"message": "unknown"}
    return {"message": "failed" if "notification was not sent" in said else "done"}


def told(world: World) -> Mapping[Hashable, Truth]:
    count = len(world.portal.messages)
    return {"message": ("before", "wanted")[count] if count < 2 else "other"}


def queue_events(world: World) -> None:
    for contact in (7, 8, 9):
        world.portal.events.push(EVENT, {"FIELDS": {"ID": str(contact)}}, user_id=5)


def fetch_events(world: World) -> Any:
    """Fetch events, hand them over, and remove from the queue what was handed over, as the trigger does."""
    from airflow_provider_b24.triggers.event import EventPoll

    poll = world.notes.setdefault("poll", EventPoll(OAUTH, logging.getLogger("tests.faults")))
    events = asyncio.run(poll.next_events([EVENT]))
    world.notes.setdefault("handed over", []).extend(event.key for event in events)
    asyncio.run(poll.clear(poll.handed_over_before(math.inf)))
    return events


def event_claims(world: World, value: Any) -> Mapping[Hashable, Status]:
    left = world.notes["poll"].handed_over_before(math.inf)
    return {"events": "waiting" if left or "trying again" in world.said.getvalue() else "done"}


def no_event_is_lost(world: World) -> Mapping[Hashable, Truth]:
    queued = {f"{row.message_id}-{row.id}" for row in world.portal.events.all()}
    known = {*queued, *world.notes.get("handed over", [])}
    return {"events": ("before" if len(queued) == 3 else "wanted") if len(known) == 3 else "other"}


def change_some(world: World) -> None:
    world.notes["since"] = world.portal.state.now
    world.clock.sleep(60)
    for contact in (7, 8, 9):
        world.portal.update_record("contact", contact, NAME="Ana")
    world.clock.sleep(60)


def find(world: World) -> Any:
    from airflow_provider_b24.hooks.changes import find_changes

    return find_changes(WEBHOOK, "crm.item.list", {"entityTypeId": 3}, "updatedTime", world.notes["since"])


def found_or_still_to_come(world: World, value: Any) -> bool:
    """Whether the changes were found; with a clock that is behind, the next poll begins at the same time."""
    return value["ids"] == [7, 8, 9] or (not value["ids"] and value["until"] == world.notes["since"])


def polling_paths() -> list[Path]:
    return [
        Path(
            "sensor",
            "read",
            poke,
            lambda w, v: not v.is_done or v.xcom_value["ID"] == "7",
            claims=poke_claims,
            polls=True,
        ),
        Path("notifier", "blind", notify, truth=told, claims=notify_claims, polls=True, never_fails=True),
        Path(
            "offline events",
            "read",
            fetch_events,
            truth=no_event_is_lost,
            claims=event_claims,
            prepare=queue_events,
            polls=True,
            never_fails=True,
            oauth=True,
        ),
        Path("changes", "read", find, found_or_still_to_come, prepare=change_some, polls=True),
    ]


def all_paths() -> list[Path]:
    """Every path; Airflow must be ready."""
    return [*contact_paths(), *call_paths(), *list_paths(), *sync_paths(), *polling_paths()]
