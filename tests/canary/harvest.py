"""
Everything a secret could slip out of, done once in an Airflow of its own: `python -m tests.canary.harvest`.

Runs with everything at DEBUG and says what became of it in `outcomes.json`; what it leaves behind is for
the tests to search.
"""

import contextlib
import functools
import itertools
import json
import logging
import os
import shutil
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args
from unittest import mock
from urllib.parse import quote

from airflow_provider_b24.rest import pacing
from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.rest.errors import Bitrix24Error
from airflow_provider_b24.sandbox import Fault, PortalServer, oauth, seeded_portal
from airflow_provider_b24.sandbox.faults import Kind
from tests.canary.canaries import SECRETS
from tests.canary.echo import EchoServer
from tests.canary.evidence import FOLDER as EVIDENCE
from tests.canary.evidence import append, note_error
from tests.canary.tasks import ALL, BAD_ITEMS, GET, make
from tests.rest.networks import Proxy, free_port, make_certificate

FOLDER = Path(os.environ["AIRFLOW_HOME"]).parent
DAGS = FOLDER / "airflow" / "dags"
APP = "local.canary"

DAG = """
import json
import os
from datetime import timedelta

import pendulum
from airflow.providers.common.compat.sdk import dag, task
from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook
from tests.canary.evidence import note_failure
from tests.canary.tasks import make

@task
def use_hook(conn_id):
    hook = Bitrix24Hook(conn_id)
    print(hook, hook.test_connection())
    return hook.set_contact_companies(82, [8])

@dag(
    schedule=None, start_date=pendulum.datetime(2026, 1, 1),
    default_args={"on_failure_callback": note_failure, "on_retry_callback": note_failure},
)
def canaries():
    for conn_id, kinds in json.loads(os.environ["CANARY_CASES"]).items():
        for kind in kinds:
            if kind == "hook":
                use_hook.override(task_id=f"{conn_id}-hook")(conn_id)
            else:
                make(kind, f"{conn_id}-{kind}", "{{ '%s' }}" % conn_id, retries=conn_id == "refused", retry_delay=timedelta())

canaries()
"""


class Clock:
    """The machine's clock, except that sleeping takes no time."""

    ahead = 0.0

    def now(self) -> float:
        return time.time() + Clock.ahead

    def sleep(self, seconds: float) -> None:
        Clock.ahead += seconds


class Everything(logging.Handler):
    """Writes down every record of every logger before anything masks it."""

    def __init__(self, file: Any) -> None:
        super().__init__(logging.DEBUG)
        self.file = file
        self.formatter = logging.Formatter("%(name)s %(message)s")

    def emit(self, record: logging.LogRecord) -> None:
        record = logging.makeLogRecord(record.__dict__)
        record.exc_text = None  # others keep their own, masked, formatting of an exception there
        self.file.write(self.format(record) + "\n")


