"""Where an incremental export keeps its watermark between runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import Variable

from airflow_provider_b24.errors import Bitrix24ConfigError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

_PREFIX = "bitrix24_watermark"


class WatermarkStore:
    """
    The state store of the task's asset, or an Airflow Variable.

    The asset is used on Airflow 3.3 and newer, if the task has exactly one, as an outlet or an inlet.
    In both, the key is ``bitrix24_watermark__<dag_id>__<task_id>``, and one for each instance of a mapped
    task: several tasks may share an asset, and each has read something else.

    :param context: of the running task.
    """

    def __init__(self, context: Context) -> None:
        ti: Any = context["ti"]
        task: Any = context["task"]
        index = getattr(ti, "map_index", -1)
        mapped = f"__{index}" if isinstance(index, int) and index >= 0 else ""
        self._asset: Any = None
        if len([*task.inlets, *task.outlets]) == 1:
            self._asset = context.get("asset_state_store")
        self._key = f"{_PREFIX}__{ti.dag_id}__{ti.task_id}{mapped}"

    def load(self) -> str | None:
        """
        Return the watermark of the last run that succeeded; None if there was none.

        :raises Bitrix24ConfigError: what is stored is not text.
        """
        found = self._asset.get(self._key) if self._asset is not None else self._load_variable()
        if found is None or isinstance(found, str):
            return found or None
        raise Bitrix24ConfigError(f"the stored watermark must be text, got {type(found).__name__}")

    def save(self, watermark: str) -> None:
        """Store the watermark of a run that succeeded."""
        if self._asset is not None:
            self._asset.set(self._key, watermark)
        else:
            Variable.set(self._key, watermark)

    def _load_variable(self) -> Any:
        return Variable.get(self._key, None)
