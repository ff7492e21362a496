"""Waits until the portal's two limits let a request leave."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_b24.rest.exchange import Exchange
from airflow_provider_b24.rest.limits.bucket import Turn
from airflow_provider_b24.rest.retry import RetryBudget, long_wait


def wait_turn(exchange: Exchange, methods: Sequence[str], budget: RetryBudget) -> None:
    """
    Sleep until a request may leave that uses up operating time of these methods.

    :raises Bitrix24OperatingLimitError: the wait for operating time is longer than the budget allows.
    """
    ready_at, method = max((exchange.ledger.ready_at(method), method) for method in methods)
    wait = ready_at - exchange.clock.now()
    if wait > 0:
        if not budget.outlasts(ready_at):
            raise long_wait(method, ready_at)
        exchange.hold(wait)
    turn = Turn(exchange.bucket, exchange.clock)
    while (wait := turn.wait()) > 0:
        exchange.hold(wait)
