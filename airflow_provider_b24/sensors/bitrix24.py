"""Waits until a record, a count, a field or a contact's companies are as wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)

from airflow_provider_b24 import DEFAULT_CONN_ID
from airflow_provider_b24.crm.values import is_missing
from airflow_provider_b24.errors import Bitrix24Error
from airflow_provider_b24.operators.templated import parse_optional_mapping

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_b24.operators.templated import Templated


class Bitrix24Sensor(BaseSensorOperator):
    """
    Wait until a REST method, called again and again, answers as wanted; returns its ``result``.

    - A record exists: ``method="crm.item.list", parameters={"entityTypeId": 3, "filter": {"email": ...}}``.
    - A count: the same with ``until="total >= 100"``.
    - A field: ``method="crm.item.get", parameters={"entityTypeId": 2, "id": 7},
      until="result.item.stageId == 'WON'"``.
    - A contact's companies: ``method="crm.contact.company.items.get", parameters={"id": 82},
      until="result | map(attribute='COMPANY_ID') | map('int') | sort == [8, 9]"``.

    A record that does not exist yet, a portal that is down and a limit that passes do not fail the task
    before its ``timeout``. Errors that do not pass fail it at once: bad parameters, no permission, an
    expression that does not fit the result. ``mode``, ``poke_interval``, ``timeout``, ``soft_fail`` and the
    like are those of every sensor in Airflow.

    :param method: name of a method that reads (templated). It is called once per ``poke_interval``, and a
        list's first page counts, with its ``total``.
    :param parameters: its parameters, JSON values (templated). Not ``params``: that word is Airflow's own.
    :param until: a Jinja expression over ``result`` and ``total`` (templated). None: the result has
        a value; for a list, at least one row, in whatever shape the method answers. A field that the result
        lacks is an error, so that a misspelled one does not wait forever; use
        ``result.get('name')`` for one that may be missing.
    :param deferrable: wait in the triggerer, without a worker slot; ``mode`` has no effect then, and neither
        has ``exponential_backoff``.
    :param bitrix24_conn_id: id of the connection (templated).
    """

    template_fields: Sequence[str] = ("method", "parameters", "until", "bitrix24_conn_id")
    template_fields_renderers = {"parameters": "json"}  # noqa: RUF012  # Airflow's own way to declare it
    ui_color = "#d5f1fc"

    def __init__(
        self,
        *,
        method: Templated[str],
        parameters: Templated[Mapping[str, Any]] | None = None,
        until: Templated[str] | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        bitrix24_conn_id: str = DEFAULT_CONN_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.method: Any = method  # rendered by the time it is used
        self.parameters: Any = parameters
        self.until: Any = until
        self.deferrable = deferrable
        self.bitrix24_conn_id = bitrix24_conn_id

    def execute(self, context: Context) -> Any:
        if not self.deferrable:
            return super().execute(context)
        try:
            answer = self.poke(context)
        except AirflowFailException as error:
            if not (self.soft_fail or self.never_fail):
                raise
            reason = str(error)
        else:
            return answer.xcom_value if answer.is_done else self._wait_in_triggerer()
        raise AirflowSkipException(reason)

    def poke(self, context: Context) -> PokeReturnValue:
        """
        Look once.

        :raises AirflowFailException: waiting is pointless.
        """
        from airflow_provider_b24.hooks.polling import poke  # not needed to parse a DAG

        try:
            reply = poke(self.bitrix24_conn_id, self.method, self._parameters(), self._until(), self.log)
        except Bitrix24Error as error:
            message = str(error)
        else:
            return PokeReturnValue(reply is not None, reply.result if reply else None)
        self.log.error("%s", message)
        raise AirflowFailException(message)  # outside of except: the log shows one traceback

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> Any:
        """
        Return what the trigger waited for.

        :raises AirflowFailException: waiting was pointless, or the event is none of the trigger's.
        """
        status = event.get("status") if isinstance(event, Mapping) else None
        if event is not None and status == "success":
            return event.get("result")
        message = event.get("message") if event is not None and status == "error" else None
        raise AirflowFailException(message or f"the trigger sent an unknown event: {event!r:.80}")

    def _wait_in_triggerer(self) -> None:
        from airflow_provider_b24.rest.calls import Call
        from airflow_provider_b24.rest.encoding import json_params
        from airflow_provider_b24.triggers.sensor import Bitrix24SensorTrigger

        call = Call(self.method, self._parameters())
        trigger = Bitrix24SensorTrigger(
            method=call.method,
            parameters=json_params(call),
            until=self._until(),
            poke_interval=self.poke_interval,
            bitrix24_conn_id=self.bitrix24_conn_id,
        )
        self.defer(trigger=trigger, method_name="execute_complete", timeout=timedelta(seconds=self.timeout))

    def _parameters(self) -> Mapping[str, Any]:
        return parse_optional_mapping(self.parameters, "parameters") or {}

    def _until(self) -> Any:
        return None if is_missing(self.until) else self.until
