"""A million calls of mixed traffic through one client, on a clock that nobody waits for: ``make soak``."""

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator

from airflow_provider_b24.crm.bindings import CompanyBinding
from airflow_provider_b24.crm.contact_company import add_company, get_companies, set_companies
from airflow_provider_b24.rest.auth.webhook import WebhookAuth
from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.rest.client import Client
from airflow_provider_b24.rest.config import PortalConfig, Webhook
from airflow_provider_b24.rest.limits.bucket import PLANS, Bucket, MemoryStore
from airflow_provider_b24.rest.transport import Transport
from airflow_provider_b24.sandbox import Fault, Portal
from tests.rest.conftest import CODE, FakeClock, PortalAdapter

CALLS, SAMPLE = 1_000_000, 100_000
CONTACTS = 1_000  # the portal's own memory must not grow
WARM = 2  # samples that do not count
MOST_GROWTH = 8.0  # MB


def calls(count: int) -> Iterator[Call]:
    for number in range(count):
        contact = number % CONTACTS + 1
        kind = number % 10
        if kind < 6:
            yield set_companies(contact, [CompanyBinding(number % 50 + 1)])
        elif kind < 9:
            yield get_companies(contact)
        else:
            yield add_company(contact, CompanyBinding(7))


def measured() -> tuple[float, int, int]:
    """Resident memory in MB, open files and sockets, threads."""
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    megabytes = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    return megabytes, len(os.listdir("/proc/self/fd")), threading.active_count()


def main(count: int) -> int:
    clock = FakeClock()
    portal = Portal(clock=clock.now, sleep=clock.sleep)
    portal.journal_limit = 0
    portal.add_webhook(1, CODE)
    portal.add_generated(contacts=CONTACTS, companies=50)
    for number, kind in enumerate(["reset", "html_502", "query_limit", "hang", "truncated"]):
        portal.add_fault(Fault(kind, every=101 + number, after=number % 2 == 0))
    webhook = Webhook(1, CODE)
    transport = Transport(PortalConfig("https://portal.example", webhook), adapter=PortalAdapter(portal))
    bucket = Bucket(PLANS["standard"], MemoryStore(), clock)
    client = Client(transport, WebhookAuth(webhook), bucket=bucket, clock=clock)
    samples, statuses, started, began = [], Counter(), time.monotonic(), clock.now()
    for number, outcome in enumerate(client.bulk(calls(count)), 1):
        statuses[outcome.status] += 1
        clock.slept.clear()
        if number % SAMPLE == 0:
            assert sum(1 for _ in client.pages("crm.contact.list")) == CONTACTS
            samples.append(measured())
            memory, files, threads = samples[-1]
            print(f"{number:>9,} calls, {memory:.1f} MB, {files} files, {threads} threads", flush=True)
    hours = (clock.now() - began) / 3600
    print(
        f"{dict(statuses)}, {client.requests:,} requests, {hours:.1f} hours of the portal's time, "
        f"{time.monotonic() - started:.0f} s"
    )
    first, last = samples[min(WARM, len(samples)) - 1], samples[-1]
    grown = [new - old for old, new in zip(first, last, strict=True)]
    print(f"growth: {grown[0]:+.1f} MB, {grown[1]:+} files, {grown[2]:+} threads")
    return grown[0] > MOST_GROWTH or grown[1] > 0 or grown[2] > 0 or statuses["success"] != count


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else CALLS))
