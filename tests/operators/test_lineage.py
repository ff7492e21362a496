"""What OpenLineage's provider and the DAG's outlets hear of a task."""

import json
from importlib.util import find_spec

import pytest

from airflow_provider_b24.sandbox import PortalServer, seeded_portal
from airflow_provider_b24.sandbox.http.seed import DEMO_CODE


@pytest.mark.airflow
@pytest.mark.parametrize(
    ("path", "namespace", "name"),
    [
        ("/data/a.jsonl", "file", "/data/a.jsonl"),
        ("file:///data/a.jsonl", "file", "/data/a.jsonl"),
        ("s3://aws_default@bucket/2026/a.csv.gz", "s3://bucket", "2026/a.csv.gz"),
    ],
)
def test_files_are_named_as_openlineage_names_them(airflow_console, path, namespace, name):
    from airflow_provider_b24.operators.lineage import file_data

    data = file_data(path)
    assert (data.namespace, data.name) == (namespace, name)


OUTLETS = """
    from datetime import datetime
    from airflow.providers.common.compat.sdk import DAG, task
    from airflow_provider_b24.assets.bitrix24 import create_asset
    from airflow_provider_b24.operators.sync import SyncContactCompaniesOperator

    CONTACTS = create_asset(portal="mycompany.bitrix24.com", path="crm/contact")
    with DAG("outlets", schedule=None, start_date=datetime(2026, 1, 1)):

        @task
        def look(outlet_events=None, **context):
            pass

        SyncContactCompaniesOperator(task_id="sync", bindings={"82": [8], "83": [8, 31]}, outlets=[CONTACTS])
"""


@pytest.mark.airflow
def test_the_event_of_an_outlet_has_the_counts(run_dag, bitrix24_conn):
    from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS
    from airflow.utils.session import create_session
    from sqlalchemy import text

    if not AIRFLOW_V_3_1_PLUS:
        pytest.skip("dag.test() of older Airflow knows no assets")
    assert run_dag(OUTLETS).state == "success"
    with create_session() as session:
        query = "SELECT extra FROM asset_event WHERE source_dag_id = 'outlets' ORDER BY id DESC LIMIT 1"
        extra = session.execute(text(query)).scalar()
    extra = json.loads(extra) if isinstance(extra, str) else extra
    assert (extra["contacts"], extra["written"], extra["unchanged"]) == (2, 1, 1)


DAGS = """
    from datetime import datetime
    from airflow.providers.common.compat.sdk import DAG
    from airflow_provider_b24.operators.export import Bitrix24ExportOperator, Bitrix24ToSqlOperator
    from airflow_provider_b24.operators.sync import SyncContactCompaniesOperator

    CONTACTS = {{"method": "crm.item.list", "parameters": {{"entityTypeId": 3, "select": ["id", "name"]}}}}
    LIST = {{"bitrix24_conn_id": "lineage", **CONTACTS}}
    with DAG("synced", schedule=None, start_date=datetime(2026, 1, 1)):
        SyncContactCompaniesOperator(
            task_id="work",
            bitrix24_conn_id="lineage",
            bindings_path="{home}/wanted.csv",
            report_path="{home}/report.jsonl",
        )
    with DAG("exported", schedule=None, start_date=datetime(2026, 1, 1)):
        Bitrix24ExportOperator(task_id="work", output_path="{home}/contacts.jsonl", **LIST)
    with DAG("loaded", schedule=None, start_date=datetime(2026, 1, 1)):
        Bitrix24ToSqlOperator(task_id="work", conn_id="warehouse", table="contacts", **LIST)
"""


@pytest.fixture(scope="module")
def lineage(request, tmp_path_factory):
    """Run the DAGs in a real Airflow; OpenLineage's events by DAG and type, and the portal's namespace."""
    if not find_spec("airflow.providers.openlineage"):
        pytest.skip("the extra openlineage is not installed")
    airflow = request.getfixturevalue("real_airflow")
    home = tmp_path_factory.mktemp("lineage")
    (home / "wanted.csv").write_text("contact_id,company_id\n82,8\n83,8\n83,31\n")
    with PortalServer(seeded_portal()) as server:
        connections = {
            "lineage": server.connection_json(plan="none"),
            "warehouse": json.dumps({"conn_type": "sqlite", "host": f"{home}/warehouse.db", "extra": {}}),
        }
        airflow.add(DAGS.format(home=home), connections)
        for dag in ("synced", "exported", "loaded"):
            airflow.start(dag)
            assert airflow.wait_until_ended(dag) == "success", airflow.task_log(dag)
        written = (airflow.home / "lineage.jsonl").read_text()
        assert DEMO_CODE not in written
        events = [json.loads(line) for line in written.splitlines()]
        found = {(event["job"]["name"], event["eventType"]): event for event in events}
        yield home, f"bitrix24://{server.host}:{server.port}", found


def names(datasets):
    return [(data["namespace"], data["name"]) for data in datasets]


@pytest.mark.slow
@pytest.mark.airflow
def test_a_sync_writes_contacts_and_its_report(lineage):
    home, portal, events = lineage
    for kind in ("START", "COMPLETE"):
        event = events["synced.work", kind]
        assert names(event["inputs"]) == [("file", f"{home}/wanted.csv")]
        assert names(event["outputs"]) == [(portal, "crm/contact"), ("file", f"{home}/report.jsonl")]
    assert (
        events["synced.work", "COMPLETE"]["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"] == 1
    )


@pytest.mark.slow
@pytest.mark.airflow
def test_an_export_reads_contacts_and_writes_a_file(lineage):
    home, portal, events = lineage
    for kind in ("START", "COMPLETE"):
        event = events["exported.work", kind]
        assert names(event["inputs"]) == [(portal, "crm/contact")]
        assert names(event["outputs"]) == [("file", f"{home}/contacts.jsonl")]
    (output,) = events["exported.work", "COMPLETE"]["outputs"]
    fields = [(field["name"], field["type"]) for field in output["facets"]["schema"]["fields"]]
    assert fields == [("id", "integer"), ("name", "string")]
    rows = len((home / "contacts.jsonl").read_text().splitlines())
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == rows > 0


@pytest.mark.slow
@pytest.mark.airflow
def test_a_load_reads_contacts_and_writes_a_table(lineage):
    _, portal, events = lineage
    event = events["loaded.work", "COMPLETE"]
    assert names(event["inputs"]) == [(portal, "crm/contact")]
    (output,) = event["outputs"]
    assert output["name"].endswith("contacts")
    assert output["namespace"].startswith("sqlite")
    assert [field["name"] for field in output["facets"]["schema"]["fields"]] == ["id", "name"]
