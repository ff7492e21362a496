"""The notifier over the imitation portal, called as Airflow calls it."""

import asyncio
import threading
from types import SimpleNamespace

import pytest

from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.sandbox import Fault
from airflow_provider_b24.sandbox.http.seed import DEMO_CODE

pytestmark = pytest.mark.airflow

DAG = """
    from datetime import datetime, timedelta
    from airflow.providers.common.compat.sdk import DAG, task
    from airflow_provider_b24.notifications.bitrix24 import Bitrix24Notifier

    notifier = Bitrix24Notifier({arguments})

    def last_callback(context):
        print("the last callback ran")

    with DAG(dag_id="told", schedule=None, start_date=datetime(2026, 1, 1)):

        @task(
            retries=1,
            retry_delay=timedelta(0),
            on_execute_callback={on_execute},
            on_retry_callback=[notifier],
            on_failure_callback=[notifier, last_callback],
        )
        def work():
            raise ValueError("broken on purpose")

        work()
"""


def dag(arguments, on_execute="None"):
    return DAG.format(arguments=arguments, on_execute=on_execute)


@pytest.fixture
def make_notifier(airflow_console, bitrix24_conn):
    from airflow_provider_b24.notifications.bitrix24 import Bitrix24Notifier

    return Bitrix24Notifier


@pytest.fixture
def context(airflow_console):
    from airflow.providers.common.compat.sdk import DAG

    ti = SimpleNamespace(
        dag_id="told", task_id="work", run_id="manual__1", try_number=1, max_tries=0, state="failed"
    )
    return {"dag": DAG(dag_id="told", schedule=None), "ti": ti, "exception": ValueError("broken")}


def sent(portal):
    return [(one["method"], one["params"]) for one in portal.messages]


def test_a_chat_is_told_what_failed(make_notifier, portal, context):
    make_notifier(dialog_id="chat42")(context)
    ((method, params),) = sent(portal)
    assert (method, params["DIALOG_ID"]) == ("im.message.add", "chat42")
    assert params["MESSAGE"].startswith("[B]Task failed[/B]: told.work\n")
    assert "ValueError: broken" in params["MESSAGE"]


def test_texts_and_recipients_are_templates(make_notifier, portal, context):
    make_notifier("{{ ti.task_id }} is down", user_id="{{ 3 + 4 }}")(context)
    assert sent(portal) == [("im.notify.system.add", {"USER_ID": 7, "MESSAGE": "work is down"})]


def test_one_notifier_serves_many_callbacks(make_notifier, portal, context):
    notifier = make_notifier("{{ ti.state }}", user_id=7)
    notifier(context)
    context["ti"].state = "success"
    notifier(context)
    assert [params["MESSAGE"] for _, params in sent(portal)] == ["failed", "success"]


@pytest.mark.parametrize("recipient", [{}, {"dialog_id": "chat1", "user_id": 1}])
def test_a_recipient_is_missed_when_the_dag_is_parsed(make_notifier, recipient):
    with pytest.raises(Bitrix24InputError, match="exactly one of dialog_id and user_id"):
        make_notifier("Hello", **recipient)


def test_a_secret_in_the_text_is_not_sent(make_notifier, portal, context):
    context["exception"] = ValueError(f"POST https://portal.example/rest/1/{DEMO_CODE}/profile.json failed")
    make_notifier(dialog_id="chat42")(context)
    ((_, params),) = sent(portal)
    assert "/rest/1/***/profile.json" in params["MESSAGE"]
    assert DEMO_CODE not in params["MESSAGE"]


FAILURES = [
    ({"dialog_id": "chatter"}, {}, "dialog_id must look like 'chat42'"),
    ({"user_id": "{{ None }}"}, {}, "user_id must be a positive whole number, got 'None'"),
    ({"user_id": 1, "text": " "}, {}, "the text of a message must not be empty"),
    ({"user_id": 1, "bitrix24_conn_id": "nowhere"}, {}, "nowhere"),
    ({"user_id": 1}, {"AIRFLOW_CONN_BITRIX24_DEFAULT": '{"conn_type": "bitrix24"}'}, "is missing"),
]


