"""fast_bitrix24: lists and batches only, so single calls are sent as they are (``raw=True``)."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
from conversation import Question, converse
from fast_bitrix24 import BitrixAsync


def webhook(question: Question, **options: Any) -> BitrixAsync:
    portal = question["portal"]
    url = f"{portal['url']}rest/{portal['user']}/{portal['code']}/"
    return BitrixAsync(url, verbose=False, **options)


def call(question: Question) -> dict[str, Any]:
    async def run() -> dict[str, Any]:
        answer = await webhook(question).call(question["method"], question["params"], raw=True)
        return {"result": answer["result"]}

    try:
        return asyncio.run(run())
    except aiohttp.ClientResponseError as error:
        return {"error": {"status": error.status}}  # it does not read the body of an error


def batch(question: Question) -> dict[str, Any]:
    methods = {method for method, _ in question["commands"]}
    (method,) = methods
    found = asyncio.run(webhook(question).call(method, [params for _, params in question["commands"]]))
    return {"answers": [{"result": result} for result in found]}


def rows(question: Question) -> dict[str, Any]:
    found = asyncio.run(webhook(question).get_all(question["method"], question["params"]))
    return {"rows": found}


def refresh(question: Question) -> dict[str, Any]:
    """Its user brings a function that returns a token; it asks for another one when that is refused."""
    tokens = {name: question[name] for name in ("access_token", "refresh_token")}
    handed_out = []

    async def token() -> str:
        if handed_out:
            app = question["app"] | {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
            async with (
                aiohttp.ClientSession() as session,
                session.post(question["portal"]["url"] + "oauth/token/", data=app) as answer,
            ):
                tokens.update(await answer.json())
        handed_out.append(tokens["access_token"])
        return tokens["access_token"]

    client = BitrixAsync(question["portal"]["url"] + "rest/", token_func=token, verbose=False)
    answer = asyncio.run(client.call("profile", {}, raw=True))
    return {"result": answer["result"], **{name: tokens[name] for name in ("access_token", "refresh_token")}}


if __name__ == "__main__":
    converse(call, batch, rows, refresh)
