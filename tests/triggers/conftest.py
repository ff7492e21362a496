import json
from importlib.util import find_spec

import pytest

SECRET = "canary0secret0of0the0application"


def has_event_triggers() -> bool:
    """Whether this Airflow has AssetWatcher; Airflow 2 has not."""
    return find_spec("airflow") is not None and find_spec("airflow.sdk") is not None


# Airflow 2 has no AssetWatcher.
collect_ignore_glob = (
    [] if has_event_triggers() else ["test_event.py", "test_changes.py", "test_real_events.py"]
)


def app_connection(portal, server) -> str:
    """A connection in JSON for an application of the portal, which acts for an administrator."""
    portal.add_app("local.events", SECRET)
    token, refresh = portal.issue_tokens("local.events")
    address = server.url.rstrip("/")
    extra = {
        "allow_http": True,
        "client_id": "local.events",
        "client_secret": SECRET,
        "access_token": token,
        "refresh_token": refresh,
        "oauth_server": address,
        "plan": "none",
    }
    return json.dumps({"conn_type": "bitrix24", "host": address, "extra": extra})


@pytest.fixture
def app_conn(portal, server, monkeypatch, airflow_console):
    """The id of a connection with OAuth, as an administrator."""
    monkeypatch.setenv("AIRFLOW_CONN_BITRIX24_APP", app_connection(portal, server))
    return "bitrix24_app"
