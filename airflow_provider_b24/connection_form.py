"""
The connection form, as the provider's metadata defines it.

Airflow 3.2 and later render the metadata themselves. This module renders it for older versions, and reads
connections by it.
"""

from __future__ import annotations

import difflib
import functools
import json
import math
from collections.abc import Mapping
from typing import Any

from airflow_provider_b24.errors import Bitrix24ConfigError
from airflow_provider_b24.get_provider_info import get_provider_info

_LEGACY_PREFIX = "extra__bitrix24__"  # how Airflow's old web form named the fields of an extra
_YES, _NO = frozenset({"true", "on", "yes", "1"}), frozenset({"false", "off", "no", "0"})


@functools.cache
def fields() -> dict[str, dict[str, Any]]:
    """Return the definitions of the extra's fields, in the form's order."""
    return dict(_connection_type()["conn-fields"])


def label(name: str) -> str:
    """Return the name of a field for a message: as in the form, and as in JSON."""
    if name in fields():
        return f"{fields()[name]['label']} ({name})"
    shown = _connection_type()["ui-field-behaviour"]["relabeling"].get(name, name.capitalize())
    return f"{shown} ({name})"


def form_widgets() -> dict[str, Any]:
    """
    Return the fields of the extra as fields of Airflow 2's web form.

    Only the WTForms classes used here work: for a field of another class Airflow 2 drops the whole connection
    type, and 3.0 and 3.1 have replacements only for these.
    """
    from flask_appbuilder.fieldwidgets import (  # type: ignore[import-not-found]
        BS3PasswordFieldWidget,
        BS3TextFieldWidget,
    )
    from wtforms import (  # type: ignore[import-untyped]
        BooleanField,
        IntegerField,
        PasswordField,
        StringField,
    )
    from wtforms.validators import Optional, any_of  # type: ignore[import-untyped]

    def widget(field: dict[str, Any]) -> Any:
        schema = field["schema"]
        facts: dict[str, Any] = {"label": field["label"], "description": field["description"]}
        default = schema.get("default")
        if schema["type"][0] == "boolean":
            return BooleanField(**facts, default=default)
        # One form serves all connection types: a required field would keep the others from being saved.
        facts["validators"] = [Optional()]
        if schema["type"][0] == "integer":
            return IntegerField(**facts, default=default, widget=BS3TextFieldWidget())
        if schema.get("format") == "password":
            return PasswordField(**facts, widget=BS3PasswordFieldWidget())
        if "enum" in schema:
            facts["validators"].append(any_of(schema["enum"]))
        text = None if default is None else str(default)
        return StringField(**facts, default=text, widget=BS3TextFieldWidget())

    return {name: widget(field) for name, field in fields().items()}


def ui_field_behaviour() -> dict[str, Any]:
    """Return the labels and placeholders of the standard fields in the format of Airflow 2."""
    behaviour = _connection_type()["ui-field-behaviour"]
    return {
        "hidden_fields": list(behaviour["hidden-fields"]),
        "relabeling": dict(behaviour["relabeling"]),
        "placeholders": dict(behaviour["placeholders"]),
    }


def extra_values(conn: Any) -> dict[str, Any]:
    """
    Return every field of a connection's extra, checked, with its default where it is empty.

    :raises Bitrix24ConfigError: an unknown field or an invalid value; no secret is quoted.
    """
    extra = _extra(conn)
    unknown = [name for name in extra if name not in fields()]
    if unknown:
        close = difflib.get_close_matches(unknown[0], fields(), n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known fields are {', '.join(fields())}"
        raise Bitrix24ConfigError(f"unknown field {unknown[0]!r:.60} in the connection's extra: {hint}")
    return {name: _field_value(name, field["schema"], extra.get(name)) for name, field in fields().items()}


def _connection_type() -> dict[str, Any]:
    return dict(get_provider_info()["connection-types"][0])


def _extra(conn: Any) -> dict[str, Any]:
    extra = getattr(conn, "extra", None)
    if isinstance(extra, str) and extra.strip():
        try:
            extra = json.loads(extra)
        except ValueError:
            raise Bitrix24ConfigError("the connection's extra is not valid JSON") from None
    if not extra:
        return {}
    if not isinstance(extra, Mapping):
        raise Bitrix24ConfigError(f"the connection's extra must be a JSON object, got {type(extra).__name__}")
    legacy = {name.removeprefix(_LEGACY_PREFIX): value for name, value in extra.items()}
    return legacy | {name: value for name, value in extra.items() if not name.startswith(_LEGACY_PREFIX)}


def _field_value(name: str, schema: Mapping[str, Any], value: Any) -> Any:
    """Read one field of the extra; from web forms and URIs everything comes as text."""
    kind = schema["type"][0]
    value = value.strip() if isinstance(value, str) else value
    if value is None or value == "":
        return schema.get("default", "")
    if name == "allowed_hosts" and isinstance(value, list):
        return ",".join(map(str, value))
    readers = {"boolean": _boolean, "integer": _integer, "number": _number, "string": _string}
    shown = "" if schema.get("format") == "password" else f", got {value!r:.60}"
    try:
        value = readers[kind](value)
    except ValueError:
        raise Bitrix24ConfigError(f"{label(name)} must be a {kind}{shown}") from None
    if "enum" in schema and value not in schema["enum"]:
        raise Bitrix24ConfigError(f"{label(name)} must be one of {', '.join(schema['enum'])}{shown}")
    least, most = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    if kind in ("integer", "number") and not least <= value <= most:
        bounds = f"from {least} to {most}" if most < math.inf else f"at least {least}"
        raise Bitrix24ConfigError(f"{label(name)} must be {bounds}{shown}")
    return value


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).lower()
    if text in _YES | _NO:
        return text in _YES
    raise ValueError


def _integer(value: Any) -> int:
    number = _number(value)
    if not number.is_integer():
        raise ValueError
    return int(number)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


def _string(value: Any) -> str:
    """Numbers count as text, because Airflow reads ``?client_id=42`` in a URI as a number."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError
    text = str(value)
    if not text.isprintable():
        raise ValueError
    return text
