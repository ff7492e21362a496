"""A tab with the report of a sync or an export, on the page of its task in Airflow's UI (3.1 and newer)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from airflow.providers.common.compat.sdk import AirflowPlugin

PREFIX = "/bitrix24-report"
_QUERY = "dag_id={DAG_ID}&run_id={RUN_ID}&task_id={TASK_ID}&map_index={MAP_INDEX}"  # Airflow fills it in


async def serve(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[Any]],
    send: Callable[[Any], Awaitable[None]],
) -> None:
    """Answer a request. Only the API server comes here, so that only it imports FastAPI."""
    from airflow_provider_b24.plugins.api import app

    await app(scope, receive, send)


class Bitrix24Plugin(AirflowPlugin):
    """Airflow 2.11 and 3.0 ignore the view."""

    name = "bitrix24"
    fastapi_apps: list[Any] = [  # noqa: RUF012  # Airflow reads it from the class
        {"app": serve, "url_prefix": PREFIX, "name": "Bitrix24 report"},
    ]
    external_views: list[Any] = [  # noqa: RUF012  # as above
        {
            "name": "Bitrix24 report",
            # Relative to the page's base address: Airflow may be served below a path ([api] base_url).
            "href": f"{PREFIX.lstrip('/')}/?{_QUERY}",
            "destination": "task_instance",
            "url_route": "bitrix24-report",
        }
    ]
