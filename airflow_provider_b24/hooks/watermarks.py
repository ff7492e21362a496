"""
Where an incremental export keeps its watermarks between runs, and how its runs ended.

One text holds the watermarks of a task, by list (``export.watermark``). It is kept under
``bitrix24_watermark__<dag_id>__<task_id>``: in the state store of the task's asset on Airflow 3.3 and newer,
if the task has exactly one outlet or inlet and that is an ``Asset``; else in the Variable of this name.

Mapped task instances write at the same time, so each of their lists has a text of its own, whose name ends
with the list's key.
"""

from __future__ import annotations

import hashlib
import logging
import os
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow.providers.common.compat.sdk import Asset

from airflow_provider_b24.errors import Bitrix24Error, Bitrix24TransportError
from airflow_provider_b24.export.incremental import KeptTime, beginning
from airflow_provider_b24.export.list_key import address, list_key
from airflow_provider_b24.export.watermark import Run, Watermarks
from airflow_provider_b24.hooks.variables import delete_variable, get_variable, set_variable

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

log = logging.getLogger(__name__)

_PREFIX = "bitrix24_watermark"
_LONGEST = 250  # characters of a Variable's key; PostgreSQL and MySQL refuse longer ones
_WRITES = 8  # of a text that others change at the same time
_ASKED = 10  # runs in one request: their ids are part of its address
_TEMPORARY_RUN = "__airflow_temporary_run_"  # how `airflow tasks test` names its runs


class ListRead(NamedTuple):
    """
    What an incremental task reads.

    :ivar portal: the portal's address.
    :ivar method: name of the list method.
    :ivar params: its parameters.
    :ivar incremental: the field with the time of the last change.
    """

    portal: str
    method: str
    params: Mapping[str, Any] | None
    incremental: str


class WatermarkStore:
    """
    The watermark of a list, for one run of a task.

    :param context: of the running task.
    :param read: what it reads.
    """

    def __init__(self, context: Context, read: ListRead) -> None:
        ti: Any = context["ti"]
        self._ti = ti
        self._run = _run_of(context)
        self._key = list_key(*read, task=f"{ti.dag_id} {ti.task_id}")
        self._about = {"method": read.method[:100], "portal": address(read.portal)[:250]}
        mapped = f"__{self._key}" if self._run.index >= 0 else ""
        self._places = _places(context, _name(ti.dag_id, ti.task_id, mapped))
        self._since: KeptTime | None = None

    def begin(self, overlap: float) -> KeptTime | None:
        """
        Note where this run begins, and return it; None: it reads the complete list. The log says so.

        :param overlap: seconds by which reading begins before the watermark.
        :raises Bitrix24ConfigError: what is stored is no watermark, or cannot be changed.
        :raises Bitrix24TransportError: Airflow does not answer.
        """
        state, place = self._load()
        for warning in self._confirm(state):
            log.warning("%s", warning)
        is_known = state.knows(self._key)
        begin = state.begin(self._key, self._run, time.time(), self._about)
        self._since = begin.since
        if not is_known and self._run.index >= 0 and _attempt("confirmed", partial(_has_succeeded, self._ti)):
            begin.warnings.append(
                "No watermark is kept for this list, though this mapped task has succeeded in other runs "
                "(with another portal, method, type, filter or field of change). Reading the complete list"
            )
        for warning in begin.warnings:
            log.warning("%s", warning)
        if begin.since is not None:
            log.info(
                "Reading what changed since %s, %g seconds before the watermark",
                beginning(begin.since, overlap),
                overlap,
            )
        elif not begin.warnings:
            log.info("Reading the complete list: it has no watermark yet")
        if not self._is_test and self._save(state, None) is not place and place is not None:
            _attempt("moved", place.delete)
        return begin.since

    def finish(self, until: str) -> None:
        """
        Note until when this run has read; later runs begin there if Airflow records it as a success.

        :param until: the portal's time before the first row was read.
        :raises Bitrix24Error: as ``begin`` does.
        """
        if self._is_test:
            log.info("A test run does not move the watermark")
            return
        state, _ = self._load()
        self._note(state, until)
        self._save(state, until)

    @cached_property
    def _is_test(self) -> bool:
        """Whether this is ``airflow tasks test``, whose result Airflow does not record."""
        return (
            self._run.run_id.startswith(_TEMPORARY_RUN)
            or getattr(self._ti, "test_mode", False) is True
            or os.environ.get("AIRFLOW_TEST_MODE") == "True"
        )

    def _load(self) -> tuple[Watermarks, _Place | None]:
        """Read the state, also from where it was kept while the task had other outlets."""
        for place in self._places:
            text = _attempt("read", place.get)
            if text:
                return Watermarks(text, place.name), place
        return Watermarks(None, ""), None

    def _confirm(self, state: Watermarks) -> list[str]:
        runs = state.unconfirmed(self._key, self._run)
        statuses = _attempt("confirmed", partial(_statuses, self._ti, runs)) if runs else {}
        return state.confirm(self._key, self._run, statuses)

    def _note(self, state: Watermarks, until: str | None) -> None:
        state.note(self._key, self._run, self._since, until, time.time(), self._about)

    def _save(self, state: Watermarks, until: str | None) -> _Place:
        """
        Store the state where it is kept; in the Variable if the asset is none that Airflow knows.

        Another run of the task may overwrite it at the same time, so it is read again.
        """
        for place in self._places:
            for _ in range(_WRITES):
                with suppress(Bitrix24TransportError):
                    _attempt("written", partial(place.set, state.dump()))
                time.sleep(random.uniform(0.02, 0.1))  # noqa: S311 - so that two writers do not meet again
                stored = Watermarks(_attempt("read", place.get), place.name)
                if stored.has(self._key, self._run, self._since, until):
                    return place
                if stored.knows(self._key):
                    state = stored
                self._note(state, until)
        raise Bitrix24TransportError(
            f"{self._places[0].name} could not be changed: Airflow rejected the value (see its log), a "
            "secrets backend or the environment has a Variable of this name, or too many runs change it",
            sent=False,
        )


