"""A portal of one list method that pages in a way of its own, in this process."""

import io
import json
import re
from collections.abc import Callable
from typing import Any

import requests
import urllib3
from requests.adapters import BaseAdapter

from airflow_provider_b24.rest.auth.webhook import WebhookAuth
from airflow_provider_b24.rest.client import Client
from airflow_provider_b24.rest.config import PortalConfig, Webhook
from airflow_provider_b24.rest.transport import Transport
from airflow_provider_b24.sandbox.model import php

Body = dict[str, Any]
REFERENCE = re.compile(r"\$result((?:\[[^\]]+\])+)")


class OddPortal(BaseAdapter):
    """
    Answers every method by ``answer(method, params)``: ``result``, and perhaps ``total`` and ``next``.

    :param batches: whether a batch gets an answer that is one.
    :ivar requests: how many requests came.
    :ivar largest: bytes of the largest request.
    :ivar commands: method and parameters of every command, those inside batches too.
    """

    def __init__(self, answer: Callable[[str, Body], Body], batches: bool = True) -> None:
        super().__init__()
        self.answer = answer
        self.batches = batches
        self.requests = 0
        self.largest = 0
        self.commands: list[tuple[str, Body]] = []

    def send(self, request, **kwargs):
        self.requests += 1
        self.largest = max(self.largest, len(request.body))
        method = request.path_url.rsplit("/", 1)[1]
        params = json.loads(request.body)
        body = self._batch(params) if method == "batch" else self._one(method, params)
        response = requests.Response()
        response.status_code = 200
        response.url = request.url
        response.raw = urllib3.HTTPResponse(
            body=io.BytesIO(json.dumps(body | {"time": {}}).encode()), preload_content=False
        )
        return response

    def close(self) -> None:
        pass

    def _one(self, method: str, params: Body) -> Body:
        self.commands.append((method, params))
        return self.answer(method, params)

    def _batch(self, params: Body) -> Body:
        if not self.batches:
            return {"result": [{"ID": "1"}], "total": 1}
        answers: list[Body] = []
        for command in params["cmd"]:
            method, _, query = command.partition("?")
            given = _resolved(php.parse_str(query), [one["result"] for one in answers])
            answers.append(self._one(method, given))
        parts = {
            name: {} for name in ("result", "result_error", "result_total", "result_next", "result_time")
        }
        for index, one in enumerate(answers):
            parts["result"][str(index)] = one["result"]
            for name in ("total", "next"):
                if name in one:
                    parts[f"result_{name}"][str(index)] = one[name]
        return {"result": parts}


def _resolved(value: Any, results: list[Any]) -> Any:
    if isinstance(value, dict):
        return {str(key): _resolved(inner, results) for key, inner in value.items()}
    match = REFERENCE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return value
    found: Any = results
    for step in re.findall(r"\[([^\]]+)\]", match[1]):
        try:
            found = found[int(step) if isinstance(found, list) else step]
        except (LookupError, ValueError):
            return ""
    return found


def client_of(portal: OddPortal, clock: Any, **keywords: Any) -> Client:
    """A client of the portal."""
    webhook = Webhook(1, "canary0code")
    config = PortalConfig(url="https://portal.example", credentials=webhook)
    return Client(Transport(config, adapter=portal), WebhookAuth(webhook), clock=clock, **keywords)
