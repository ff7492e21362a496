"""Export the companies, compare them with what the ERP knows, and write the result back to the portal.

The ERP knows companies by name, the portal by id. A name that the portal does not know, or knows twice, fails
the DAG before anything is written.
"""

import json
import os
import tempfile
from collections import defaultdict
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath, dag, task

from airflow_provider_b24.operators.export import Bitrix24ExportOperator
from airflow_provider_b24.operators.sync import SyncContactCompaniesOperator

FOLDER = os.environ.get("BITRIX24_EXAMPLES", tempfile.gettempdir())
ERP = [
    {"contact_id": 82, "company": "Aurora Foods GmbH"},
    {"contact_id": 82, "company": "Bellweather & Sons Ltd"},
    {"contact_id": 83, "company": "Hikari Denki K.K."},
]


@dag(schedule=None, tags=["bitrix24"], doc_md=__doc__)
def example_compare_and_sync():
    export = Bitrix24ExportOperator(
        task_id="export_companies",
        method="crm.item.list",
        parameters={"entityTypeId": 4, "select": ["id", "title"]},
        output_path=f"{FOLDER}/companies-{{{{ run_id }}}}.jsonl",
    )

    @task
    def compare(exported: dict[str, Any]) -> list[dict[str, int]]:
        """Return the ERP's rows with the portal's ids."""
        ids = defaultdict(list)
        with ObjectStoragePath(exported["path"]).open("rt") as file:
            for company in map(json.loads, file.readlines()):
                ids[company["title"]].append(company["id"])
        unclear = {row["company"] for row in ERP if len(ids[row["company"]]) != 1}
        if unclear:
            raise ValueError(f"the portal has no company, or several, named {', '.join(sorted(unclear))}")
        return [{"contact_id": row["contact_id"], "company_id": ids[row["company"]][0]} for row in ERP]

    SyncContactCompaniesOperator(
        task_id="sync",
        bindings=compare(export.output),
        report_path=f"{FOLDER}/compared-{{{{ run_id }}}}.jsonl",
    )


example_compare_and_sync()
