"""One question to a portal that answers with arbitrary bytes: the end is a reply or a `Bitrix24Error`."""

import io
import itertools
from http.client import HTTPMessage

import requests
import urllib3
from requests.adapters import BaseAdapter

from airflow_provider_b24.errors import Bitrix24Error
from airflow_provider_b24.rest.auth.webhook import WebhookAuth
from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.rest.client import Client
from airflow_provider_b24.rest.config import PortalConfig, Webhook
from airflow_provider_b24.rest.transport import Transport
from tests.rest.conftest import FakeClock

STATUSES = (200, 200, 200, 400, 401, 403, 404, 413, 429, 500, 502, 503, 504)
MOST_ROWS = 10_000
LISTS = ("crm.contact.list", "department.get")  # by id and by offset
CALLS = [
    Call("crm.contact.get", {"id": 1}),
    Call("crm.contact.company.items.set", {"id": 2, "items": [{"COMPANY_ID": 3}]}),
    Call("crm.contact.add", {"fields": {"NAME": "Ann"}}),
]


class BytesAdapter(BaseAdapter):
    """Answers every request with the same status and bytes."""

    status = 200
    body = b""

    def send(self, request, **kwargs):
        response = requests.Response()
        response.status_code, response.url = self.status, request.url
        response.raw = urllib3.HTTPResponse(
            io.BytesIO(self.body), HTTPMessage(), self.status, preload_content=False
        )
        return response

    def close(self) -> None:
        pass


WEBHOOK = Webhook(1, "canary0code")
PORTAL = BytesAdapter()
TRANSPORT = Transport(PortalConfig("https://portal.example", WEBHOOK, max_parallel=1), adapter=PORTAL)


def ask(data: bytes) -> None:
    """
    Ask for a call, a batch, a list, or a list by offset and read the answer.

    :param data: one byte chooses the question, one the status; the others are the body of every answer.
    """
    question, PORTAL.status, PORTAL.body = data[0] % 5, STATUSES[data[1] % len(STATUSES)], data[2:]
    client = Client(TRANSPORT, WebhookAuth(WEBHOOK), clock=FakeClock(), retry_timeout=0.0)
    try:
        if question == 0:
            client.call("profile")
        elif question == 1:
            check(client.batch(CALLS))
        elif question == 2:
            check(client.batch(CALLS, halt=True))
        else:
            rows = itertools.islice(client.pages(LISTS[question - 3]), MOST_ROWS)
            # A total that is too large cannot be told from a list of so many rows.
            assert sum(1 for _ in rows) < MOST_ROWS or b"total" in PORTAL.body, "the list has no end"
    except Bitrix24Error as error:
        check_text(error)


def check(outcomes) -> None:
    assert [outcome.call for outcome in outcomes] == CALLS
    for outcome in outcomes:
        assert outcome.ok == (outcome.error is None)
        if outcome.error is not None:
            check_text(outcome.error)


def check_text(error: Bitrix24Error) -> None:
    """An error can be written to a log and tells no secret."""
    assert b"canary0code" not in str(error).encode()
