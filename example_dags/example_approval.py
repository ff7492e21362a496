"""Plan a sync, let a person approve it, then write exactly what was approved. Needs Airflow 3.1.

A contact that somebody changes in the CRM after the plan was made is skipped, and listed in the report.
"""

import os
import tempfile

from airflow.providers.common.compat.sdk import dag, task
from airflow.providers.standard.operators.hitl import ApprovalOperator

from airflow_provider_b24.notifications.bitrix24 import Bitrix24Notifier
from airflow_provider_b24.operators.sync import SyncContactCompaniesOperator

FOLDER = os.environ.get("BITRIX24_EXAMPLES", tempfile.gettempdir())
WANTED = {"82": [8, 9], "83": [10], "84": [31]}
SUMMARY = """
{%- set plan = ti.xcom_pull('plan') -%}
{{ plan['planned'] }} of {{ plan['contacts'] }} contacts would change. Every change is listed in the tab
*Bitrix24 report* of the task *plan*, and in `{{ plan['report_path'] }}`.
"""


@dag(schedule=None, tags=["bitrix24"], doc_md=__doc__)
def example_approval():
    plan = SyncContactCompaniesOperator(
        task_id="plan",
        bindings=WANTED,
        report_path=f"{FOLDER}/plan-{{{{ run_id }}}}.jsonl",
        dry_run=True,
    )

    @task.short_circuit
    def is_needed(summary: dict[str, int]) -> bool:
        """Return whether anything would change. If not, nobody is asked."""
        return summary["planned"] > 0

    approve = ApprovalOperator(
        task_id="approve",
        subject="Change the companies of contacts in Bitrix24?",
        body=SUMMARY,
        notifiers=Bitrix24Notifier("A sync waits for your approval: {{ dag.dag_id }}", user_id=1),
    )

    apply = SyncContactCompaniesOperator(
        task_id="apply",
        bindings_path="{{ ti.xcom_pull('plan')['report_path'] }}",
        apply_plan=True,
        report_path=f"{FOLDER}/applied-{{{{ run_id }}}}.jsonl",
    )
    is_needed(plan.output) >> approve >> apply


example_approval()
