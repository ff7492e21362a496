"""What README and documentation show works as it stands: DAGs, operators, tests, commands, settings."""

import json
import shlex
import subprocess
import sys
from argparse import ArgumentParser
from configparser import ConfigParser
from datetime import timedelta

import pytest

from airflow_provider_b24.cli.clean import parse_span
from airflow_provider_b24.rest.address import parse_webhook
from airflow_provider_b24.sandbox import Fault
from tests.contract.conftest import ROOT
from tests.contract.pages import INFO, PAGES, SETTINGS, blocks, commands, each, first_column, operators

PYTHON = blocks("python")
DAGS = [(name, source) for name, source in PYTHON if "@dag" in source]
TESTS = [(name, source) for name, source in PYTHON if "def test_" in source or "pytest_plugins" in source]
SNIPPETS = [pair for pair in PYTHON if pair not in DAGS and pair not in TESTS]


def need_airflow_for(source):
    pytest.importorskip("airflow", reason="needs Airflow")
    if "AssetWatcher" in source or "airflow_provider_b24.triggers" in source:
        pytest.importorskip("airflow.sdk", reason="AssetWatcher came with Airflow 3")


@pytest.fixture
def run_snippet(run_dag, bitrix24_conn, tmp_path):
    """Run a DAG of the documentation; what it puts into /tmp lies in the test's folder."""

    def run(source):
        done = run_dag(source.replace("/tmp/", f"{tmp_path}/"))  # noqa: S108 - it is what is replaced
        assert done.state == "success", done.states
        return done

    return run


@pytest.mark.parametrize("page", ["README", "docs/contact-companies", "docs/sync", "docs/any-method"])
def test_a_page_for_users_shows_a_dag(page):
    assert any(name.startswith(page) for name, _ in DAGS)


@each(DAGS)
def test_a_dag_runs(source, run_snippet):
    need_airflow_for(source)
    run_snippet(source)


def test_summary_and_report_have_the_keys_that_are_described(run_snippet, tmp_path):
    summary = run_snippet(dict(DAGS)["docs/sync.md-1"]).returned("sync")
    (report,) = tmp_path.glob("*.jsonl")
    before, _, after = PAGES["docs/sync.md"].partition("## Report")
    assert sorted(first_column(before, "Key")) == sorted([*summary, "planned", "skipped"])
    described = sorted(first_column(after, "Key"))
    assert [sorted(json.loads(line)) for line in report.open()] == [described, described]


@each(SNIPPETS)
def test_the_operators_of_a_snippet_can_be_made(source):
    need_airflow_for(source)
    names = {"timedelta": timedelta} | {one.__name__: one for one in operators()}
    exec(source, names)  # noqa: S102 - it is ours


@pytest.mark.slow
@pytest.mark.airflow
def test_the_tests_in_the_documentation_pass(airflow_console, tmp_path, monkeypatch):
    conftest, *tests = (source for _, source in TESTS)
    (tmp_path / "conftest.py").write_text(conftest)
    for number, test in enumerate(tests):
        (tmp_path / f"test_{number}.py").write_text(test)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


@each(commands())
def test_a_command_would_work(source, monkeypatch):
    match shlex.split(source, comments=True):
        case ["make", *words]:
            makefile = (ROOT / "Makefile").read_text()
            assert [word for word in words if "=" not in word and f"\n{word}: " not in makefile] == []
        case ["export", webhook] if webhook.startswith("BITRIX24_WEBHOOK="):
            assert parse_webhook(webhook.partition("=")[2].replace("<code>", "abc123")).user_id == 1
        case ["airflow", "connections", "add", _, "--conn-json", connection] | ["export", connection]:
            pytest.importorskip("airflow", reason="needs Airflow")
            from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook

            name = "AIRFLOW_CONN_BITRIX24_DEFAULT"
            value = connection.removeprefix(f"{name}=").replace("<code>", "abc123")
            monkeypatch.setenv(name, value)
            assert Bitrix24Hook().config.url == "https://mycompany.bitrix24.com"
        case ["airflow", "bitrix24", "authorize", *words]:
            from airflow_provider_b24.cli.definition import AUTHORIZE_ARGUMENTS

            parser = ArgumentParser()
            for flags, facts in AUTHORIZE_ARGUMENTS:
                parser.add_argument(*flags, **facts)
            parser.parse_args(words)
        case ["airflow", "bitrix24", "events", command, *words]:
            from airflow_provider_b24.cli.definition import EVENTS_COMMANDS

            parser = ArgumentParser()
            for flags, facts in EVENTS_COMMANDS[command][1]:
                parser.add_argument(*flags, **facts)
            parser.parse_args(words)
        case ["python", "-m", "airflow_provider_b24.sandbox", *words]:
            from airflow_provider_b24.sandbox.__main__ import parser as sandbox_parser

            sandbox_parser().parse_args(words)
        case ["curl", address, "-d", fault]:
            assert address.endswith("/_sandbox/faults")
            Fault(**json.loads(fault))
        case ["pip", "install", package]:
            assert package == INFO["package-name"]
        case ["airflow", "bitrix24", "clean", "--older-than", span, _]:
            assert parse_span(span)
        case ["curl", _] | ["airflow", "providers", "list"] | ["git", *_]:
            pass
        case _:
            pytest.fail(f"no case here checks this command: {source}")


@each(blocks("ini"))
def test_a_setting_in_a_configuration_block_exists(source):
    pytest.importorskip("airflow", reason="needs Airflow")
    from airflow.providers.common.compat.sdk import conf

    parser = ConfigParser()
    parser.read_string(source)
    for section in parser.sections():
        for option in parser[section]:
            assert option in SETTINGS if section == "bitrix24" else conf.has_option(section, option)