class _Place(NamedTuple):
    """Somewhere a text can be kept."""

    name: str  # for messages
    get: Callable[[], Any]
    set: Callable[[str], None]
    delete: Callable[[], None]


def _places(context: Context, key: str) -> list[_Place]:
    """Return where a text is kept, and then where it would be kept if the task had other outlets."""
    task: Any = context["task"]
    store: Any = context.get("asset_state_store")
    variable = _Place(
        f"The Variable {key}",
        partial(get_variable, key),
        lambda text: set_variable(key, text, "Watermarks of an incremental export of a Bitrix24 portal"),
        partial(delete_variable, key),
    )
    if store is None:
        return [variable]
    ends = [*task.inlets, *task.outlets]  # an alias or a reference may lead to no asset at all
    assets = [
        _Place(
            f"The state {key} of the asset {one.name}",
            partial(store[one].get, key),
            partial(store[one].set, key),
            partial(store[one].delete, key),
        )
        for one in ends
        if isinstance(one, Asset)
    ]
    return [*assets, variable] if len(ends) == len(assets) == 1 else [variable, *assets]


def _name(dag_id: str, task_id: str, mapped: str) -> str:
    name = f"{_PREFIX}__{dag_id}__{task_id}"
    if len(name) + len(mapped) > _LONGEST:
        mark = hashlib.sha256(name.encode()).hexdigest()[:32]
        name = f"{name[:150]}__{mark}"
    return f"{name}{mapped}"


def _run_of(context: Context) -> Run:
    ti: Any = context["ti"]
    task: Any = context["task"]
    index = getattr(ti, "map_index", -1)
    tries = getattr(ti, "try_number", 1) or 1
    # Airflow adds the task's retries to the tries so far when a task instance is cleared.
    is_cleared = tries > 1 and (getattr(ti, "max_tries", 0) or 0) > (task.retries or 0)
    due = _due(context.get("dag_run"))
    return Run(ti.run_id, index if isinstance(index, int) and index >= 0 else -1, due, is_cleared)


def _due(dag_run: Any) -> datetime | None:
    """Return the time before which a run cannot have begun; None: unknown."""
    if dag_run is None:
        return None
    names = ("run_after",) if hasattr(dag_run, "run_after") else ("logical_date", "data_interval_end")
    times = [moment for name in names if (moment := getattr(dag_run, name, None)) is not None]
    due = max(times, default=None)
    return due if due is not None and due <= datetime.now(UTC) else None


def _statuses(ti: Any, runs: list[str]) -> dict[tuple[str, int], str | None]:
    """Return how instances of this task ended in other runs, by run id and index."""
    if not hasattr(ti, "get_task_states"):  # Airflow 2
        rows = _instances(ti, lambda model: [model.run_id.in_(runs)])
        return {(run_id, index): state for run_id, index, state in rows}
    found: dict[tuple[str, int], str | None] = {}
    for first in range(0, len(runs), _ASKED):
        asked = runs[first : first + _ASKED]
        answer = ti.get_task_states(dag_id=ti.dag_id, task_ids=[ti.task_id], run_ids=asked)
        for run_id, states in answer.items():
            for name, state in states.items():
                index = -1 if name == ti.task_id else int(name.removeprefix(f"{ti.task_id}_"))
                found[run_id, index] = None if state is None else str(getattr(state, "value", state))
    return found


def _has_succeeded(ti: Any) -> bool:
    """Whether this task has succeeded in another run."""
    if not hasattr(ti, "get_ti_count"):  # Airflow 2
        other = _instances(ti, lambda model: [model.state == "success", model.run_id != ti.run_id], most=1)
        return bool(other)

    def count(**of: Any) -> int:
        found: int = ti.get_ti_count(dag_id=ti.dag_id, task_ids=[ti.task_id], states=["success"], **of)
        return found

    return count() > count(run_ids=[ti.run_id])


def _instances(ti: Any, conditions: Callable[[Any], list[Any]], most: int | None = None) -> list[Any]:
    """Return run id, index and state of instances of this task, from the database of Airflow 2."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    model: Any = TaskInstance
    with create_session() as session:
        query = session.query(model.run_id, model.map_index, model.state)
        query = query.filter(model.dag_id == ti.dag_id, model.task_id == ti.task_id, *conditions(model))
        return list(query.limit(most))


def _attempt(what: str, action: Callable[[], Any]) -> Any:
    """Run the action; an error of Airflow becomes one of ours, which is temporary."""
    try:
        return action()
    except Bitrix24Error:
        raise
    except Exception as error:  # noqa: BLE001 - the errors of Airflow 2 and 3 have no common class
        reason = type(error).__name__
    raise Bitrix24TransportError(f"the watermark cannot be {what}: Airflow failed ({reason})", sent=False)
