"""b24api: webhooks only. Lists are read by their total and by their ids."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from typing import Any

from b24api import (
    ApiResponseError,
    Bitrix24,
    BudgetExceededError,
    ExecutionPolicy,
    IdentityCoercion,
    IdentitySpec,
    ReplaySafety,
    Request,
    ResultSelector,
    RouteKind,
)
from b24api.contracts import Command, CommandFailure, CommandSuccess
from conversation import Question, converse


def webhook(question: Question) -> Bitrix24:
    portal = question["portal"]
    return Bitrix24.from_webhook(f"{portal['url']}rest/{portal['user']}/{portal['code']}/")


def request(method: str, params: dict[str, Any]) -> Request:
    return Request(method, params, ReplaySafety.SAFE, route=RouteKind.BARE)


def refusal(error: Exception) -> dict[str, Any]:
    if not isinstance(error, ApiResponseError):
        raise error
    return {"code": error.original_code, "text": error.description, "status": error.http_status}


def call(question: Question) -> dict[str, Any]:
    policy = ExecutionPolicy()
    if question.get("once"):
        policy = dataclasses.replace(policy, max_attempts_per_request=1)

    async def run() -> Any:
        async with webhook(question) as client:
            return await client.call(request(question["method"], question["params"]), policy=policy)

    try:
        return {"result": asyncio.run(run())}
    except BudgetExceededError as error:
        return {"error": refusal(error.__cause__ or error)}
    except ApiResponseError as error:
        return {"error": refusal(error)}


def batch(question: Question) -> dict[str, Any]:
    commands = [
        Command(request(method, params), correlation=number)
        for number, (method, params) in enumerate(question["commands"])
    ]

    async def run() -> list[dict[str, Any]]:
        async with webhook(question) as client, client.batch_outcomes(commands) as stream:
            return [answer(outcome) async for outcome in stream]

    return {"answers": asyncio.run(run())}


def answer(outcome: Any) -> dict[str, Any]:
    if isinstance(outcome, CommandSuccess):
        return {"result": plain(outcome.result)}
    if isinstance(outcome, CommandFailure):
        return {"error": refusal(outcome.error)}
    return {"raised": type(outcome).__name__}


def plain(value: Any) -> Any:
    """A value of its own frozen kinds as dicts and lists."""
    if hasattr(value, "items"):
        return {name: plain(inner) for name, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def rows(question: Question) -> dict[str, Any]:
    return read(question, lambda client, listed, **options: client.iter_list_counted(listed, **options))


def rows_by_id(question: Question) -> dict[str, Any]:
    return read(question, lambda client, listed, **options: client.iter_list_keyset(listed, **options))


def read(question: Question, walk: Callable[..., AsyncIterator[Any]]) -> dict[str, Any]:
    identity = IdentitySpec(
        item_path=(question["key"],),
        filter_key=question["order"],
        order_key=question["order"],
        coercion=IdentityCoercion.DECIMAL_STRING_INTEGER
        if question["text_ids"]
        else IdentityCoercion.EXACT_INTEGER,
    )
    selector = ResultSelector((question["wrap"],) if question["wrap"] else ())

    async def run() -> list[Any]:
        async with webhook(question) as client:
            listed = request(question["method"], question["params"])
            async with walk(client, listed, selector=selector, identity=identity) as stream:
                return [plain(row) async for row in stream]

    return {"rows": asyncio.run(run())}


if __name__ == "__main__":
    converse(call, batch, rows, rows_by_id)
