"""A used hook serves threads, forked and spawned processes; it travels in a pickle without its client."""

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook

CONTACTS = 200
WORKERS = 4

pytestmark = pytest.mark.airflow


@pytest.fixture
def hook(portal, server, airflow_console, monkeypatch):
    """A used hook; contact n is bound to company n, and n bindings are told apart by SORT."""
    monkeypatch.setenv("AIRFLOW_CONN_BITRIX24_DEFAULT", server.connection_json(plan="none"))
    portal.add_generated(contacts=CONTACTS, companies=CONTACTS)
    for contact in range(1, CONTACTS + 1):
        portal.bind(contact, [(contact, 10, True)])
    hook = Bitrix24Hook()
    hook.get_contact_companies(1)
    return hook


def read(hook, contacts):
    return [(contact, companies_of(hook, contact)) for contact in contacts]


def companies_of(hook, contact):
    return [row["COMPANY_ID"] for row in hook.get_contact_companies(contact)]


def bulk(hook, contacts):
    from airflow_provider_b24.rest.calls import Call

    calls = [Call("crm.contact.company.items.get", {"id": contact}) for contact in contacts]
    outcomes = hook.batch(calls)
    return [
        (contact, [row["COMPANY_ID"] for row in outcome.result])
        for contact, outcome in zip(contacts, outcomes, strict=True)
    ]


_shared = []


def read_shared(contacts):
    """In a forked child: with the parent's own hook."""
    return read(_shared[0], contacts)


def bulk_shared(contacts):
    return bulk(_shared[0], contacts)


def parts():
    return [range(first, CONTACTS + 1, WORKERS) for first in range(1, WORKERS + 1)]


def assert_right(results):
    answers = [answer for part in results for answer in part]
    assert len(answers) == CONTACTS
    assert [(contact, companies) for contact, companies in answers if companies != [contact]] == []


@pytest.mark.parametrize("work", [read_shared, bulk_shared])
def test_forked_children_get_their_own_answers(hook, work):
    _shared[:] = [hook]
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(WORKERS, mp_context=context) as pool:
        futures = [pool.submit(work, part) for part in parts()]
        own = read(hook, range(1, 20))  # the parent works on at the same time
        assert_right(future.result() for future in futures)
    assert [(contact, [contact]) for contact, _ in own] == own


@pytest.mark.parametrize("work", [read, bulk])
def test_threads_get_their_own_answers(hook, work):
    with ThreadPoolExecutor(WORKERS) as pool:
        assert_right(pool.map(work, [hook] * WORKERS, parts()))


@pytest.mark.slow
def test_spawned_children_get_a_hook_by_pickle(hook):
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:  # each imports Airflow anew
        for work in (read, bulk):
            assert_right(pool.map(work, [hook] * WORKERS, parts()))


def test_a_pickled_hook_leaves_its_client_and_its_secrets_behind(hook, server):
    text = pickle.dumps(hook)
    assert hook.config.credentials.code.encode() not in text
    again = pickle.loads(text)  # noqa: S301 - written above
    assert companies_of(again, 7) == [7]
    assert again.get_conn() is not hook.get_conn()
