"""The command that turns an authorization code into a connection."""

import json
import logging
import os
import pty
import select
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from airflow_provider_b24.cli.__main__ import main
from airflow_provider_b24.connection import portal_config
from airflow_provider_b24.rest.config import OAuthApp
from airflow_provider_b24.sandbox import PortalServer, seeded_portal

pytestmark = pytest.mark.airflow

SECRET = "canary0secret0of0the0application"
APP = "local.5c8bb1b0891cf2.87252039"


@pytest.fixture
def portal():
    portal = seeded_portal()
    portal.add_app(APP, SECRET)
    return portal


@pytest.fixture
def authorize(server, portal, airflow_console, monkeypatch):
    """Run the command in this process; `code` is what the person enters."""

    def run(*arguments, code=None, secret=SECRET):
        monkeypatch.setenv("BITRIX24_CLIENT_SECRET", secret)
        monkeypatch.setenv("BITRIX24_CODE", code or portal.issue_code(APP))
        address = server.url.rstrip("/")
        fixed = ["authorize", address, "--client-id", APP, "--oauth-server", address, "--allow-http"]
        main([*fixed, *arguments])

    return run


@pytest.fixture
def stored(airflow_console):
    """Read a connection out of Airflow's database; after the test it is gone."""
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    def read(conn_id):
        with create_session() as session:
            found = session.query(Connection).filter(Connection.conn_id == conn_id).one_or_none()
            if found is not None:
                session.expunge(found)
        return found

    yield read
    with create_session() as session:
        session.query(Connection).filter(Connection.conn_id.like("test_b24%")).delete(
            synchronize_session=False
        )


def test_a_code_becomes_a_stored_connection_that_works(authorize, stored, server, capsys, caplog):
    from airflow_provider_b24.rest.auth.build import build_auth
    from airflow_provider_b24.rest.client import Client
    from airflow_provider_b24.rest.transport import Transport

    caplog.set_level(logging.DEBUG)
    authorize("--conn-id", "test_b24")
    connection = stored("test_b24")
    config = portal_config(connection)
    transport = Transport(config)
    assert Client(transport, build_auth(transport)).call("profile").result["ID"] == "1"
    assert config.url == server.url.rstrip("/")
    shown = capsys.readouterr()
    assert f"{config.url}/oauth/authorize/?client_id={APP}&response_type=code" in shown.err
    assert "Stored the connection" in shown.err
    secrets = [SECRET, config.credentials.access_token, config.credentials.refresh_token]
    assert not [one for one in secrets if one in shown.out + shown.err + caplog.text]


@pytest.mark.parametrize("form", ["uri", "json"])
def test_the_connection_is_shown_only_when_asked_for(authorize, stored, capsys, form):
    from airflow.models.connection import Connection

    authorize("--conn-id", "test_b24", "--print", form)
    text = capsys.readouterr().out.splitlines()[-1]
    shown = Connection(conn_id="x", uri=text) if form == "uri" else Connection.from_json(text, conn_id="x")
    credentials = portal_config(shown).credentials
    assert isinstance(credentials, OAuthApp)
    assert (credentials.client_id, credentials.client_secret) == (APP, SECRET)
    assert credentials.access_token
    assert stored("test_b24") is None


def test_the_whole_address_that_holds_the_code_may_be_entered(authorize, portal, stored):
    code = portal.issue_code(APP)
    authorize(
        "--conn-id", "test_b24", code=f"https://app.example/?code={code}&domain=portal.example&scope=crm"
    )
    assert stored("test_b24") is not None


@pytest.mark.parametrize("suffix", ["", "/oauth/token/", "/rest/"])
def test_the_authorization_server_may_be_given_by_one_of_its_endpoints(authorize, server, stored, suffix):
    address = server.url.rstrip("/")
    authorize("--conn-id", "test_b24", "--oauth-server", f"{address}{suffix}")
    assert portal_config(stored("test_b24")).credentials.server == address


def test_a_redirect_that_names_another_authorization_server_is_warned_of_and_gets_no_secret(
    authorize, portal, stored, capsys
):
    redirect = f"https://app.example/?code={portal.issue_code(APP)}&server_domain=oauth.bitrix24.tech"
    authorize("--conn-id", "test_b24", code=redirect)
    told = capsys.readouterr().err
    assert "Warning: the redirect names the authorization server oauth.bitrix24.tech, but http://127" in told
    assert "--oauth-server oauth.bitrix24.tech" in told
    assert "127.0.0.1" in portal_config(stored("test_b24")).credentials.server


def test_an_answer_that_names_another_authorization_server_is_warned_of(authorize, server, stored, capsys):
    authorize("--conn-id", "test_b24", "--oauth-server", f"http://localhost:{server.port}")
    assert "Warning: the answer names the authorization server 127.0.0.1" in capsys.readouterr().err


@pytest.mark.parametrize("named", ["", "oauth bitrix", "%1b[31m"])
def test_a_redirect_that_names_no_readable_server_is_not_warned_of(authorize, portal, stored, capsys, named):
    code = portal.issue_code(APP)
    authorize("--conn-id", "test_b24", code=f"https://app.example/?code={code}&server_domain={named}")
    assert "Warning" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("entered", "words"),
    [
        ("https://app.example/?code=x&state=foreign", "another request"),
        ("https://app.example/?error=access_denied", "contains no code"),
        ("wrong", "invalid_grant"),
    ],
)
def test_a_code_that_cannot_be_used_ends_the_command(authorize, stored, entered, words):
    with pytest.raises(SystemExit) as caught:
        authorize("--conn-id", "test_b24", code=entered)
    assert words in str(caught.value)
    assert stored("test_b24") is None


