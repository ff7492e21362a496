"""What listens below this package hears no secret: Sentry, OpenTelemetry, http.client, other agents."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = "canary0code0of0the0webhook"
TOKENS = ("canary0access0token", "canary0refresh0token", "canary0client0secret")

BEFORE = f"""
import io, json, logging, sys
from airflow_provider_b24.errors import Bitrix24Error
from airflow_provider_b24.rest.auth.build import build_auth
from airflow_provider_b24.rest.client import Client
from airflow_provider_b24.rest.config import OAuthApp, PortalConfig, Webhook
from airflow_provider_b24.rest.transport import Transport
from airflow_provider_b24.sandbox import Fault, PortalServer, seeded_portal

CODE = {CODE!r}
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
portal = seeded_portal()
portal.add_webhook(user_id=1, code=CODE)
portal.add_app("local.app", "canary0client0secret")
server = PortalServer(portal)
server.start()
URL = server.url.rstrip("/")

def clients():
    portal.token_lifetime = 0
    tokens = portal.issue_tokens("local.app")  # the first request renews them
    portal.token_lifetime = 3600
    for credentials in (
        Webhook(1, CODE),
        OAuthApp("local.app", "canary0client0secret", *tokens, server=URL),
    ):
        config = PortalConfig(URL, credentials, plan="none", read_timeout=1)
        transport = Transport(config)
        yield Client(transport, build_auth(transport), retry_timeout=0)

def work():
    # Requests that succeed, that fail, and that renew a token; the errors are returned.
    failures = []
    for client in clients():
        assert client.call("profile").result["ID"]
        for kind in ("hang", "reset", "html_502"):
            portal.add_fault(Fault(kind, times=1))
            try:
                client.call("crm.contact.add", {{"fields": {{"NAME": "Ana"}}}})
            except Bitrix24Error as error:
                failures.append(error)
        try:
            client.call("crm.no.method")
        except Bitrix24Error as error:
            failures.append(error)
    return failures
"""

SENTRY = """
import sentry_sdk
from sentry_sdk.transport import Transport as SentryTransport

sent = []

class Captured(SentryTransport):
    def capture_envelope(self, envelope):
        sent.append(envelope.serialize().decode())

def begin(**options):
    sentry_sdk.init(
        dsn="https://key@sentry.example/1", transport=Captured, traces_sample_rate=1.0, max_breadcrumbs=1000,
        enable_logs=True, auto_enabling_integrations=False, attach_stacktrace=True, send_default_pii=True,
        include_local_variables=True, **options,
    )
"""


def run(*parts):
    """What code assigns to `answer`, and all it prints, in a new interpreter; neither has a secret."""
    code = "\n".join((BEFORE, *parts, "print('answer:' + json.dumps([answer, [*portal.apps.tokens]]))"))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr[-3000:]
    printed, _, answer = done.stdout.rpartition("answer:")
    answer, tokens = json.loads(answer)
    for secret in (CODE, *TOKENS, *tokens):
        assert secret not in printed
        assert secret not in done.stderr
        assert secret not in json.dumps(answer)
    return answer, printed + done.stderr


@pytest.mark.parametrize(
    ("options", "trace"),
    [("", "sentry_sdk.start_transaction"), ("trace_lifecycle='stream'", "sentry_sdk.traces.start_span")],
    ids=["transactions", "streamed spans"],
)
def test_sentry_records_requests_and_no_secret(options, trace):
    answer, _ = run(
        SENTRY,
        f"begin({options})",
        f"with {trace}(name='task'): failures = work()",
        "for failure in failures: sentry_sdk.capture_exception(failure)",
        "sentry_sdk.flush()",
        "answer = sent",
    )
    text = "\n".join(answer)
    assert "/rest/1/***/crm.contact.add" in text  # it was recorded
    assert '"breadcrumbs"' in text


def test_sentry_that_is_initialized_later_is_redacted_too():
    answer, _ = run(
        "client = next(clients()); client.call('profile')",
        SENTRY,
        "begin()",
        "client.call('profile')",
        "sentry_sdk.capture_message('done'); sentry_sdk.flush()",
        "answer = sent",
    )
    assert "/rest/1/***/profile" in "\n".join(answer)


def test_whatever_an_event_quotes_is_redacted():
    """Texts of exceptions, tags, extras, breadcrumbs, spans, keys, and variables of any frame."""
    answer, _ = run(
        SENTRY,
        "begin()",
        f"""
