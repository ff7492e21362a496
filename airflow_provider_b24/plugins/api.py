"""What the report tab asks Airflow's API server for."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from itertools import chain, islice
from typing import Annotated, Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from sqlalchemy import select

from airflow_provider_b24.errors import Bitrix24ConfigError
from airflow_provider_b24.files.rows import rows_of
from airflow_provider_b24.hooks.settings import read_report_locations
from airflow_provider_b24.hooks.storage import parse_path
from airflow_provider_b24.operators.progress import REPORT_KEY
from airflow_provider_b24.plugins.report import (
    is_below,
    read_summary,
    read_timeline,
    report_contact,
    report_page,
)

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
        """Return what its latest try stored in XCom; None if nothing."""
        query = select(XComModel).filter_by(
            dag_id=self.dag_id,
            run_id=self.run_id,
            task_id=self.task_id,
            map_index=self.map_index,
            key=key,
        )
        with create_session() as session:
            row = session.scalars(query).first()
            return None if row is None else XComModel.deserialize_value(row)

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
    if shown is None:
        raise HTTPException(
            404, "This task has not returned a summary of a sync or an export, or it is running."
        )
    timeline, portal = read_timeline(instance.stored(REPORT_KEY))
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
    name = "".join(
        one if one.isalnum() or one in "-_." else "_" for one in f"{instance.dag_id}-{instance.task_id}"
    )
    headers = {"Content-Disposition": f'attachment; filename="{name[:100]}-report.jsonl"', **PRIVATE}
    return StreamingResponse(lines, media_type="application/x-ndjson", headers=headers)


def _line(row: Any) -> str:
    contact = report_contact(row)
    return "" if contact is None else f"{json.dumps(contact, ensure_ascii=False)}\n"


def _private(content: dict[str, Any]) -> JSONResponse:
    return JSONResponse(content, headers=PRIVATE)