def test_an_existing_connection_is_left_alone_unless_it_is_to_be_replaced(authorize, stored):
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    with create_session() as session:
        extra = json.dumps({"plan": "enterprise"})
        old = {
            "conn_type": "bitrix24",
            "host": "old.example",
            "login": "1",
            "password": "webhook0code",
            "extra": extra,
        }
        session.add(Connection(conn_id="test_b24", description="kept", **old))
    with pytest.raises(SystemExit, match="--replace"):
        authorize("--conn-id", "test_b24")
    authorize("--conn-id", "test_b24", "--replace")
    connection = stored("test_b24")
    config = portal_config(connection)
    assert config.plan == "enterprise"
    assert config.credentials.client_id == APP
    assert connection.description == "kept"
    first = config.credentials.access_token
    authorize("--conn-id", "test_b24", "--replace")
    assert portal_config(stored("test_b24")).credentials.access_token != first


def test_a_connection_of_another_type_is_not_replaced(authorize, stored):
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    with create_session() as session:
        session.add(Connection(conn_id="test_b24", conn_type="http", host="old.example"))
    with pytest.raises(SystemExit, match="has the type 'http'"):
        authorize("--conn-id", "test_b24", "--replace")


def test_a_wrong_secret_ends_the_command_and_is_not_shown(authorize, capsys):
    with pytest.raises(SystemExit) as caught:
        authorize("--conn-id", "test_b24", secret="canary0wrong0secret")
    assert "client_secret" in str(caught.value)
    assert "canary" not in str(caught.value) + capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["authorize", "http://portal.example", "--client-id", "x", "--print", "uri"],
            "the portal uses plain http",
        ),
        (["authorize", "portal example", "--client-id", "x", "--print", "uri"], "not a host name"),
        (
            [
                "authorize",
                "portal.example",
                "--client-id",
                "x",
                "--print",
                "uri",
                "--oauth-server",
                "http://o.example",
            ],
            "--oauth-server uses plain http",
        ),
    ],
)
def test_an_address_that_cannot_be_trusted_is_refused_before_anything_is_asked(arguments, words):
    with pytest.raises(SystemExit, match=words):
        main(arguments)


def test_no_secret_can_be_given_as_an_argument(capsys):
    with pytest.raises(SystemExit):
        main(["authorize", "--help"])
    text = capsys.readouterr().out
    assert "--client-secret" not in text
    assert "--code" not in text
    assert "BITRIX24_CLIENT_SECRET" in text


def test_without_a_terminal_and_without_the_environment_it_says_what_is_missing(monkeypatch):
    monkeypatch.delenv("BITRIX24_CLIENT_SECRET", raising=False)
    command = [sys.executable, "-m", "airflow_provider_b24.cli", "authorize", "p.example", "--client-id", "x"]
    done = subprocess.run(
        [*command, "--print", "uri"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        start_new_session=True,
    )
    assert done.returncode == 1
    assert "BITRIX24_CLIENT_SECRET is not set" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_at_a_terminal_the_secrets_are_asked_for_and_not_echoed(server, portal):
    address = server.url.rstrip("/")
    command = [sys.executable, "-m", "airflow_provider_b24.cli", "authorize", address, "--client-id", APP]
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [*command, "--oauth-server", address, "--allow-http", "--print", "json"])  # noqa: S606
    seen = read_until(terminal, b"client_secret of the application: ")
    os.write(terminal, f"{SECRET}\n".encode())
    seen += read_until(terminal, b"whole address: ")
    code = portal.issue_code(APP)
    os.write(terminal, f"{code}\n".encode())
    dialogue, rest = seen, read_until(terminal, b"}}")
    os.waitpid(child, 0)
    os.close(terminal)
    assert code.encode() not in dialogue + rest
    assert SECRET.encode() not in dialogue
    assert json.loads(rest[rest.index(b"{") :])["extra"]["client_id"] == APP


def read_until(terminal, mark, seconds=60):
    text = b""
    while mark not in text:
        assert select.select([terminal], [], [], seconds)[0], text
        text += os.read(terminal, 4096)
    return text


@pytest.mark.slow
def test_airflow_s_own_command_line_has_the_command(server, portal, airflow_console, stored):
    from airflow import __version__

    if tuple(map(int, __version__.split(".")[:2])) < (3, 2):
        pytest.skip("Airflow before 3.2 takes no commands from providers")
    providers = entry_points(group="apache_airflow_provider")
    if "airflow-provider-b24" not in [one.dist.name for one in providers if one.dist]:
        pytest.skip("needs the package installed")
    address = server.url.rstrip("/")
    key = "cnRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXM="  # each process would make up one of its own
    environment = {
        **os.environ,
        "AIRFLOW__CORE__FERNET_KEY": key,
        "BITRIX24_CLIENT_SECRET": SECRET,
        "BITRIX24_CODE": portal.issue_code(APP),
    }

    def airflow(*arguments):
        command = [sys.executable, "-m", "airflow", *arguments]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    options = ["--oauth-server", address, "--allow-http", "--conn-id", "test_b24_cli"]
    told = airflow("bitrix24", "authorize", address, "--client-id", APP, *options)
    assert "Stored the connection" in told
    assert SECRET not in told
    shown = airflow("connections", "get", "test_b24_cli", "--output", "json")
    assert APP in shown


@pytest.fixture
def server(portal):
    with PortalServer(portal) as server:
        yield server
