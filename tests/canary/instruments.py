"""Sentry and OpenTelemetry, where they are installed, as they record what happens below this package."""

import gzip
import http.server
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any

HAS_SENTRY = find_spec("sentry_sdk") is not None
HAS_OPEN_TELEMETRY = (
    find_spec("opentelemetry") is not None
    and find_spec("opentelemetry.instrumentation") is not None
    and all(find_spec(f"opentelemetry.instrumentation.{name}") for name in ("requests", "urllib3"))
)


def record_events(file: Path, planted: str) -> None:
    """Have Sentry write all it would send to a file, with everything it can record."""
    file.write_text("" if HAS_SENTRY else planted)
    if not HAS_SENTRY:
        return
    import sentry_sdk
    from sentry_sdk.transport import Transport

    class ToFile(Transport):
        def capture_envelope(self, envelope: Any) -> None:
            with file.open("ab") as opened:
                opened.write(envelope.serialize() + b"\n")

    sentry_sdk.init(
        dsn="https://key@sentry.example/1",
        transport=ToFile,
        traces_sample_rate=1.0,
        max_breadcrumbs=30,
        enable_logs=True,
        attach_stacktrace=True,
        send_default_pii=True,
        auto_enabling_integrations=False,
    )
    sentry_sdk.capture_message(planted)


def record_spans(file: Path, planted: str) -> None:
    """Have OpenTelemetry write all spans of requests, urllib3 and the tests to a file."""
    file.write_text("" if HAS_OPEN_TELEMETRY else planted)
    if not HAS_OPEN_TELEMETRY:
        return
    from opentelemetry import trace
    from opentelemetry.instrumentation.requests import RequestsInstrumentor
    from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

    class ToFile(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            with file.open("a") as opened:
                opened.writelines(f"{span.to_json()}\n" for span in spans)
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(ToFile()))
    RequestsInstrumentor().instrument(tracer_provider=provider)
    URLLib3Instrumentor().instrument(tracer_provider=provider)
    trace.set_tracer_provider(provider)
    with provider.get_tracer("tests").start_as_current_span(planted):
        pass


def record_error(error: BaseException) -> None:
    """Report an error as a task's tracker and tracer do."""
    if HAS_SENTRY:
        import sentry_sdk

        sentry_sdk.capture_exception(error)
    if HAS_OPEN_TELEMETRY:
        from opentelemetry import trace

        with trace.get_tracer("tests").start_as_current_span("failed") as span:
            span.record_exception(error)
            span.set_status(trace.StatusCode.ERROR, str(error))


class SentryServer(http.server.ThreadingHTTPServer):
    """A server that writes all that real workers send to Sentry into a file; a context manager."""

    def __init__(self, file: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Envelopes)
        self.file = file
        self.lock = threading.Lock()
        file.write_text("")

    @property
    def dsn(self) -> str:
        return f"http://key@127.0.0.1:{self.server_address[1]}/1"

    def __enter__(self) -> "SentryServer":
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()
        self.server_close()


class _Envelopes(http.server.BaseHTTPRequestHandler):
    server: SentryServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        with self.server.lock, self.server.file.open("ab") as opened:
            opened.write(body + b"\n")
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *args: Any) -> None:
        """Standard error is searched for other things."""
