"""
Keeps requests out of what instruments record: Sentry's events and OpenTelemetry's spans.

Neither package is required, and neither is imported here: what is not loaded does not record.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from airflow_provider_b24.rest.redaction import redact_known

_SUPPRESSIONS = ("suppress_instrumentation", "suppress_http_instrumentation")
# The same keys under the names that OpenTelemetry's own instrumentations use.
_CONSTANTS = ("_SUPPRESS_INSTRUMENTATION_KEY", "_SUPPRESS_HTTP_INSTRUMENTATION_KEY")
_DEEPEST = 50  # levels of an event; what is below is left out


@contextmanager
def unobserved() -> Iterator[None]:
    """Redact what Sentry records, and have OpenTelemetry's instrumentations of HTTP record nothing."""
    redact_sentry()
    api: Any = sys.modules.get("opentelemetry.context")
    attach = getattr(api, "attach", None)  # None too while another thread is importing it
    if attach is None:
        yield
        return
    context = api.get_current()
    for key in (*_SUPPRESSIONS, *(getattr(api, name, None) for name in _CONSTANTS)):
        if key is not None:
            context = api.set_value(key, True, context)
    token = attach(context)
    try:
        yield
    finally:
        api.detach(token)


def redact_sentry() -> None:
    """
    Have Sentry redact every event, if it is loaded; once is enough, and cheap to repeat.

    Requests, breadcrumbs, spans, exceptions and the variables of their frames are parts of events. Sentry
    need not be initialized yet.
    """
    scope = sys.modules.get("sentry_sdk.scope")
    processors = getattr(scope, "global_event_processors", ())
    add = getattr(scope, "add_global_event_processor", None)
    if add is not None and _redacted_event not in processors:
        add(_redacted_event)


def _redacted_event(event: Any, hint: Any) -> Any:
    return _redacted(event, 0)


def _redacted(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return redact_known(value)
    if depth > _DEEPEST:
        return None
    if isinstance(value, Mapping):
        return {_redacted(key, depth + 1): _redacted(one, depth + 1) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(one, depth + 1) for one in value]
    if isinstance(value, bytes):
        return _redacted(value.decode(errors="backslashreplace"), depth)
    if type(value).__name__ == "AnnotatedValue":  # Sentry's own, around what it has cut
        value.value = _redacted(value.value, depth + 1)
    return value
