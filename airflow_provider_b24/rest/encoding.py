"""How the parameters of a call are written: as JSON, and as the query text of a command in a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, cast
from urllib.parse import quote, unquote

from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.rest.calls import Call, shown
from airflow_provider_b24.rest.plain import LARGEST, can_be_sent, is_list, named, plain_array, plain_scalar
from airflow_provider_b24.rest.query import (
    MAX_LEVELS,
    MAX_PAIRS,
    flag_text,
    float_text,
    is_in_filter,
    is_inner_name,
    is_name,
    is_reference,
    null_text,
)
from airflow_provider_b24.rest.references import Ref, find_references, replaced

_TOO_MANY = "PHP would drop a part of so many parameters from a batch command"


class Command(NamedTuple):
    """
    A call as a command of a batch.

    :ivar text: ``method?query``; None if the call must be sent alone, because a query cannot say the same.
    :ivar reason: why it must be sent alone.
    :ivar refs: the references to other calls in its parameters.
    """

    text: str | None
    reason: str = ""
    refs: tuple[Ref, ...] = ()


def json_params(call: Call) -> dict[str, Any]:
    """
    Return the call's parameters as plain JSON values, for the body of a single request.

    :raises Bitrix24InputError: a value cannot be sent, or an empty list in a filter would match everything.
    """
    try:
        return _json_object(call.params, "", call.method)
    except RecursionError:
        raise _too_deep(call) from None


def command_of(call: Call) -> Command:
    """
    Write a call as a command of a batch; ``rest.query`` says what a command can say.

    :raises Bitrix24InputError: the call cannot be sent at all, or is itself a batch.
    """
    if not isinstance(call, Call):
        raise Bitrix24InputError(f"a batch consists of Call values, got {shown(call)}")
    if call.method.lower() == "batch":
        raise Bitrix24InputError("a batch cannot contain another batch", method=call.method)
    try:
        return _command(call)
    except RecursionError:
        raise _too_deep(call) from None


def _command(call: Call) -> Command:
    query = _Query(call.method)
    try:
        for key, value in query.named(call.params, _name):
            query.add(key, value)
        if len(query.pairs) > MAX_PAIRS:
            raise _Alone(_TOO_MANY)
    except _Alone as reason:
        refs = tuple(find_references(call.params))
        # The rest of the parameters must be fit to be sent, too.
        json_params(Call(call.method, replaced(call.params, _without_reference)) if refs else call)
        return Command(None, str(reason), refs)
    text = f"{call.method}?{'&'.join(query.pairs)}" if query.pairs else call.method
    return Command(text, refs=tuple(query.refs))


def goes_alone(call: Call) -> bool:
    """
    Whether a call must be sent in a request of its own, because a command of a batch cannot say the same.

    :raises Bitrix24InputError: the call cannot be sent at all.
    """
    return command_of(call).text is None


def batch_command(call: Call) -> str:
    """
    Write a call as a command of a batch: ``method?query``, the query as PHP reads it.

    :raises Bitrix24InputError: the call cannot be part of a batch.
    """
    command = command_of(call)
    if command.text is None:
        raise Bitrix24InputError(f"{command.reason}: call the method on its own", method=call.method)
    return command.text


class _Alone(Exception):
    """A query cannot say this; the text says why."""


class _Query:
    """The query of a command, written pair by pair."""

    def __init__(self, method: str) -> None:
        self.pairs: list[str] = []
        self.refs: list[Ref] = []
        self._method = method

    def add(self, key: str, value: Any, level: int = 0) -> None:
        """Append a value with its name in the query, and whatever is inside it."""
        # Nearly every value is a plain number or text; writing them is half of a bulk run's work.
        kind = type(value)
        if -LARGEST <= value <= LARGEST if kind is int else kind is str and _is_plain(value):
            self.pairs.append(f"{key}={value}")
            return
        if kind is not dict and kind is not list and (array := plain_array(value)) is not None:
            value = array
        children: Sequence[tuple[str, Any]]
        if kind is dict or isinstance(value, Mapping):
            children = self.named(value, _inner_name)
        elif kind is list or is_list(value):
            children = [(str(index), child) for index, child in enumerate(value)]
        else:
            self.pairs.append(f"{key}={self._text(value, key)}")
            return
        if not children:
            path = unquote(key)
            _check_empty(path, self._method)
            raise _Alone(
                f"{path:.80} is empty, and a batch command cannot carry an empty {type(value).__name__}"
            )
        if level == MAX_LEVELS or len(self.pairs) + len(children) > MAX_PAIRS:
            raise _Alone(_TOO_MANY)
        for name, child in children:
            self.add(f"{key}[{name}]", child, level + 1)

    def named(
        self, values: Mapping[Any, Any], written: Callable[[str], str | None]
    ) -> Sequence[tuple[str, Any]]:
        """Return what a mapping contains, under the names as the query writes them."""
        children = [(written(name) if type(name) is str else None, child) for name, child in values.items()]
        if all(name is not None for name, _ in children):
            return cast("list[tuple[str, Any]]", children)
        found = []
        for name, child in named(values, self._method):
            text = written(name)
            if text is None:
                raise _Alone(f"PHP would read the name {shown(name)} as another one")
            found.append((text, child))
        return found

    def _text(self, value: Any, key: str) -> str:
        if isinstance(value, Ref):
            self.refs.append(value)
            return quote(str(value), safe="")
        path = unquote(key) if "%" in key else key
        scalar = plain_scalar(value, path, self._method)
        text: str | None
        if scalar is None:
            text = null_text(path, self._method)
        elif isinstance(scalar, bool):
            text = flag_text(scalar, path, self._method)
        elif isinstance(scalar, float):
            text = float_text(scalar)
        elif isinstance(scalar, int):
            text = str(int(scalar))
        else:
            text = None if is_reference(scalar) else str.__str__(scalar)
        if text is None:
            raise _Alone(f"{path:.80} is {shown(scalar)}, which means something else in a batch command")
        return quote(text, safe="")


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isalnum()


def _without_reference(value: Any) -> Any:
    return None if isinstance(value, Ref) else value


@lru_cache(maxsize=1024)
def _name(name: str) -> str | None:
    """Return the name of a parameter as a query writes it, or None if it cannot."""
    return quote(name, safe="") if is_name(name) and can_be_sent(name) else None


@lru_cache(maxsize=1024)
def _inner_name(name: str) -> str | None:
    """Return the name of a value inside a parameter as a query writes it, or None if it cannot."""
    return quote(name, safe="") if is_inner_name(name) and can_be_sent(name) else None


def _json_object(value: Mapping[Any, Any], path: str, method: str) -> dict[str, Any]:
    if path and not value:
        _check_empty(path, method)
    return {
        key: _json_value(child, f"{path}[{key}]" if path else key, method)
        for key, child in named(value, method)
    }


def _json_value(value: Any, path: str, method: str) -> Any:
    if (array := plain_array(value)) is not None:
        value = array
    if isinstance(value, Mapping):
        return _json_object(value, path, method)
    if is_list(value):
        children = [_json_value(child, f"{path}[{index}]", method) for index, child in enumerate(value)]
        if not children:
            _check_empty(path, method)
        return children
    return plain_scalar(value, path, method)


def _check_empty(path: str, method: str) -> None:
    if is_in_filter(path):
        raise Bitrix24InputError(
            f'{path:.80} is empty: an empty list in a filter means "no condition" to the portal, so '
            "everything would match. Skip the call when there is nothing to look for",
            method=method,
        )


def _too_deep(call: Call) -> Bitrix24InputError:
    return Bitrix24InputError("params are nested too deeply to be sent", method=call.method)