list(clients())
token = {TOKENS[0]!r}
from airflow_provider_b24.rest.redaction import remember_secrets
remember_secrets(token)
address = f"https://other.example/rest/7/0ther0code/profile?auth={{token}}"

def fail(variable):
    raise RuntimeError(f"{{variable}} and {{CODE}}")

sentry_sdk.set_tag("address", address)
sentry_sdk.set_extra("nested", {{CODE: [({{"deep": address}},), token.encode()]}})
sentry_sdk.add_breadcrumb(message=address, data={{"url": address}})
with sentry_sdk.start_transaction(name=address) as transaction:
    with sentry_sdk.start_span(name=address) as span:
        span.set_data("url.full", address)
    try:
        fail(address)
    except RuntimeError as error:
        sentry_sdk.capture_exception(error)
sentry_sdk.flush()
answer = sent
""",
    )
    text = "\n".join(answer)
    assert "0ther0code" not in text
    assert text.count("***") > 10


OPEN_TELEMETRY = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)

def instrument():
    from opentelemetry.instrumentation.requests import RequestsInstrumentor
    from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
    RequestsInstrumentor().instrument()
    URLLib3Instrumentor().instrument()

def traced():
    tracer = trace.get_tracer("tests")
    for failure in work():
        try:
            with tracer.start_as_current_span("task"):
                raise failure
        except Bitrix24Error:
            pass
    return [span.to_json() for span in exporter.get_finished_spans()]
"""


def test_opentelemetry_records_no_request_and_no_secret():
    answer, _ = run(OPEN_TELEMETRY, "instrument()", "answer = traced()")
    spans = [json.loads(span) for span in answer]
    assert {span["name"] for span in spans} == {"task"}
    assert len(spans) == 8
    events = [event for span in spans for event in span["events"]]
    assert all("Bitrix24" in event["attributes"]["exception.type"] for event in events)


def test_requests_of_others_are_recorded_as_before():
    """Also between and after ours."""
    answer, _ = run(
        OPEN_TELEMETRY,
        "instrument()",
        """
import requests
list(clients())[0].call("profile")
requests.get(URL)
answer = [span.to_json() for span in exporter.get_finished_spans()]
""",
    )
    (span, *more) = [json.loads(span) for span in answer]
    assert not more or {one["name"] for one in more} == {"GET"}
    assert span["name"] == "GET"


def test_http_client_s_debug_output_stays_off():
    _, printed = run(
        "import http.client",
        "http.client.HTTPConnection.debuglevel = 1",
        "failures = work()",
        "import requests; requests.get(URL)",
        "answer = len(failures)",
    )
    assert printed.count("send: b'") == 1  # that of others still works
    assert "GET / " in printed


def test_agents_that_patch_what_is_below_see_no_secret():
    """As agents for performance do: every layer's entrance is replaced by one that records its arguments."""
    answer, _ = run(
        """
import http.client, requests, urllib3
seen = []

def record(owner, name):
    real = getattr(owner, name)
    def recorded(self, *args, **named):
        seen.append(f"{name} {args!r} {named!r} {getattr(args[0], 'url', '') if args else ''}")
        return real(self, *args, **named)
    setattr(owner, name, recorded)

record(requests.Session, "request")
record(requests.Session, "send")
record(requests.adapters.HTTPAdapter, "send")
record(urllib3.connectionpool.HTTPConnectionPool, "urlopen")
record(urllib3.connection.HTTPConnection, "request")
record(http.client.HTTPConnection, "putrequest")
client = next(clients())
client.call("profile")
client.call("crm.contact.get", {"id": 82})
answer = seen
assert [entry.method for entry in portal.journal] == ["profile", "crm.contact.get"]
"""
    )
    assert len(answer) == 12
    assert all("/rest/1/***/" in line for line in answer)


def test_without_these_packages_nothing_of_them_is_loaded():
    answer, _ = run(
        "work()",
        "answer = sorted(name for name in sys.modules if name.startswith(('sentry_sdk', 'opentelemetry')))",
    )
    assert answer == []
