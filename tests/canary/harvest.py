"""
Use connections that hold canaries in every way, in an Airflow of its own: `python -m tests.canary.harvest`.

Everything logs at DEBUG. The tests search what this leaves behind, and read its results in `outcomes.json`.
With `few`, only a few connections are used, and no web server.
"""

import contextlib
import functools
import gzip
import itertools
import json
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock
from urllib.parse import quote

from airflow_provider_b24.errors import Bitrix24Error
from airflow_provider_b24.rest import clock
from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.sandbox.model import applications
from tests.canary.api import read_everything
from tests.canary.beside import uses_of
from tests.canary.canaries import PLANTED, SECRETS
from tests.canary.cases import Cases, Clock, add_cases, add_few_cases
from tests.canary.evidence import FOLDER as EVIDENCE
from tests.canary.evidence import Everything, Masker, append, note_error
from tests.canary.instruments import record_events, record_spans
from tests.canary.tasks import ALL, BAD_ITEMS, GET, REPORTS, make
from tests.canary.web import WebServer, try_connections
from tests.in_process import share_api_server, tame_structlog

FOLDER = Path(os.environ["AIRFLOW_HOME"]).parent
DAGS = FOLDER / "airflow" / "dags"
APP = "local.canary"

DAG = """
import json
import logging
import os
from datetime import timedelta

import pendulum
from airflow.providers.common.compat.sdk import DAG, task
from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook
from tests.canary.evidence import note_failure
from tests.canary.tasks import make

@task
def plant(text):
    # the searches must find it in the log, standard output, XCom and rendered fields
    logging.getLogger("airflow.task").debug("planted %s", text)
    print("printed", text)
    return {"rows": 1, "requests": 1, "seconds": 1, "watermark": text}  # the report tab shows it

@task
def use_hook(conn_id):
    hook = Bitrix24Hook(conn_id)
    print(hook, hook.test_connection())
    return hook.set_contact_companies(82, [8])

for dag_id, cases in json.loads(os.environ["CANARY_CASES"]).items():
    with DAG(
        dag_id=dag_id,
        schedule=None,
        start_date=pendulum.datetime(2026, 1, 1),
        default_args={"on_failure_callback": note_failure, "on_retry_callback": note_failure},
    ):
        if dag_id == "canaries":
            plant(os.environ["CANARY_PLANTED"])
        for conn_id, kinds in cases.items():
            for kind in kinds:
                if kind == "hook":
                    use_hook.override(task_id=f"{conn_id}-hook")(conn_id)
                else:
                    again = {"retries": int(conn_id == "refused"), "retry_delay": timedelta()}
                    make(kind, f"{conn_id}-{kind}", "{{ '%s' }}" % conn_id, **again)
"""


def store(cases: Cases) -> None:
    """Store the connections in the database, but not those with a secret in a field that Airflow shows."""
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    with create_session() as session:
        for name, fields in cases.connections.items():
            if name in ("in_host", "in_login"):
                put_into_environment(name, fields)
            else:
                fields = fields | {"extra": json.dumps(fields["extra"])}
                session.add(Connection(conn_id=name, conn_type="bitrix24", **fields))


def put_into_environment(conn_id: str, fields: dict[str, Any]) -> None:
    os.environ[f"AIRFLOW_CONN_{conn_id.upper()}"] = json.dumps({"conn_type": "bitrix24", **fields})


def run_tasks(cases: Cases) -> dict[str, str]:
    """Run each connection's tasks. Return the state of each task."""
    from airflow.providers.common.compat.sdk import AirflowTaskTimeout

    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:  # before Airflow 3.2
        from airflow.models.dagbag import DagBag
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    # In a DAG of its own, because its timeout ends `dag.test()` on Airflow 2.
    endless = {name: cases.kinds.pop(name) for name in ["endless"] if name in cases.kinds}
    os.environ["CANARY_CASES"] = json.dumps({"canaries": cases.kinds, "endless": endless})
    file = DAGS / "canaries.py"
    file.write_text(DAG)
    run_airflow("dags", "reserialize")  # the web server shows only what is in the database
    bag = DagBag(file, safe_mode=False)
    assert not bag.import_errors, bag.import_errors
    bag.dags["canaries"].test()
    if endless:
        with contextlib.suppress(AirflowTaskTimeout):
            bag.dags["endless"].test()
    with create_session() as session:
        return {task: str(state) for task, state in session.query(TaskInstance.task_id, TaskInstance.state)}


def use_hooks(cases: Cases) -> dict[str, dict[str, str]]:
    """Use every connection for everything that hooks and operators can do, outside of tasks."""
    conn_ids = [conn_id for conn_id in cases.connections if conn_id != "endless"]
    for conn_id in conn_ids:  # on Airflow 3 only tasks may read the database
        put_into_environment(conn_id, cases.connections[conn_id])
    with ThreadPoolExecutor(8) as threads:  # most of it is waiting for servers that hang
        return dict(zip(conn_ids, threads.map(use_hook, conn_ids), strict=True))


