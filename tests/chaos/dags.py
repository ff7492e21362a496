"""The DAGs of the cluster."""

import os
import time
from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook
from airflow_provider_b24.operators.export import Bitrix24ExportOperator
from airflow_provider_b24.operators.sync import SyncContactCompaniesOperator

HOME = os.environ["CHAOS_HOME"]
AGAIN = {"retries": 9, "retry_delay": timedelta(0)}
START = pendulum.datetime(2026, 1, 1)

with DAG("sync", schedule=None, start_date=START, default_args=AGAIN):
    SyncContactCompaniesOperator(
        task_id="sync",
        bitrix24_conn_id="portal",
        bindings_path=f"{HOME}/wanted.jsonl",
        report_path=HOME + "/{{ run_id }}.report.jsonl",
        deferrable=True,
    )

with DAG("export", schedule=None, start_date=START, default_args=AGAIN):
    Bitrix24ExportOperator(
        task_id="export",
        bitrix24_conn_id="portal",
        method="crm.contact.list",
        parameters={"select": ["ID", "NAME"]},
        output_path=HOME + "/{{ run_id }}.rows.jsonl",
        deferrable=True,
    )

with DAG("paced", schedule=None, start_date=START):

    @task
    def call(number, conn_id, seconds, **context):
        """Call a method again and again; return the worker and how many calls there were."""
        hook = Bitrix24Hook(conn_id)
        until, calls = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            hook.call("crm.contact.get", {"id": number + 1})
            calls += 1
        return [os.environ["TMPDIR"], calls]

    @task
    def numbers(**context):
        conf = context["dag_run"].conf
        return [
            {"number": number, "conn_id": conf["conn_id"], "seconds": conf["seconds"]}
            for number in range(conf["tasks"])
        ]

    call.expand_kwargs(numbers())