class Cases:
    """Connections, each to a portal with something the matter, and what is to be done with it."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self.stack = stack
        self.connections: dict[str, dict[str, Any]] = {}
        self.kinds: dict[str, tuple[str, ...]] = {}
        self.servers: dict[str, PortalServer] = {}
        self.turns = itertools.cycle(ALL)

    def serve(self, name: str, *faults: Fault, certificate: Any = (None, None)) -> PortalServer:
        portal = seeded_portal(clock=Clock().now)
        portal.add_webhook(1, SECRETS["webhook code"])
        portal.add_webhook(1, SECRETS["pasted webhook code"])
        rights = {"admin": False, "can_update": False, "name": "Ruth"}
        portal.add_webhook(7, SECRETS["code without rights"], **rights)
        portal.add_webhook(9, SECRETS["code without scope"], scope=("im",), admin=False, name="Sam")
        portal.add_app(APP, SECRETS["client secret"])
        end = Clock().now() + 3600.0
        portal.apps._access[SECRETS["access token"]] = (APP, end)
        portal.apps._refresh[SECRETS["refresh token"]] = (APP, end)
        portal.faults.extend(faults)
        self.servers[name] = self.stack.enter_context(
            PortalServer(portal, certfile=certificate[0], keyfile=certificate[1])
        )
        return self.servers[name]

    def add(
        self,
        name: str,
        host: str,
        login: str | None = "1",
        password: str | None = SECRETS["webhook code"],
        kinds: tuple[str, ...] = (),
        **extra: Any,
    ) -> None:
        """A connection with a webhook; unless told, tasks try one kind of operator with it, in turns."""
        quick = {"plan": "none", "allow_http": True, "read_timeout": 0.15, **extra}
        self.connections[name] = {
            "host": host.rstrip("/"),
            "login": login,
            "password": password,
            "extra": quick,
        }
        self.kinds[name] = kinds or (next(self.turns),)

    def add_app(self, name: str, host: str, kinds: tuple[str, ...] = (), **extra: Any) -> None:
        """A connection with an application."""
        app = {
            "client_id": APP,
            "client_secret": SECRETS["client secret"],
            "access_token": SECRETS["access token"],
            "refresh_token": SECRETS["refresh token"],
            "oauth_server": host.rstrip("/"),
        }
        self.add(name, host, None, None, kinds, **app | extra)


def add_cases(cases: Cases) -> None:
    """All of them."""
    url = cases.serve("fine").url
    cases.add("fine", url, kinds=(*ALL, "hook", *BAD_ITEMS))
    cases.add_app("fine_app", url, kinds=(*ALL, "hook"))
    for kind in get_args(Kind):
        before = cases.serve(f"{kind}_before", Fault(kind, seconds=3.0)).url
        after = cases.serve(f"{kind}_after", Fault(kind, after=True, seconds=3.0)).url
        cases.add(f"{kind}_before", before)
        cases.add(f"{kind}_after", after)
        cases.add_app(f"{kind}_before_app", before)
        cases.add_app(f"{kind}_after_app", after)
    add_wrong_connections(cases, url)
    add_networks(cases)
    if shutil.which("openssl"):
        add_tls(cases)


def add_wrong_connections(cases: Cases, url: str) -> None:
    secret = SECRETS.__getitem__
    cases.add("wrong_webhook", url, password=secret("wrong webhook code"))
    cases.add("no_rights", url, "7", secret("code without rights"))
    cases.add("no_scope", url, "9", secret("code without scope"))
    cases.add("pasted", "", "", f"{url}rest/1/{secret('pasted webhook code')}/")
    cases.add("pasted_broken", "", "", f"{url}rest/1/{secret('pasted webhook code')}/a/b/c/")
    cases.add(
        "pasted_elsewhere", "https://other.example", "", f"{url}rest/1/{secret('pasted webhook code')}/"
    )
    cases.add("in_host", f"{url}rest/1/{secret('code in Host')}/", password="")
    cases.add("in_login", url, secret("code in Login"), "")
    cases.add("strange_code", url, password=secret("client secret"))
    cases.add("both", url, client_id=APP, client_secret=secret("client secret"))
    cases.add("secret_alone", url, client_secret=secret("client secret"))
    cases.add("unknown_field", url, clientsecret=secret("client secret"))
    cases.add_app("secret_in_list", url, client_secret=[secret("client secret")])
    cases.add_app("secret_with_space", url, access_token=f"{secret('access token')} ")
    cases.add_app("wrong_secret", url, client_secret=secret("wrong client secret"), access_token="")
    cases.add_app("refused_refresh", url, refresh_token=secret("refused refresh token"), access_token="")
    cases.add_app("unknown_app", url, client_id="local.unknown", access_token="")
    cases.add_app("no_refresh", cases.serve("no_refresh", Fault("expired_token")).url, refresh_token="")


def add_networks(cases: Cases) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    cases.add("refused", nobody)
    cases.add_app("refused_app", nobody)
    cases.add("no_name", "https://portal.invalid")
    cases.add_app("no_name_app", "https://portal.invalid")
    fine = cases.servers["fine"]
    cases.add_app("oauth_server_refused", fine.url, access_token="", oauth_server=nobody)
    page = f"{fine.url}crm"  # the portal's own web pages
    cases.add_app("oauth_server_page", fine.url, access_token="", oauth_server=page)
    moved = cases.serve("moved")
    moved.portal.renamed_to = fine.url.replace("127.0.0.1", "localhost")
    cases.add("moved_to_foreign_host", moved.url)
    cases.add("moved_to_allowed_host", moved.url, allowed_hosts="localhost")
    echo = cases.stack.enter_context(EchoServer())
    cases.add("echo", echo.url)
    cases.add_app("echo_app", echo.url)
    cases.add_app("oauth_server_echo", fine.url, access_token="", oauth_server=echo.url)
    proxy = cases.stack.enter_context(Proxy({"portal.example:80": fine.port}, SECRETS["proxy password"]))
    closed = cases.stack.enter_context(Proxy({}, "another password"))
    password = quote(SECRETS["proxy password"], safe="")
    for name, port in {
        "proxy": proxy.server_address[1],
        "proxy_407": closed.server_address[1],
        "proxy_refused": free_port(),
    }.items():
        at = f"http://proxyuser:{password}@127.0.0.1:{port}"
        cases.add(name, "http://portal.example", proxy=at)
        cases.add(f"{name}_tls", "https://portal.example", proxy=at)
        cases.add_app(f"{name}_app", "http://portal.example", proxy=at, access_token="")
    cases.add("proxy_unreadable", fine.url, proxy=f"proxyuser:{password}@[proxy.example")


def add_tls(cases: Cases) -> None:
    certificate = make_certificate(FOLDER, "portal", "IP:127.0.0.1")
    secure = cases.serve("secure", certificate=certificate)
    cases.add("tls", secure.url)
    cases.add_app("tls_app", secure.url, access_token="")
    cases.add("tls_trusted", secure.url, ca_bundle=certificate[0])
    cases.add("tls_unverified", secure.url, verify_tls=False)
    plain = cases.servers["fine"].url.rstrip("/")
    downgrade = cases.serve("downgrade", Fault("redirect", location=plain), certificate=certificate)
    cases.add("moved_to_plain_http", downgrade.url, ca_bundle=certificate[0])
    cases.add_app("moved_to_plain_http_app", downgrade.url, ca_bundle=certificate[0])


def run_tasks(cases: Cases) -> dict[str, str]:
    """One run of one DAG: each operator with each connection it is to be tried with. State by task."""
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:  # before Airflow 3.2
        from airflow.models.dagbag import DagBag
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    os.environ["CANARY_CASES"] = json.dumps(cases.kinds)
    file = DAGS / "canaries.py"
    file.write_text(DAG)
    bag = DagBag(file, safe_mode=False)
    assert not bag.import_errors, bag.import_errors
    bag.dags["canaries"].test()
    with create_session() as session:
        return {task: str(state) for task, state in session.query(TaskInstance.task_id, TaskInstance.state)}


def store(cases: Cases) -> None:
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    with create_session() as session:
        for name, fields in cases.connections.items():
            fields = fields | {"extra": json.dumps(fields["extra"])}
            session.add(Connection(conn_id=name, conn_type="bitrix24", **fields))


def use_hooks(cases: Cases) -> dict[str, dict[str, str]]:
    """Everything that hooks and operators can do, with every connection, outside of a task."""
    for conn_id, fields in cases.connections.items():
        os.environ[f"AIRFLOW_CONN_{conn_id.upper()}"] = json.dumps({"conn_type": "bitrix24", **fields})
    with ThreadPoolExecutor(8) as threads:  # much of it is waiting for servers that hang
        return dict(zip(cases.connections, threads.map(use_hook, cases.connections), strict=True))


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
    answers = {}
    for use, action in uses.items():
        try:
            answers[use] = repr(action())
        except Exception as error:  # noqa: BLE001 - whatever it is, it is evidence
            note_error(f"{conn_id} {use}", error)
            answers[use] = f"{type(error).__name__}: {error}"
    with contextlib.suppress(Bitrix24Error):  # of connections that cannot be read
        append("reprs.txt", represent(conn_id, hook))
    return answers


def execute(operator: Any, hook: Any) -> Any:
    """Let an operator work as in a task; what it leaves in XCom is part of the answer."""
    pushed: list[Any] = []
    ti = SimpleNamespace(
        dag_id="canaries",
        run_id="direct",
        task_id=operator.task_id,
        map_index=-1,
        xcom_push=lambda key, value: pushed.append([key, value]),
    )
    operator.hook = hook
    return operator.translated(operator.run, {"ti": ti}), pushed


def represent(conn_id: str, hook: Any) -> str:
    """What Python shows of everything that holds a secret."""
    from airflow_provider_b24.rest.oauth import Grant
    from airflow_provider_b24.rest.replies import RawReply
    from airflow_provider_b24.rest.tokens import FileTokenStore, MemoryTokenStore, TokenPair

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
        client.transport,
        client._auth,
        getattr(client._auth, "_store", None),
        operator,
        pair,
        Grant(pair),
        memory,
        FileTokenStore(FOLDER / "tokens", "x"),
        RawReply(200, pair.to_json().encode()),
    ]
    return "\n".join(f"{conn_id} {type(thing).__name__}: {thing!r} {thing!s}" for thing in things)


def use_commands(cases: Cases) -> dict[str, str]:
    """The command that makes a connection, and Airflow's own that tests one."""
    from airflow_provider_b24.cli.__main__ import main

    fine = cases.servers["fine"]
    addresses = {
        name: cases.connections[name]["host"]
        for name in ("fine", "refused", "no_name", "echo", "moved_to_foreign_host", "tls", "wrong_webhook")
        if name in cases.connections
    }
    portal = fine.portal
    outcomes: dict[str, str] = {}

    def run(name: str, server: str, code: str, *more: str, secret: str = SECRETS["client secret"]) -> None:
        os.environ |= {"BITRIX24_CLIENT_SECRET": secret, "BITRIX24_CODE": code}
        command = ["authorize", fine.url, "--client-id", APP, "--oauth-server", server, "--allow-http"]
        try:
            main([*command, *more])
        except SystemExit as error:
            outcomes[name] = str(error.code)
        else:
            outcomes[name] = ""

    for name, server in addresses.items():
        run(f"authorize at {name}", server, portal.issue_code(APP), "--conn-id", f"made_at_{name}")
    address = f"https://app.example/?code={quote(portal.issue_code(APP), safe='')}&scope=crm"
    run("address", fine.url, address, "--conn-id", "made_by_address")
    run("again", fine.url, portal.issue_code(APP), "--conn-id", "made_by_address")
    run("replace", fine.url, portal.issue_code(APP), "--conn-id", "made_by_address", "--replace")
    run("wrong code", fine.url, SECRETS["wrong authorisation code"], "--conn-id", "made_by_wrong_code")
    foreign = f"https://app.example/?state=foreign&code={quote(SECRETS['wrong authorisation code'])}"
    run("foreign address", fine.url, foreign, "--conn-id", "made_by_foreign")
    run(
        "wrong secret",
        fine.url,
        portal.issue_code(APP),
        "--conn-id",
        "x",
        secret=SECRETS["wrong client secret"],
    )
    for form in ("json", "uri"):  # what it prints when it is asked to is the one thing that holds secrets
        with (FOLDER / "printed.txt").open("a") as printed, contextlib.redirect_stdout(printed):
            run(f"print {form}", fine.url, portal.issue_code(APP), "--print", form)
    os.environ.pop("BITRIX24_CLIENT_SECRET")
    os.environ.pop("BITRIX24_CODE")
    outcomes |= test_by_command(
        ["fine", "fine_app", "made_at_fine", "refused", "wrong_webhook", "in_host", "echo_app"]
    )
    return outcomes


