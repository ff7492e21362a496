"""No secret leaves the connection and the token store, on any error, in any log, at any level."""

import base64
import gzip
import json
import logging
import re
import sqlite3
from urllib.parse import quote, quote_plus

import pytest
from airflow.providers.common.compat.version_compat import (
    AIRFLOW_V_3_0_PLUS,
    AIRFLOW_V_3_1_PLUS,
    AIRFLOW_V_3_3_PLUS,
)

from tests.canary.canaries import PLANTED, SECRETS, Searcher, search_database
from tests.canary.instruments import HAS_OPEN_TELEMETRY, HAS_SENTRY
from tests.canary.tasks import ALL, BAD_ITEMS, IN_DAGS

pytestmark = pytest.mark.airflow

# Under `dag.test()` Airflow 3 runs the supervisor in the task's process. At DEBUG the supervisor prints what
# it is told to mask. Exactly these messages, as whole lines, are ignored.
TOLD_TO_MASK = re.compile(
    rb"^(?:\S+ )?\[debug +\] (?:Sending request|Received message from task runner) +(?:\[[a-z.]+\] )?"
    rb"(?:loc=\S+ )?msg=MaskSecret\(value=.*, name=(?:None|'[a-z_]+'), type='MaskSecret'\)$",
    re.MULTILINE,
)
WORK = {"fine", "fine_app", "pasted", "moved_to_allowed_host", "tls_trusted", "tls_unverified"}
WORK |= {"proxy", "proxy_app", "late"}
WORK |= {"wrong_type_before", "wrong_type_after_app"}  # the body is JSON all the same
HALF_WORK = {"no_rights"}  # reads only
FAILED = re.compile("Bitrix24[A-Za-z]*Error: |AirflowFailException: ")


@pytest.fixture(scope="session")
def searcher():
    return Searcher(SECRETS)


def show(hits):
    return "\n".join(map(str, hits[:40]))


def test_nothing_is_in_what_was_logged_and_printed(harvest, searcher):
    printed = (harvest.folder / "stdout.txt").read_bytes()
    hits = searcher.search(TOLD_TO_MASK.sub(b"", printed), "stdout")
    hits += searcher.search(harvest.read("stderr.txt"), "stderr")
    assert not hits, show(hits)


def test_nothing_is_in_log_records_before_anything_masks_them(harvest, searcher):
    hits = searcher.search(harvest.read("evidence/records.txt"), "records")
    assert not hits, show(hits)


def test_nothing_is_in_the_metadata_database(harvest, searcher):
    hits = search_database(searcher, harvest.database)
    hits += searcher.search(harvest.database.read_bytes(), "a page of the database")
    assert not hits, show(hits)


@pytest.mark.parametrize(
    "file", ["errors.txt", "pickles.txt", "locals.txt", "reprs.txt", "sentry.txt", "spans.txt"]
)
def test_nothing_is_in_what_python_shows(harvest, searcher, file):
    hits = searcher.search(harvest.read(f"evidence/{file}"), file)
    assert not hits, show(hits)


def test_nothing_is_in_any_file(harvest, searcher):
    """Airflow's logs, reports and their parts, what processes share, and what every call answered."""
    seen_above = {harvest.folder / "stdout.txt", *(harvest.folder / "evidence").iterdir()}
    secret_by_order = {harvest.folder / name for name in ("printed.txt", "told.json")}
    hits = searcher.search_files(harvest.folder, seen_above | secret_by_order)
    assert not hits, show(hits)


def test_only_the_command_that_is_asked_to_show_the_connection_shows_it(harvest, searcher):
    found = {hit.canary for hit in searcher.search(harvest.read("printed.txt"))}
    assert found == {"client secret", "rotated token"}


@pytest.mark.slow
def test_the_masker_knows_every_secret_in_every_url_encoding(full_harvest):
    told = set(json.loads(full_harvest.read("told.json")))
    names = set(SECRETS) - {
        "code in Host",  # these connections are rejected before anything is read from them
        "code in Login",
        "authorization code",  # used by the command, which logs nothing
        "wrong authorization code",
        "rotated token",  # numbered, see below
    }
    texts = [SECRETS[name] for name in names]
    texts += [text for text in told if text.startswith(SECRETS["rotated token"])]
    assert len(texts) > len(names)
    forms = {form for text in texts for form in (text, quote(text), quote(text, safe=""), quote_plus(text))}
    assert not forms - told
    assert any(text.endswith(f"/rest/1/{SECRETS['webhook code']}") for text in told)


def test_instruments_recorded_what_happened(harvest):
    if HAS_SENTRY:
        events = harvest.read("evidence/sentry.txt")
        assert "/rest/1/***/crm.contact." in events
        assert "Bitrix24AuthError" in events
    if HAS_OPEN_TELEMETRY:
        assert "Bitrix24AuthError" in harvest.read("evidence/spans.txt")


