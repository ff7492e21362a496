"""Mapped tasks on both workers at once: one request limit, and one set of tokens."""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from airflow_provider_b24.sandbox import Bucket, JournalEntry, Portal, PortalServer
from tests.chaos.cluster import Cluster, wait_for
from tests.chaos.job import ADMIN, CODE

TASKS = 8
CONTACTS = 50
PACED_SECONDS = 40
MOST_REFUSALS = 2
OAUTH_SECONDS = 60
TOKEN_LIFETIME = 6  # seconds
END_SECONDS = 420
APP, SECRET = "local.chaos", "canary0secret"
FACTS = ("workers", "calls", "requests", "refused", "expiries", "refreshes", "expired_token")


@dataclass(frozen=True)
class Together:
    """What mapped tasks did together; without ``mistakes`` it is as it should be."""

    name: str
    facts: dict[str, Any]
    mistakes: list[str]


def share_a_bucket(cluster: Cluster, port: int) -> Together:
    """Call from both workers as fast as the request limit allows; Redis holds its level."""
    portal = make_portal()
    portal.bucket = Bucket()
    calls = run_tasks(cluster, portal, port, "paced", PACED_SECONDS)
    facts = describe(portal, calls)
    mistakes = [] if len(calls) == 2 else ["not both workers took part"]
    if portal.refused > MOST_REFUSALS:
        mistakes.append(f"{portal.refused} requests were refused")
    return Together("one request limit", facts, mistakes)


def share_tokens(cluster: Cluster, port: int) -> Together:
    """Call from both workers while the access token expires again and again."""
    portal = make_portal()
    portal.token_lifetime = TOKEN_LIFETIME
    known = json.loads(cluster.connections["app"])["extra"]
    portal.add_app(APP, SECRET)
    portal.issue_tokens(APP, (known["access_token"], known["refresh_token"]))
    answers: Counter[int] = Counter()
    moments: list[float] = []

    def note(entry: JournalEntry) -> None:
        answers[entry.status] += 1
        moments.append(entry.time)

    portal.on_request = note
    calls = run_tasks(cluster, portal, port, "app", OAUTH_SECONDS)
    expiries = round((max(moments) - min(moments)) / TOKEN_LIFETIME, 1)
    facts = describe(portal, calls)
    facts |= {"expiries": expiries, "refreshes": portal.refreshes, "expired_token": answers[401]}
    mistakes = [] if len(calls) == 2 else ["not both workers took part"]
    if portal.refreshes > expiries + 1:
        mistakes.append("there were more refreshes than expiries")
    return Together("one set of tokens", facts, mistakes)


def make_portal() -> Portal:
    portal = Portal()
    portal.add_webhook(ADMIN, CODE)
    portal.add_generated(contacts=CONTACTS, companies=1)
    portal.journal_limit = 0
    return portal


def app_connection(url: str) -> str:
    """Return a connection in JSON for an application, whose first tokens are already expired."""
    extra = {
        "allow_http": True,
        "client_id": APP,
        "client_secret": SECRET,
        "access_token": "first0access0token",
        "refresh_token": "first0refresh0token",
        "oauth_server": url,
        "plan": "none",
    }
    return json.dumps({"conn_type": "bitrix24", "host": url, "extra": extra})


def run_tasks(cluster: Cluster, portal: Portal, port: int, conn_id: str, seconds: int) -> Counter[str]:
    """Run mapped tasks that call for some seconds; return the calls by worker."""
    run = f"together-{conn_id}"
    conf = {"conn_id": conn_id, "seconds": seconds, "tasks": TASKS}
    with PortalServer(portal, port=port):
        cluster.start_run("paced", run, conf)
        ended = ("success", "failed")
        wait_for(lambda: cluster.run_state("paced", run) in ended, END_SECONDS, "the mapped tasks have ended")
    calls: Counter[str] = Counter()
    for index in range(TASKS):
        path = (
            f"/api/v2/dags/paced/dagRuns/{run}/taskInstances/call/xcomEntries/return_value?map_index={index}"
        )
        worker, count = (cluster.ask("GET", path) or {}).get("value") or ("", 0)
        calls[worker] += count
    return calls


def describe(portal: Portal, calls: Counter[str]) -> dict[str, Any]:
    return {
        "workers": len(calls),
        "calls": calls.total(),
        "requests": portal.requests,
        "refused": portal.refused,
    }


def table(results: list[Together]) -> list[str]:
    """Return the lines of a table in Markdown."""
    lines = [f"| what is shared | {' | '.join(FACTS)} | result |", f"|{' --- |' * (len(FACTS) + 2)}"]
    for one in results:
        facts = " | ".join(str(one.facts.get(name, "")) for name in FACTS)
        lines.append(f"| {one.name} | {facts} | {'; '.join(one.mistakes) or 'as it should be'} |")
    return lines
