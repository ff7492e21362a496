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
from airflow_provider_b24.sandbox import Fault, Portal, PortalServer, oauth, seeded_portal
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
    """Connections, each to a portal with something the matter, and the tasks that are to use them."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self.stack = stack
        self.connections: dict[str, dict[str, Any]] = {}
        self.kinds: dict[str, tuple[str, ...]] = {}
        self.portals: dict[str, Portal] = {}
        self._turns = itertools.cycle(ALL)

    def serve(self, name: str, *faults: Fault, certificate: Any = (None, None)) -> str:
        """Serve a portal and return its address."""
        portal = self.portals[name] = seeded_portal(clock=Clock().now)
        portal.add_webhook(1, SECRETS["webhook code"])
        portal.add_webhook(1, SECRETS["pasted webhook code"])
        portal.add_webhook(7, SECRETS["code without rights"], admin=False, can_update=False, name="Ruth")
        portal.add_webhook(9, SECRETS["code without scope"], scope=("im",), admin=False, name="Sam")
        portal.faults.extend(faults)
        cert, key = certificate
        return self.stack.enter_context(PortalServer(portal, certfile=cert, keyfile=key)).url.rstrip("/")

    def add(
        self,
        name: str,
        host: str,
        login: str | None = "1",
        password: str | None = SECRETS["webhook code"],
        kinds: tuple[str, ...] = (),
        **extra: Any,
    ) -> None:
        """A connection with a webhook; unless told, one task uses it, with the next operator in turn."""
        extra = {"plan": "none", "allow_http": True, **extra}
        self.connections[name] = {"host": host, "login": login, "password": password, "extra": extra}
        self.kinds[name] = kinds or (next(self._turns),)

    def add_app(self, name: str, host: str, portal: str = "", kinds: tuple[str, ...] = (), **extra: Any) -> None:
        """A connection with an application, which a portal knows."""
        app = {
            "client_id": f"local.{name}",
            "client_secret": SECRETS["client secret"],
            "access_token": f"{SECRETS['access token']}-{name}",
            "refresh_token": f"{SECRETS['refresh token']}-{name}",
            "oauth_server": host,
        }
        if portal:
            known = self.portals[portal]
            known.add_app(app["client_id"], app["client_secret"])
            end = Clock().now() + 1e6
            known.apps._access[app["access_token"]] = (app["client_id"], end)
            known.apps._refresh[app["refresh_token"]] = (app["client_id"], end)
        self.add(name, host, None, None, kinds, **app | extra)


def add_cases(cases: Cases) -> None:
    """All of them."""
    url = cases.serve("fine")
    cases.add("fine", url, kinds=(*ALL, "hook", *BAD_ITEMS))
    cases.add_app("fine_app", url, "fine", kinds=(*ALL, "hook"))
    for kind, after in itertools.product(get_args(Kind), (False, True)):
        name = f"{kind}_{'after' if after else 'before'}"
        slow = {"read_timeout": 0.2} if kind in ("hang", "slow_body") else {}
        faulty = cases.serve(name, Fault(kind, after=after, seconds=4.0))
        cases.add(name, faulty, **slow)
        cases.add_app(f"{name}_app", faulty, name, **slow)
    add_wrong_connections(cases, url)
    add_networks(cases, url)
    if shutil.which("openssl"):
        add_tls(cases, url)


def add_wrong_connections(cases: Cases, url: str) -> None:
    secret = SECRETS.__getitem__
    whole = f"{url}/rest/1/{secret('pasted webhook code')}/"
    client_secret = {"client_secret": secret("client secret")}
    cases.add("wrong_webhook", url, password=secret("wrong webhook code"))
    cases.add("no_rights", url, "7", secret("code without rights"))
    cases.add("no_scope", url, "9", secret("code without scope"))
    cases.add("pasted", "", "", whole)
    cases.add("pasted_broken", "", "", f"{whole}a/b/c/")
    cases.add("pasted_elsewhere", "https://other.example", "", whole)
    cases.add("in_host", f"{url}/rest/1/{secret('code in Host')}/", password="")
    cases.add("in_login", url, secret("code in Login"), "")
    cases.add("strange_code", url, password=secret("client secret"))
    cases.add("both", url, client_id="local.both", **client_secret)
    cases.add("secret_alone", url, **client_secret)
    cases.add("misspelled", url, clientsecret=secret("client secret"))
    cases.add_app("secret_in_list", url, client_secret=[secret("client secret")])
    cases.add_app("secret_with_space", url, access_token=f"{secret('access token')} x")
    cases.add_app("wrong_secret", url, "fine", client_secret=secret("wrong client secret"), access_token="")
    wrong = {"refresh_token": secret("refused refresh token")}
    cases.add_app("refused_refresh", url, "fine", access_token="", **wrong)
    cases.add_app("unknown_app", url, access_token="")
    cases.serve("expired", Fault("expired_token"))
    cases.add_app("no_refresh", cases.portals["expired"].url, "expired", refresh_token="")


def add_networks(cases: Cases, url: str) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    for name, host in {"refused": nobody, "no_name": "https://portal.invalid"}.items():
        cases.add(name, host)
        cases.add_app(f"{name}_app", host, access_token="")
        cases.add_app(f"oauth_server_{name}", url, "fine", access_token="", oauth_server=host)
    page = f"{url}/crm/contact/details"  # of the portal's own
    cases.add_app("oauth_server_page", url, "fine", access_token="", oauth_server=page)
    moved = cases.serve("moved")
    cases.portals["moved"].renamed_to = url.replace("127.0.0.1", "localhost")
    cases.add("moved_to_foreign_host", moved)
    cases.add_app("moved_to_foreign_host_app", moved, "moved")
    cases.add("moved_to_allowed_host", moved, allowed_hosts="localhost")
    echo = cases.stack.enter_context(EchoServer()).url
    cases.add("echo", echo)
    cases.add_app("echo_app", echo)
    cases.add_app("oauth_server_echo", url, "fine", access_token="", oauth_server=echo)
    add_proxies(cases, url)


def add_proxies(cases: Cases, url: str) -> None:
    port = int(url.rpartition(":")[2])
    places = {"portal.example:80": port}
    proxy = cases.stack.enter_context(Proxy(places, SECRETS["proxy password"]))
    closed = cases.stack.enter_context(Proxy(places, "another password"))
    ports = {"proxy": proxy.server_address[1], "proxy_closed": closed.server_address[1], "no_proxy": free_port()}
    password = quote(SECRETS["proxy password"], safe="")
    for name, number in ports.items():
        through = {"proxy": f"http://proxyuser:{password}@127.0.0.1:{number}"}
        cases.add(name, "http://portal.example", **through)
        cases.add(f"{name}_tls", "https://portal.example", **through)
        cases.add_app(f"{name}_app", "http://portal.example", "fine", access_token="", **through)
    cases.add("proxy_unreadable", url, proxy=f"proxyuser:{password}@[proxy.example")


def add_tls(cases: Cases, url: str) -> None:
    certificate = make_certificate(FOLDER, "portal", "IP:127.0.0.1")
    trusted = {"ca_bundle": certificate[0]}
    secure = cases.serve("secure", certificate=certificate)
    cases.add("tls", secure)
    cases.add_app("tls_app", secure, "secure", access_token="")
    cases.add("tls_trusted", secure, **trusted)
    cases.add("tls_unverified", secure, verify_tls=False)
    downgrade = cases.serve("downgrade", Fault("redirect", location=url), certificate=certificate)
    cases.add("moved_to_plain_http", downgrade, **trusted)
    cases.add_app("moved_to_plain_http_app", downgrade, "downgrade", **trusted)


def store(cases: Cases) -> None:
    """Keep the connections in the database, except those that hold a secret where Airflow hides none."""
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


def use_hooks(cases: Cases) -> dict[str, dict[str, str]]:
    """Everything that hooks and operators can do, with every connection, outside of a task."""
    for conn_id, fields in cases.connections.items():  # only tasks may read the database on Airflow 3
        put_into_environment(conn_id, fields)
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

    url = cases.connections["fine"]["host"]
    portal = cases.portals["fine"]
    portal.add_app(APP, SECRETS["client secret"])
    outcomes: dict[str, str] = {}

    def run(name: str, *more: str, server: str = url, secret: str = "client secret", code: str = "") -> None:
        os.environ |= {
            "BITRIX24_CLIENT_SECRET": SECRETS[secret],
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
    wrong = SECRETS["wrong authorisation code"]
    address = "https://app.example/?code={}&scope=crm"
    run("address", code=address.format(quote(portal.issue_code(APP), safe="")))
    run("again", "--conn-id", "made_by_fine")
    run("replace", "--conn-id", "made_by_fine", "--replace")
    run("wrong_code", code=wrong)
    run("foreign_address", code=address.format(quote(wrong, safe="")) + "&state=foreign")
    run("wrong_secret", secret="wrong client secret")
    for form in ("json", "uri"):  # it prints secrets only where it is asked to
        with (FOLDER / "printed.txt").open("a") as printed, contextlib.redirect_stdout(printed):
            run(form, "--print", form)
    del os.environ["BITRIX24_CLIENT_SECRET"], os.environ["BITRIX24_CODE"]
    for conn_id in ("fine", "fine_app", "made_by_fine", "refused", "wrong_webhook", "in_host", "echo_app"):
        outcomes[f"test {conn_id}"] = test_by_command(conn_id)
    return outcomes


def test_by_command(conn_id: str) -> str:
    """`airflow connections test`."""
    from airflow.cli.cli_parser import get_parser

    args = get_parser().parse_args(["connections", "test", conn_id])
    with mock.patch.dict(os.environ, {"AIRFLOW__CORE__TEST_CONNECTION": "Enabled"}):
        try:
            args.func(args)
        except SystemExit as error:
            return str(error.code)
    return ""


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
            for name, portal in cases.portals.items()
            for fault in portal.faults
            if not fault.fired
        ]
        outcomes["refreshes"] = sum(portal.refreshes for portal in cases.portals.values())
        logging.getLogger().removeHandler(everything)
    (FOLDER / "outcomes.json").write_text(json.dumps(outcomes, indent=1))


if __name__ == "__main__":
    main()
