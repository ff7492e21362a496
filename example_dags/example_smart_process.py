"""Export the items of a smart process to a CSV file that people can read.

Beside each code there is its name: of stages, pipelines, options, and, with the scope ``user``, of users. The
file ``.schema.json`` describes the columns.
"""

import os
import tempfile

from airflow.providers.common.compat.sdk import dag

from airflow_provider_b24.operators.export import Bitrix24ExportOperator

FOLDER = os.environ.get("BITRIX24_EXAMPLES", tempfile.gettempdir())
PROJECTS = 128  # the smart process's entityTypeId: see the address of its page, or crm.type.list


@dag(schedule=None, tags=["bitrix24"], doc_md=__doc__)
def example_smart_process():
    Bitrix24ExportOperator(
        task_id="export_projects",
        method="crm.item.list",
        parameters={"entityTypeId": PROJECTS},
        output_path=f"{FOLDER}/projects-{{{{ run_id }}}}.csv",
        readable=True,
        schema=True,
    )


example_smart_process()