def use_hook(conn_id: str) -> dict[str, str]:
    from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook

    hook = Bitrix24Hook(conn_id)
    calls = [Call(GET, {"id": 82}), Call("crm.contact.list")]
    uses: dict[str, Callable[[], Any]] = {
        "test": hook.test_connection,
        "halting batch": lambda: hook.batch(calls, halt=True),
        "rows": lambda: list(hook.iterate("crm.contact.list")),
    }
    for kind in (*ALL, *BAD_ITEMS):
        uses[kind] = functools.partial(execute, make(kind, f"{conn_id}-{kind}-direct", conn_id), hook)
    uses |= uses_of(conn_id)
    answers = {}
    for use, action in uses.items():
        try:
            answers[use] = repr(action())
        except Exception as error:  # noqa: BLE001 - every error is evidence
            note_error(f"{conn_id} {use}", error)
            answers[use] = f"{type(error).__name__}: {error}"
    with contextlib.suppress(Bitrix24Error):  # the connection cannot be parsed
        append("reprs.txt", represent(conn_id, hook))
    return answers


def execute(operator: Any, hook: Any) -> Any:
    """Run an operator as in a task. What it pushes to XCom is part of the answer."""
    pushed: list[Any] = []
    ti = SimpleNamespace(
        dag_id="canaries",
        run_id="direct",
        task_id=operator.task_id,
        map_index=-1,
        xcom_push=lambda key, value: pushed.append([key, value]),
    )
    operator.hook = hook
    return operator.fail_fast(operator.run, {"ti": ti}), pushed


def represent(conn_id: str, hook: Any) -> str:
    """Return the repr and str of every object that holds a secret."""
    from airflow_provider_b24.rest.auth.oauth import Grant
    from airflow_provider_b24.rest.auth.tokens import FileTokenStore, MemoryTokenStore, TokenPair
    from airflow_provider_b24.rest.replies import RawReply

    client = hook.get_conn()
    pair = TokenPair(SECRETS["access token"], SECRETS["refresh token"])
    memory = MemoryTokenStore()
    memory.save(pair)
    operator = make("get", "x", conn_id)
    operator.hook = hook
    things = [
        hook,
        hook.config,
        hook.config.credentials,
        client,
        *parts(client),
        operator,
        pair,
        Grant(pair),
        memory,
        FileTokenStore(FOLDER / "tokens", "x"),
        RawReply(200, pair.to_json().encode()),
    ]
    return "\n".join(f"{conn_id} {type(thing).__name__}: {thing!r} {thing!s}" for thing in things)


def parts(thing: Any) -> list[Any]:
    """The objects of this package inside an object, however deep."""
    found: list[Any] = []
    pending = [thing]
    while pending:
        for value in vars(pending.pop()).values():
            ours = type(value).__module__.startswith("airflow_provider_b24.") and hasattr(value, "__dict__")
            if ours and not any(value is other for other in found):
                found.append(value)
                pending.append(value)
    return found


def use_commands(cases: Cases) -> dict[str, str]:
    """Run the command that makes a connection, and Airflow's own command that tests one."""
    from airflow_provider_b24.cli.__main__ import main

    url = cases.connections["fine"]["host"]
    portal = cases.portals["fine"]
    portal.add_app(APP, SECRETS["client secret"])
    outcomes: dict[str, str] = {}

    def run(name: str, *more: str, server: str = url, which: str = "client secret", code: str = "") -> None:
        os.environ |= {
            "BITRIX24_CLIENT_SECRET": SECRETS[which],
            "BITRIX24_CODE": code or portal.issue_code(APP),
        }
        command = ["authorize", url, "--client-id", APP, "--oauth-server", server, "--allow-http"]
        try:
            main([*command, *(more or ("--conn-id", f"made_by_{name}"))])
            outcomes[name] = ""
        except SystemExit as error:
            outcomes[name] = str(error.code)

    for name in ("fine", "refused", "no_name", "echo", "moved_to_foreign_host", "tls"):
        if name in cases.connections:
            run(name, server=cases.connections[name]["host"])
    wrong = SECRETS["wrong authorization code"]
    address = "https://app.example/?code={}&scope=crm"
    run("address", code=address.format(quote(portal.issue_code(APP), safe="")))
    run("again", "--conn-id", "made_by_fine")
    run("replace", "--conn-id", "made_by_fine", "--replace")
    run("wrong_code", code=wrong)
    run("foreign_address", code=address.format(quote(wrong, safe="")) + "&state=foreign")
    run("wrong_secret", which="wrong client secret")
    for form in ("json", "uri"):  # it prints secrets only on request
        with (FOLDER / "printed.txt").open("a") as printed, contextlib.redirect_stdout(printed):
            run(form, "--print", form)
    del os.environ["BITRIX24_CLIENT_SECRET"], os.environ["BITRIX24_CODE"]
    tested = {
        "fine",
        "fine_app",
        "refused",
        "wrong_webhook",
        "in_host",
        "echo_app",
    } & cases.connections.keys()
    for conn_id in ("made_by_fine", *sorted(tested)):
        outcomes[f"test {conn_id}"] = run_airflow("connections", "test", conn_id)
    return outcomes


