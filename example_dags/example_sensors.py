"""Wait for the CRM: for a record, a count, a field, and the companies of a contact.

The sensors call the portal once a minute. Deferrable ones wait in the triggerer and take no worker slot.
"""

from airflow.providers.common.compat.sdk import dag

from airflow_provider_b24.sensors.bitrix24 import Bitrix24Sensor

CONTACT = 83


@dag(schedule=None, tags=["bitrix24"], doc_md=__doc__)
def example_sensors():
    exists = Bitrix24Sensor(
        task_id="wait_for_the_contact",
        method="crm.item.list",
        parameters={"entityTypeId": 3, "filter": {"@id": [CONTACT]}, "select": ["id"]},
        timeout=3600,
    )
    enough = Bitrix24Sensor(
        task_id="wait_for_ten_companies",
        method="crm.item.list",
        parameters={"entityTypeId": 4, "select": ["id"]},
        until="total >= 10",
        mode="reschedule",
    )
    filled = Bitrix24Sensor(
        task_id="wait_for_the_position",
        method="crm.item.get",
        parameters={"entityTypeId": 3, "id": CONTACT},
        until="result.item.post == 'Chief accountant'",
        deferrable=True,
    )
    bound = Bitrix24Sensor(
        task_id="wait_for_the_companies",
        method="crm.contact.company.items.get",
        parameters={"id": CONTACT},
        until="result | map(attribute='COMPANY_ID') | map('int') | sort == [8, 31]",
        soft_fail=True,  # the tasks behind it are skipped if it is not so within the timeout
        timeout=600,
        deferrable=True,
    )
    exists >> [enough, filled, bound]


example_sensors()