@pytest.mark.parametrize(("arguments", "environment", "reason"), FAILURES)
def test_what_cannot_be_sent_is_one_line_in_the_log(
    make_notifier, portal, context, airflow_console, monkeypatch, arguments, environment, reason
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with airflow_console.captured() as log:
        make_notifier(**arguments)(context)
    (line,) = (line for line in log.getvalue().splitlines() if "The notification was not sent: " in line)
    assert reason in line
    assert "Traceback" not in log.getvalue()
    assert portal.messages == []


def test_a_message_whose_reply_is_lost_is_not_sent_twice(make_notifier, portal, context, airflow_console):
    portal.add_fault(Fault("reset", method="im.message.add", after=True, times=1))
    with airflow_console.captured() as log:
        make_notifier("Hello", dialog_id="chat42")(context)
    assert len(portal.messages) == 1
    assert log.getvalue().count("The notification may not have been sent: ") == 1


def test_a_passing_limit_is_waited_for(make_notifier, portal, context):
    portal.add_fault(Fault("query_limit", times=2))
    make_notifier("Hello", dialog_id="chat42")(context)
    assert len(portal.messages) == 1


def test_the_event_loop_goes_on_while_a_message_is_sent(make_notifier, portal, context):
    """The portal does not answer before the loop has done something else."""
    asked, released = threading.Event(), threading.Event()
    answered_in_time = []

    def wait(entry):
        asked.set()
        answered_in_time.append(released.wait(20))

    async def release():
        while not asked.is_set():
            await asyncio.sleep(0.01)
        released.set()

    async def scenario():
        portal.on_request = wait
        await asyncio.gather(release(), make_notifier(user_id=7).async_notify(context))

    asyncio.run(scenario())
    assert len(portal.messages) == 1
    assert answered_in_time == [True]


def test_a_deadline_alert_awaits_the_notifier(make_notifier, portal):
    import inspect

    from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS

    if not AIRFLOW_V_3_1_PLUS:
        pytest.skip("Airflow has deadline alerts since 3.1")
    assert "kwargs" in inspect.signature(make_notifier).parameters  # else Airflow passes no context
    deadline = {
        "dag_run": {"dag_id": "told", "dag_run_id": "manual__1"},
        "deadline": {"id": "1", "deadline_time": "2026-11-25T06:00:00+00:00"},
    }

    async def alert():
        await make_notifier(user_id=7, context=deadline)

    asyncio.run(alert())
    ((_, params),) = sent(portal)
    assert params["MESSAGE"].startswith("[B]Deadline missed[/B]: told\n")


def test_a_failing_task_sends_one_message_per_callback(run_dag, portal, bitrix24_conn):
    run = run_dag(dag("'{{ ti.task_id }} try {{ ti.try_number }}', dialog_id='chat42'"))
    assert run.states["work"] == "failed"
    assert [params["MESSAGE"] for _, params in sent(portal)] == [
        "work try 1",
        "work try 2",
    ]
    assert "the last callback ran" in run.log


def test_the_default_text_tells_a_retry_from_a_failure(run_dag, portal, bitrix24_conn):
    run_dag(dag("user_id=7"))
    retried, failed = (params["MESSAGE"] for _, params in sent(portal))
    assert retried.startswith("[B]Task failed and will be retried[/B]: told.work\n")
    assert failed.startswith("[B]Task failed[/B]: told.work\n")
    assert "\nTry: 2 of 2" in failed


def test_one_notifier_may_stand_at_every_event_of_a_task(run_dag, portal, bitrix24_conn):
    run_dag(dag("'try {{ ti.try_number }} {{ ti.state }}', user_id=7", "[notifier]"))
    started, retried, started_again, failed = (params["MESSAGE"] for _, params in sent(portal))
    assert retried.lower().endswith("up_for_retry")  # plain text, or the name of an enumeration's member
    assert failed.lower().endswith("failed")
    assert started.startswith("try 1 ")
    assert started_again.startswith("try 2 ")


def test_with_the_portal_down_the_task_ends_as_without_a_notifier(run_dag, server, monkeypatch):
    connection = server.connection_json()
    server.stop()
    monkeypatch.setenv("AIRFLOW_CONN_BITRIX24_DEFAULT", connection)
    monkeypatch.setenv("AIRFLOW__BITRIX24__RETRY_TIMEOUT", "0")
    run = run_dag(dag("dialog_id='chat42'"))
    assert (run.states["work"], run.tries["work"]) == ("failed", 2)
    assert run.log.count("The notification was not sent: ") == 2  # one line a try
    assert "the last callback ran" in run.log
    assert DEMO_CODE not in run.log