def test_by_command(names: list[str]) -> dict[str, str]:
    from airflow.cli.cli_parser import get_parser

    outcomes = {}
    with mock.patch.dict(os.environ, {"AIRFLOW__CORE__TEST_CONNECTION": "Enabled"}):
        for name in names:
            args = get_parser().parse_args(["connections", "test", name])
            try:
                args.func(args)
            except SystemExit as error:
                outcomes[f"test {name}"] = str(error.code)
            else:
                outcomes[f"test {name}"] = ""
    return outcomes


def main() -> None:
    DAGS.mkdir(parents=True)
    started = time.monotonic()
    from airflow.utils.db import initdb

    initdb()
    print(f"harvest: database {time.monotonic() - started:.1f} s")
    numbers = itertools.count()
    names = {20: "authorisation code", 35: "rotated token"}
    imitation = SimpleNamespace(
        token_hex=lambda size: f"{SECRETS[names[size]]}-{next(numbers)}",
        compare_digest=lambda one, other: one == other,
    )
    with (
        contextlib.ExitStack() as stack,
        (EVIDENCE / "records.txt").open("w") as records,
        mock.patch.multiple(pacing.SystemClock, now=Clock.now, sleep=Clock.sleep),
        mock.patch.object(oauth, "secrets", imitation),
    ):
        logging.getLogger().setLevel(logging.DEBUG)
        everything = Everything(records)
        logging.getLogger().addHandler(everything)
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        cases = Cases(stack)
        add_cases(cases)
        store(cases)
        for logger in logging.root.manager.loggerDict.values():
            if isinstance(logger, logging.Logger):
                logger.setLevel(logging.DEBUG)
        outcomes: dict[str, Any] = {"tasks": run_tasks(cases)}
        print(f"harvest: tasks {time.monotonic() - started:.1f} s")
        outcomes["answers"] = use_hooks(cases)
        print(f"harvest: hooks {time.monotonic() - started:.1f} s")
        outcomes["commands"] = use_commands(cases)
        print(f"harvest: commands {time.monotonic() - started:.1f} s")
        outcomes["idle faults"] = [
            f"{name} {fault.kind}"
            for name, server in cases.servers.items()
            for fault in server.portal.faults
            if not fault.fired
        ]
        logging.getLogger().handlers.remove(everything)
        outcomes["rotated"] = {name: one.portal.refreshes for name, one in cases.servers.items()}
    (FOLDER / "outcomes.json").write_text(json.dumps(outcomes, indent=1))


if __name__ == "__main__":
    main()