def test_the_searches_find_what_is_planted(harvest):
    """Each place that is searched above contains a planted canary."""
    searcher = Searcher(PLANTED)
    tables = {hit.place.partition(".")[0] for hit in search_database(searcher, harvest.database)}
    assert tables >= {"xcom", "rendered_task_instance_fields"}
    assert searcher.search(harvest.database.read_bytes())
    printed = (harvest.folder / "stdout.txt").read_bytes()
    assert searcher.search(TOLD_TO_MASK.sub(b"", printed))
    files = {hit.place for hit in searcher.search_files(harvest.folder)}
    kinds = ("records", "errors", "pickles", "locals", "reprs", "sentry", "spans")
    evidence = {f"evidence/{name}.txt" for name in kinds}
    assert files >= evidence | {"reports/planted.jsonl.gz"}
    assert "answers.txt" in files or "web" not in harvest.outcomes


@pytest.mark.slow
def test_the_web_server_answered(full_harvest):
    assert full_harvest.outcomes["web"]["200"] > 300
    answers = re.split("^===== ", full_harvest.read("answers.txt"), flags=re.MULTILINE)
    found = {}
    for path in (
        "/connections/fine",
        "/connections/fine_app",
        "/taskInstances/plant",
        "/taskInstances/fine-set",
        "/plant/xcomEntries/return_value",
        "/fine-set/links",
        "/fine-set/logs/1",
    ):
        (found[path],) = [answer for answer in answers if re.match(f"200 \\S*{path}\n", answer)]
    planted = {path for path, answer in found.items() if Searcher(PLANTED).search(answer)}
    assert planted == {"/taskInstances/plant", "/plant/xcomEntries/return_value"}  # fields as rendered, XCom


@pytest.mark.slow
@pytest.mark.skipif(not AIRFLOW_V_3_1_PLUS, reason="the report tab needs Airflow 3.1")
def test_the_report_tab_answered(full_harvest):
    answers = re.split("^===== ", full_harvest.read("answers.txt"), flags=re.MULTILINE)
    tab = {}
    for part, task in (("summary", "plant"), ("contacts", "fine-sync")):
        address = f"200 /bitrix24-report/{part}\\?\\S*&task_id={task}&"
        (tab[task],) = [answer for answer in answers if re.match(address, answer)]
    assert Searcher(PLANTED).search(tab["plant"])
    assert '"contact_id":84' in tab["fine-sync"]


def test_only_the_supervisors_own_messages_are_ignored(searcher):
    secret = SECRETS["webhook code"]
    start = "2026-01-01T00:00:00Z [debug    ] Sending request                loc=supervisor.py:2055 msg="
    mask = f"{start}MaskSecret(value='{secret}', name=None, type='MaskSecret')"
    assert not searcher.search(TOLD_TO_MASK.sub(b"", mask.encode()))
    for leak in (
        f"{mask} {secret}",
        f"{secret} {mask}",
        mask.replace("MaskSecret", "PutVariable"),
        mask.replace("debug    ", "info     "),
    ):
        assert searcher.search(TOLD_TO_MASK.sub(b"", leak.encode())), leak


def test_every_fault_occurred_and_tasks_and_hooks_succeeded_or_failed_as_expected(harvest):
    outcomes = harvest.outcomes
    assert outcomes["idle faults"] == []
    for conn_id, answers in outcomes["answers"].items():
        assert answers["test"].startswith("(True" if conn_id in WORK | HALF_WORK else "(False"), conn_id
        failed = {kind for kind in (*ALL, *BAD_ITEMS) if FAILED.match(answers[kind])}
        if conn_id not in HALF_WORK:
            assert failed == (set(BAD_ITEMS) if conn_id in WORK else {*ALL, *BAD_ITEMS}), (conn_id, answers)
    for task, state in outcomes["tasks"].items():
        conn_id, _, kind = task.partition("-")
        if conn_id in {*WORK, "plant"} and kind not in BAD_ITEMS:
            assert state == "success", task
        elif conn_id not in HALF_WORK:
            assert state == "failed", task
    assert {f"fine-{kind}" for kind in (*ALL, *IN_DAGS)} | {"late-deferred"} <= set(outcomes["tasks"])


def test_the_notifier_told_of_failures_whose_reasons_quote_secrets(harvest):
    texts = [message["params"]["MESSAGE"] for message in harvest.outcomes["messages"]]
    for task in ("fine-told", "echo-told_elsewhere", "wrong_webhook-told_elsewhere"):
        assert any(f"canaries.{task}\n" in text for text in texts), task
    (quoted,) = [text for text in texts if "canaries.echo-told_elsewhere\n" in text]
    if AIRFLOW_V_3_3_PLUS or not AIRFLOW_V_3_0_PLUS:  # dag.test() of the others tells no exception
        assert "no method for" in quoted
    assert "canaries.told\n" in "".join(texts)  # the one that is awaited


