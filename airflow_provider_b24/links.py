"""Links from a task in Airflow's UI to the record in the portal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, Context
    from airflow.sdk.types import TaskInstanceKey

CONTACT_LINK_KEY = "bitrix24_contact_url"


class Bitrix24ContactLink(BaseOperatorLink):
    """The card of the contact that a task worked on."""

    name = "Bitrix24 contact"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address that the task stored; empty before it ran."""
        return XCom.get_value(key=CONTACT_LINK_KEY, ti_key=ti_key) or ""

    @staticmethod
    def persist(context: Context, url: str) -> None:
        """Store the address for ``get_link``: only the worker knows the connection."""
        ti: Any = context["ti"]
        ti.xcom_push(key=CONTACT_LINK_KEY, value=url)
