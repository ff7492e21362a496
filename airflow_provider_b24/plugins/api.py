"""What the report tab asks Airflow's API server for."""

from __future__ import annotations

import secrets
from importlib.resources import files
from typing import Annotated, Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.responses import HTMLResponse, JSONResponse

from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.files.rows import rows_of
from airflow_provider_b24.hooks.storage import parse_path
from airflow_provider_b24.plugins.report import report_page, summary_fields

PAGE_SIZE = 50

app = FastAPI(
    title="Bitrix24 report",
    openapi_url=None,
    # On every address: Airflow does not protect the apps of plugins. What is shown comes from XCom.
    dependencies=[Depends(requires_access_dag("GET", DagAccessEntity.XCOM))],
)


class TaskInstanceId:
    """Which task instance is shown; the permission above is checked for the same ``dag_id``."""

    def __init__(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> None:
        self.dag_id = dag_id
        self.run_id = run_id
        self.task_id = task_id
        self.map_index = map_index

    def returned(self) -> Any:
        """Return what its latest try returned; None if nothing."""
        with create_session() as session:
            row = session.scalars(
                XComModel.get_many(
                    run_id=self.run_id,
                    key="return_value",
                    task_ids=self.task_id,
                    dag_ids=self.dag_id,
                    map_indexes=self.map_index,
                    limit=1,
                )
            ).first()
            return None if row is None else XComModel.deserialize_value(row)


Instance = Annotated[TaskInstanceId, Depends()]


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
        html.replace("{NONCE}", nonce),
        headers={"Content-Security-Policy": policy, "Cache-Control": "no-store"},
    )


@app.get("/summary")
def summary(instance: Instance) -> JSONResponse:
    """The counts of a sync or an export."""
    returned = instance.returned()
    fields = summary_fields(returned)
    if fields is None:
        raise HTTPException(404, "The latest try of this task has no summary of a sync or an export.")
    return _private({"summary": fields, "has_report": bool(returned.get("report_path"))})


@app.get("/contacts")
def contacts(
    instance: Instance,
    skip: Annotated[int, Query(ge=0)] = 0,
    status: Annotated[list[str], Query(max_length=5)] = [],  # noqa: B006  # FastAPI copies it
    search: Annotated[str, Query(max_length=100)] = "",
) -> JSONResponse:
    """One page of the report's contacts."""
    returned = instance.returned()
    path = returned.get("report_path") if summary_fields(returned) else None
    if not isinstance(path, str) or not path:
        raise HTTPException(404, "This sync has no report: its report_path was not set.")
    try:
        rows = rows_of(parse_path(path, "report_path"))
        found = report_page(rows, skip=skip, limit=PAGE_SIZE, statuses=frozenset(status), search=search)
    except (Bitrix24InputError, OSError):  # its text may name what is not this user's business
        raise HTTPException(
            404, "The API server cannot read the report. Is it on storage that this machine can open?"
        ) from None
    return _private(found)


def _private(content: dict[str, Any]) -> JSONResponse:
    return JSONResponse(content, headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})