def test_each_trigger_looked_at_each_portal(harvest):
    for conn_id, answers in harvest.outcomes["answers"].items():
        assert not AIRFLOW_V_3_0_PLUS or answers.keys() >= {"Bitrix24ChangesTrigger", "Bitrix24EventTrigger"}
        reached = conn_id in WORK | HALF_WORK
        assert ("'status': 'success'" in answers["Bitrix24SensorTrigger"]) == reached, conn_id
    if AIRFLOW_V_3_0_PLUS:
        errors = harvest.read("stdout.txt")
        assert "Changes cannot be looked for" in errors
        assert "The portal's events cannot be fetched" in errors


@pytest.mark.slow
def test_all_connections_were_used(full_harvest):
    outcomes = full_harvest.outcomes
    assert outcomes["refreshes"] > 50
    assert outcomes["answers"].keys() >= WORK | HALF_WORK | {"wrong_webhook", "echo", "refused", "proxy_tls"}


def test_the_commands_succeeded_or_failed_as_expected(harvest):
    commands = harvest.outcomes["commands"]
    worked = {name for name, failure in commands.items() if not failure}
    tests = {name for name in commands if name.startswith("test ")}  # they never fail on Airflow 2
    assert worked >= {"test fine", "test fine_app", "test made_by_fine"}
    assert worked - tests == {"fine", "address", "replace", "json", "uri"}, commands
    with sqlite3.connect(harvest.database) as database:
        made = database.execute(
            "SELECT conn_id FROM connection WHERE conn_id LIKE 'made%' AND is_extra_encrypted"
        )
        assert sorted(conn_id for (conn_id,) in made) == ["made_by_address", "made_by_fine"]


@pytest.mark.parametrize(
    "hide",
    [
        pytest.param(lambda text: text, id="unchanged"),
        pytest.param(lambda text: text[:14], id="cut"),
        pytest.param(lambda text: f"...{text[-14:]}", id="cut at the start"),
        pytest.param(quote, id="in a path"),
        pytest.param(lambda text: quote(text, safe=""), id="in an address"),
        pytest.param(lambda text: quote_plus(f"a b {text}"), id="in a form"),
        pytest.param(lambda text: json.dumps({"auth": text}), id="in JSON"),
        pytest.param(lambda text: json.dumps({"auth": text}, ensure_ascii=False), id="in readable JSON"),
        pytest.param(lambda text: json.dumps({"body": json.dumps({"auth": text})}), id="in JSON in JSON"),
        pytest.param(lambda text: repr({"auth": text}), id="in a dict"),
        pytest.param(lambda text: repr(json.dumps({"auth": text}).encode()), id="in bytes"),
        pytest.param(lambda text: base64.b64encode(f"user:{text}".encode()).decode(), id="in base64"),
        pytest.param(lambda text: base64.b64encode(f"me:{text}:".encode()).decode(), id="in shifted base64"),
        pytest.param(lambda text: base64.urlsafe_b64encode(f"i:{text}".encode()).decode(), id="in base64url"),
        pytest.param(
            lambda text: base64.b64encode(json.dumps([text]).encode()).decode(), id="JSON in base64"
        ),
    ],
)
def test_a_canary_is_found_in_every_form(searcher, hide):
    for name, secret in SECRETS.items():
        assert name in {hit.canary for hit in searcher.search(f"before {hide(secret)} after")}


def test_a_canary_is_found_in_a_log_a_database_and_a_file(searcher, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    logging.getLogger("somebody").debug("POST /rest/1/%s/profile", SECRETS["webhook code"])
    assert searcher.search(caplog.text)
    with sqlite3.connect(tmp_path / "some.db") as database:
        database.execute("CREATE TABLE xcom (key TEXT, value BLOB)")
        database.execute("INSERT INTO xcom VALUES ('k', ?)", [json.dumps(SECRETS["access token"]).encode()])
    places = {(hit.place, hit.canary) for hit in search_database(searcher, tmp_path / "some.db")}
    assert places == {("xcom.value", "access token")}
    (tmp_path / "report.jsonl.parts").mkdir()
    part = tmp_path / "report.jsonl.parts" / "part-000000.jsonl.gz"
    part.write_bytes(gzip.compress(SECRETS["client secret"].encode()))
    places = {hit.place for hit in searcher.search_files(tmp_path)}
    assert places == {"some.db", "report.jsonl.parts/part-000000.jsonl.gz"}


def test_nothing_is_found_in_harmless_text(searcher):
    assert not searcher.search("POST /rest/1/***/profile, code, token, secret")
