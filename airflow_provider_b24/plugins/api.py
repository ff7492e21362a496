"""What the report tab asks Airflow's API server for."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from itertools import chain, islice
from typing import Annotated, Any
from urllib.parse import quote

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from sqlalchemy import select

from airflow_provider_b24.errors import Bitrix24ConfigError, Bitrix24Error
from airflow_provider_b24.files.rows import rows_of
from airflow_provider_b24.hooks.settings import read_report_locations
from airflow_provider_b24.hooks.storage import parse_path
from airflow_provider_b24.operators.task_run import REPORT_KEY
from airflow_provider_b24.plugins.report import (
    is_below,
    read_summary,
    read_timeline,
    report_contact,
    report_page,
)
from airflow_provider_b24.plugins.xcoms import read_xcom

PAGE_SIZE = 50
PRIVATE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

app = FastAPI(
    title="Bitrix24 report",
    openapi_url=None,
    # On every address: Airflow does not protect the apps of plugins. What is shown comes from XCom.
    dependencies=[Depends(requires_access_dag("GET", DagAccessEntity.XCOM))],
)


@dataclass(frozen=True)
class TaskInstanceId:
    """Which task instance is shown; ``map_index`` is -1 if its task is not mapped."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int

    def stored(self, key: str) -> Any:
        """
        Return what its latest try stored in XCom; None if nothing.

        :raises HTTPException: it is in object storage and cannot be read.
        """
        # Airflow 3.1 fills ids into the address as they are, and a + in an address is read as a space.
        runs = {self.run_id, self.run_id.replace(" ", "+")}
        query = select(XComModel.run_id, XComModel.value).where(
            XComModel.dag_id == self.dag_id,
            XComModel.run_id.in_(runs),
            XComModel.task_id == self.task_id,
            XComModel.map_index == self.map_index,
            XComModel.key == key,
        )
        with create_session() as session:
            values = {row.run_id: row.value for row in session.execute(query)}
        value = values.get(self.run_id, next(iter(values.values()), None))
        try:
            return read_xcom(value)
        except Bitrix24Error as error:
            raise HTTPException(404, str(error)) from None

    def rows(self, after: int = 0) -> Iterator[tuple[int, Any]]:
        """
        Yield the lines of its report.

        :raises HTTPException: it has none, or the API server may not or cannot read it.
        """
        returned = self.stored("return_value")
        path = returned.get("report_path") if read_summary(returned) is not None else None
        if not isinstance(path, str) or not path:
            raise HTTPException(404, "The task has no report: its report_path is not set.")
        try:
            if not is_below(path, read_report_locations()):
                raise HTTPException(
                    404,
                    "The API server cannot read the report: it does not exist on this machine, or its folder "
                    "is not listed in [bitrix24] report_locations.",
                )
            yield from rows_of(parse_path(path, "report_path"), after=after)
        except Bitrix24ConfigError as error:
            raise HTTPException(404, str(error)) from None
        except (ValueError, OSError):  # its text may quote the file
            raise HTTPException(404, "The API server cannot read the report.") from None


# A function: the FastAPI of Airflow 3.0 and 3.1 cannot read the annotations of a class.
def asked_instance(
    dag_id: str,
    run_id: str,
    task_id: str,
    map_index: Annotated[str, Query(pattern=r"^(-?\d{1,9}|\{MAP_INDEX\})$")] = "-1",
) -> TaskInstanceId:
    """
    Return the task instance that the address names; the permission above is checked for the same ``dag_id``.

    :param map_index: Airflow leaves the placeholder as it is if the task is not mapped.
    """
    index = -1 if map_index == "{MAP_INDEX}" else int(map_index)
    return TaskInstanceId(dag_id, run_id, task_id, index)


Instance = Annotated[TaskInstanceId, Depends(asked_instance)]


@app.get("/")
def page(instance: Instance) -> HTMLResponse:
    """The page itself: style and script in it, nothing from elsewhere."""
    nonce = secrets.token_urlsafe(16)
    html = files(__package__).joinpath("static/report.html").read_text("utf-8")
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )
    return HTMLResponse(
        html.replace("{NONCE}", nonce), headers={"Content-Security-Policy": policy, **PRIVATE}
    )


@app.get("/summary")
def summary(instance: Instance) -> JSONResponse:
    """The counts of a sync, an export or a load, and how it went over time."""
    returned = instance.stored("return_value")
    shown = read_summary(returned)
    if shown is None and isinstance(returned, str):
        raise HTTPException(
            404,
            "This task has returned text, not a summary. Of the XCom backends that store values elsewhere, "
            "the tab can read that of apache-airflow-providers-common-io.",
        )
    if shown is None:
        raise HTTPException(
            404, "This task has not returned a summary of a sync or an export, or it is running."
        )
    try:
        more = instance.stored(REPORT_KEY)
    except HTTPException:  # the counts are shown all the same
        more = None
    timeline, portal = read_timeline(more)
    return _private(
        {**shown, "timeline": timeline, "portal": portal, "report": bool(returned.get("report_path"))}
    )


@app.get("/contacts")
def contacts(
    instance: Instance,
    after: Annotated[int, Query(ge=0)] = 0,
    status: Annotated[list[str], Query(max_length=5)] = [],  # noqa: B006  # FastAPI copies it
    search: Annotated[str, Query(max_length=100)] = "",
) -> JSONResponse:
    """One page of the report's contacts: those after a line of the report."""
    rows = instance.rows(after)
    return _private(report_page(rows, limit=PAGE_SIZE, statuses=frozenset(status), search=search))


@app.get("/report.jsonl")
def download(instance: Instance) -> StreamingResponse:
    """The whole report, as JSON lines."""
    rows = instance.rows()
    first = list(islice(rows, 1))  # a report that cannot be read is an error, not an empty file
    lines = (_line(row) for _, row in chain(first, rows))
    headers = {"Content-Disposition": _attachment(f"{instance.dag_id}-{instance.task_id}"), **PRIVATE}
    return StreamingResponse(lines, media_type="application/x-ndjson", headers=headers)


def _attachment(name: str) -> str:
    """Return the header that names a download; a header's text is ASCII, and ids need not be."""
    safe = "".join(one if one.isalnum() or one in "-_." else "_" for one in name)[:100]
    plain = "".join(one if one.isascii() else "_" for one in safe)
    more = "" if plain == safe else f"; filename*=UTF-8''{quote(safe)}-report.jsonl"
    return f'attachment; filename="{plain}-report.jsonl"{more}'


def _line(row: Any) -> str:
    contact = report_contact(row)
    return "" if contact is None else f"{json.dumps(contact, ensure_ascii=False)}\n"


def _private(content: dict[str, Any]) -> JSONResponse:
    return JSONResponse(content, headers=PRIVATE)
