"""Links from a task in Airflow's UI to the record in the portal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, Context
    from airflow.sdk.types import TaskInstanceKey


class _StoredLink(BaseOperatorLink):
    """An address that the task itself stored in XCom under ``key``."""

    key: ClassVar[str]

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address that the task stored; empty before it ran."""
        return XCom.get_value(key=self.key, ti_key=ti_key) or ""

    @classmethod
    def persist(cls, context: Context, url: str) -> None:
        """Store the address for ``get_link``: only the worker knows the connection."""
        ti: Any = context["ti"]
        ti.xcom_push(key=cls.key, value=url)


class Bitrix24ContactLink(_StoredLink):
    """The card of the contact that a task worked on."""

    name = "Bitrix24 contact"
    key = "bitrix24_contact_url"


class Bitrix24RecordLink(_StoredLink):
    """The card of the contact, company, deal, lead or smart-process item that a task read or wrote."""

    name = "Bitrix24 record"
    key = "bitrix24_record_url"