def run_airflow(*command: str) -> str:
    """Run an airflow command in this process. Return why it failed, or an empty string."""
    from airflow.cli.cli_parser import get_parser

    args = get_parser().parse_args(command)
    with mock.patch.dict(os.environ, {"AIRFLOW__CORE__TEST_CONNECTION": "Enabled"}):
        try:
            args.func(args)
        except SystemExit as error:
            return str(error.code)
    return ""


def plant() -> None:
    """Put a canary into each kind of evidence."""
    text = PLANTED["planted canary"]
    os.environ["CANARY_PLANTED"] = text
    try:
        raise ValueError(text)
    except ValueError as error:
        note_error("planted", error)
    append("locals.txt", f"text = {text!r}")
    append("reprs.txt", repr(text))
    (REPORTS / "planted.jsonl.gz").write_bytes(gzip.compress(json.dumps(text).encode()))


def log_everything() -> None:
    """Set every logger to DEBUG."""
    for logger in [logging.root, *logging.root.manager.loggerDict.values()]:
        if isinstance(logger, logging.Logger):
            logger.setLevel(logging.DEBUG)
    tame_structlog(logging.DEBUG)


def imitate_randomness() -> SimpleNamespace:
    """Stand in for `secrets` in the sandbox, so that the tokens it issues are canaries."""
    numbers = itertools.count()
    names = {20: "authorization code", 35: "rotated token"}
    return SimpleNamespace(token_hex=lambda size: f"{SECRETS[names[size]]}-{next(numbers)}")


def use_web_server(cases: Cases) -> dict[str, int]:
    """Test connections in Airflow's form and read its whole API. Return the number of answers by status."""
    stored = {name: fields for name, fields in cases.connections.items() if name != "endless"}
    with WebServer(FOLDER / "webserver.txt") as api:
        try_connections(api, stored, FOLDER / "answers.txt")
        return read_everything(api, "canaries", [*stored], FOLDER / "answers.txt")


def collect_outcomes(cases: Cases, few: bool) -> dict[str, Any]:
    """Do everything and return the results."""
    steps: dict[str, Callable[[Cases], Any]] = {
        "tasks": run_tasks,
        "answers": use_hooks,
        "commands": use_commands,
    }
    if not few:
        steps["web"] = use_web_server
    outcomes = {}
    for name, do in steps.items():
        started = time.monotonic()
        outcomes[name] = do(cases)
        print(f"harvest: {name} {time.monotonic() - started:.1f} s")
    portals = cases.portals
    idle = [(name, fault) for name in portals for fault in portals[name].faults if not fault.fired]
    outcomes["idle faults"] = [f"{name} {fault.kind}" for name, fault in idle]
    outcomes["messages"] = cases.portals["fine"].messages
    outcomes["refreshes"] = sum(portal.refreshes for portal in portals.values())
    return outcomes


def main(few: bool) -> None:
    DAGS.mkdir(parents=True)
    from airflow.utils.db import initdb

    initdb()
    share_api_server()
    with (
        contextlib.ExitStack() as stack,
        (EVIDENCE / "records.txt").open("w") as records,
        mock.patch.multiple(clock.SystemClock, now=Clock.now, sleep=Clock.sleep),
        mock.patch.object(applications, "secrets", imitate_randomness()),
    ):
        everything = Everything(records)
        logging.getLogger().addHandler(everything)
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        masker = Masker()
        masker.take_over(stack)
        cases = Cases(stack)
        if few:
            add_few_cases(cases)
        else:
            add_cases(cases, FOLDER)
        record_events(EVIDENCE / "sentry.txt", PLANTED["planted canary"])
        record_spans(EVIDENCE / "spans.txt", PLANTED["planted canary"])
        store(cases)
        plant()
        log_everything()
        outcomes = collect_outcomes(cases, few)
        (FOLDER / "told.json").write_text(json.dumps(sorted(masker.told)))
        logging.getLogger().removeHandler(everything)
    (FOLDER / "outcomes.json").write_text(json.dumps(outcomes, indent=1))


if __name__ == "__main__":
    main(few="few" in sys.argv[1:])
