"""Tell people in the portal how the DAG is doing.

A task that fails writes to a chat and rings the bell of the person on duty. The connection needs the
scope im.
"""

import os

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_b24.notifications.bitrix24 import Bitrix24Notifier

ON_DUTY = 1  # a user's id


@dag(
    schedule=None,
    on_success_callback=Bitrix24Notifier("All contacts are checked.", dialog_id="chat42"),
    tags=["bitrix24"],
    doc_md=__doc__,
)
def example_notifications():
    @task(
        on_success_callback=Bitrix24Notifier("{{ ti.task_id }} of {{ ti.dag_id }} is done.", user_id=ON_DUTY),
        on_failure_callback=[  # without a text: DAG, task, run, try, the error and a link to the log
            Bitrix24Notifier(dialog_id="chat42"),
            Bitrix24Notifier(user_id=ON_DUTY),
        ],
    )
    def count_companies() -> dict[str, int]:
        """Fail if the contact has no companies."""
        from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook  # not needed to parse the DAG

        contact = int(os.environ.get("BITRIX24_EXAMPLE_CONTACT", "82"))
        companies = Bitrix24Hook().get_contact_companies(contact)
        if not companies:
            raise ValueError(f"contact {contact} has no companies")
        return {"contact": contact, "companies": len(companies)}

    count_companies()


example_notifications()
