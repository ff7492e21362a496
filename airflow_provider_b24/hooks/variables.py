"""
Airflow's Variables, in a task and elsewhere: the only module that uses names of Airflow that are not public.

- ``SUPERVISOR_COMMS`` in ``airflow.sdk.execution_time.task_runner`` (Airflow 3.0 to 3.3) is set in a task.
- ``_AIRFLOW_PROCESS_CONTEXT`` in the environment (3.1 to 3.3) is ``client`` in processes of a worker, which
  must not use the database.
- ``airflow.models.variable`` (2.11 to 3.3) uses the database, as Airflow's own servers and commands do.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from airflow_provider_b24.errors import Bitrix24ConfigError


def get_variable(key: str) -> str | None:
    """
    Return the value of a Variable; None if there is none.

    :raises Bitrix24ConfigError: this process has no access to Variables.
    """
    variables = _variables()
    in_task = variables.__module__.startswith("airflow.sdk")
    value: str | None = variables.get(key, **{"default" if in_task else "default_var": None})
    return value


def set_variable(key: str, value: str, description: str) -> None:
    """Store a Variable; raises as ``get_variable`` does."""
    _variables().set(key, value, description=description)


def delete_variable(key: str) -> None:
    """Delete a Variable; raises as ``get_variable`` does."""
    _variables().delete(key)


def _variables() -> Any:
    runner = sys.modules.get("airflow.sdk.execution_time.task_runner")
    if getattr(runner, "SUPERVISOR_COMMS", None) is not None:
        from airflow.providers.common.compat.sdk import Variable

        return Variable
    if os.environ.get("_AIRFLOW_PROCESS_CONTEXT") == "client":
        raise Bitrix24ConfigError(
            "this process has no access to Airflow's Variables, and a refresh token used here would be lost. "
            "Test this connection with 'airflow connections test' or in a task"
        )
    from airflow.models.variable import Variable as DatabaseVariable

    return DatabaseVariable
