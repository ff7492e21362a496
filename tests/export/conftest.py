"""A portal with deals, and exports of them into a folder, without Airflow."""

import csv
import gzip
import json

import pytest

from airflow_provider_b24.export.job import ExportOptions, export_list
from airflow_provider_b24.sandbox import Portal
from tests.rest.conftest import CODE, clock, make_client, portal  # noqa: F401 - fixtures

SCOPE = ("crm", "im", "task", "user")


@pytest.fixture
def deals(clock):  # noqa: F811
    """A portal with 25,000 deals, a user's enumeration, and a field of several values."""
    deals = Portal(clock=clock.now, sleep=clock.sleep)
    deals.add_webhook(user_id=1, code=CODE, scope=SCOPE)
    deals.add_generated(deal=25_000, task=120, user=20)
    deals.add_user_field(2, "UF_CRM_KIND", "enumeration", "Kind", options=[(1, "New"), (2, "Old")])
    deals.add_user_field(2, "UF_CRM_TAGS", "string", "Tags", multiple=True)
    return deals


@pytest.fixture
def export(deals, make_client, tmp_path):  # noqa: F811
    """Export a list of the portal to a file in the test's folder; return summary and path."""

    def export(name, method="crm.item.list", params=None, client=None, log=None, **options):
        path = tmp_path / name
        given = {"entityTypeId": 2, "filter": {"<=id": 1_234}} if params is None else params
        summary = export_list(
            client or make_client(portal=deals),
            method,
            given,
            ExportOptions(path, **options),
            (lambda line: None) if log is None else log.append,
        )
        return summary, path

    return export


def table_rows(path):
    """The rows of a CSV or Parquet file."""
    if path.suffix == ".parquet":
        return pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist()
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def json_rows(path):
    """The rows of a file of JSON lines."""
    raw = path.read_bytes()
    return [json.loads(line) for line in (gzip.decompress(raw) if path.suffix == ".gz" else raw).splitlines()]
