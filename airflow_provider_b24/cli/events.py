"""The commands ``events``: which offline events the portal queues for the application of a connection."""

from __future__ import annotations

import contextlib
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from airflow_provider_b24.crm import events
from airflow_provider_b24.errors import Bitrix24Error

if TYPE_CHECKING:
    from airflow_provider_b24.rest.client import Client

NOT_IN_PLAN = "the portal's plan has no extended offline events (rest_offline_extended)"


def run_list(args: Namespace) -> None:
    """List the bound events, and how many are in the queue; raises as ``run_bind`` does."""
    _run(args, _list)


def run_bind(args: Namespace) -> None:
    """
    Let the portal queue events.

    :raises SystemExit: it failed; the text says why, without a secret.
    """
    _run(args, _bind)


def run_unbind(args: Namespace) -> None:
    """Stop queuing events; raises as ``run_bind`` does."""
    _run(args, _unbind)


def _run(args: Namespace, command: Callable[[Client, list[str]], None]) -> None:
    # Both import Airflow, which takes seconds.
    from airflow.providers.common.compat.sdk import AirflowNotFoundException

    from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook

    try:
        names = [events.event_name(name) for name in getattr(args, "event", [])]
        with contextlib.closing(Bitrix24Hook(args.conn_id).get_conn()) as client:
            command(client, names)
    except (Bitrix24Error, AirflowNotFoundException) as error:
        failure = str(error)
    else:
        return
    raise SystemExit(failure)


def _list(client: Client, names: list[str]) -> None:
    bound = _bound(client)
    for name in bound:
        waiting = client.call("event.offline.list", {"filter": {"=EVENT_NAME": name}}).total or 0
        _say(f"{name}  {waiting} in the queue")
    if not bound:
        _say("No offline events are bound.")
    if not _can_reserve(client):
        _say(f"{NOT_IN_PLAN}: Bitrix24EventTrigger cannot reserve them.")


def _bind(client: Client, names: list[str]) -> None:
    if not _can_reserve(client):
        raise Bitrix24Error(f"{NOT_IN_PLAN}. Use Bitrix24ChangesTrigger, which polls a list")
    bound = _bound(client)
    for name in names:
        if name not in bound:
            client.perform(events.bind(name))
        _say(f"{name}  {'was bound already' if name in bound else 'bound'}")


def _unbind(client: Client, names: list[str]) -> None:
    for name in names:
        count = client.perform(events.unbind(name)).result["count"]
        _say(f"{name}  {'unbound' if count else 'was not bound'}")


def _bound(client: Client) -> list[str]:
    """The events that the portal queues for this application, in upper case."""
    handlers = client.call("event.get").result
    return sorted({str(one["event"]).upper() for one in handlers if int(one.get("offline") or 0)})


def _can_reserve(client: Client) -> bool:
    feature = client.call("feature.get", {"CODE": "rest_offline_extended"}).result
    return isinstance(feature, Mapping) and feature.get("value") == "Y"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
