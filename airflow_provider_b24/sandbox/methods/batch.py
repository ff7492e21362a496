"""batch: up to 50 calls in one request, run one after another, each with its own result."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_b24.sandbox.model import php
from airflow_provider_b24.sandbox.model.calls import Answer
from airflow_provider_b24.sandbox.model.errors import RestError

MAX_COMMANDS = 50
FORBIDDEN = {"batch", "download", "upload"}
REFERENCE = re.compile(r"\$(result|next|total|error|time)(\S*)", re.IGNORECASE | re.ASCII)
STEP = re.compile(r"\[([^\]]+)\]")

Run = Callable[[str, dict[php.Key, Any]], tuple[Answer, dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Command:
    """One entry of ``cmd``: its key and position, the method, and the parameters of its query string."""

    key: php.Key
    position: int
    method: str
    params: dict[php.Key, Any]
    may_refer: bool
    """Whether a parameter may refer to an earlier command."""


def commands(params: dict[php.Key, Any]) -> list[Command]:
    """The commands of a batch in order.

    The first 50 entries count, whatever they are; those among them that are not strings are skipped.
    """
    cmd = _any_case(params, "cmd")
    if not php.is_array(cmd):
        return []
    return [
        _command(key, position, text)
        for position, (key, text) in enumerate(php.pairs(cmd))
        if isinstance(text, str) or position >= MAX_COMMANDS
    ]


def _command(key: php.Key, position: int, text: Any) -> Command:
    path, _, query = php.to_text(text).partition("#")[0].partition("?")
    may_refer = "$" in query or "%24" in query
    return Command(key, position, path.lower(), php.parse_str(query), may_refer)


def halts(params: dict[php.Key, Any]) -> bool:
    """Whether the batch stops at its first failure. PHP decides: ``"false"`` is true."""
    return php.is_truthy(_any_case(params, "halt"))


def _any_case(params: dict[php.Key, Any], name: str) -> Any:
    return next((value for key, value in params.items() if str(key).lower() == name), None)


@dataclass
class Results:
    """A batch's answer: five maps by the commands' keys."""

    result: dict[php.Key, Any] = field(default_factory=dict)
    result_error: dict[php.Key, Any] = field(default_factory=dict)
    result_total: dict[php.Key, Any] = field(default_factory=dict)
    result_next: dict[php.Key, Any] = field(default_factory=dict)
    result_time: dict[php.Key, Any] = field(default_factory=dict)

    def succeed(self, key: php.Key, answer: Answer, time: dict[str, Any]) -> None:
        """Store a command's answer."""
        self.result[key] = answer.result
        self.result_time[key] = time
        if answer.total is not None:
            self.result_total[key] = answer.total
        if answer.next is not None:
            self.result_next[key] = answer.next

    def fail(self, key: php.Key, error: RestError) -> None:
        """Store a command's error; that of a missing scope has no text."""
        text = "" if error.code == "insufficient_scope" else error.text
        self.result_error[key] = error.body() | {"error_description": text}

    def body(self) -> dict[str, Any]:
        """The five maps; PHP turns a map that is empty or has the keys 0..n into a list."""
        return {name: _list_or_map(value) for name, value in vars(self).items()}


def _list_or_map(values: dict[php.Key, Any]) -> Any:
    return list(values.values()) if list(values) == list(range(len(values))) else values


def run(found: list[Command], halt: bool, run_one: Run) -> dict[str, Any]:
    """Run the commands in order; ``run_one`` runs one and returns its answer and time block."""
    results = Results()
    for command in found:
        try:
            _check(command)
            params = resolved(command.params, results) if command.may_refer else command.params
            answer, time = run_one(command.method, params)
            results.succeed(command.key, answer, time)
        except RestError as error:
            results.fail(command.key, error)
            if halt:
                break
    return results.body()


def _check(command: Command) -> None:
    if command.position >= MAX_COMMANDS:
        raise RestError(400, "ERROR_BATCH_LENGTH_EXCEEDED", "Max batch length exceeded")
    if command.method in FORBIDDEN:
        raise RestError(405, "ERROR_BATCH_METHOD_NOT_ALLOWED", "Method is not allowed for batch usage")


def resolved(params: Any, results: Results) -> Any:
    """The parameters with every reference to an earlier command replaced, in keys too."""
    if isinstance(params, dict):
        return {_name(name, results): resolved(value, results) for name, value in params.items()}
    return _dereferenced(params, results) if isinstance(params, str) and "$" in params else params


def _name(name: php.Key, results: Results) -> php.Key:
    if isinstance(name, int) or "$" not in name:
        return name
    return php.key(php.to_text(_dereferenced(name, results)))


def _dereferenced(text: str, results: Results) -> Any:
    """A text with its references replaced; one that is the whole text becomes the value itself.

    Inside a longer text only texts and numbers are put in, and all else leaves the text as it is.
    """
    replaced = text
    for match in REFERENCE.finditer(text):
        steps = STEP.findall(match[2])
        if not steps:
            continue
        value = _follow(_source(match[1], results), steps)
        if match[0] == replaced:
            return value
        if isinstance(value, (str, int, float)) and not isinstance(value, bool):
            replaced = replaced.replace(match[0], php.to_text(value))
    return replaced


def _source(name: str, results: Results) -> Any:
    # Array keys in PHP are case-sensitive: the pattern matches $RESULT, the lookup does not.
    return {
        "result": results.result,
        "next": results.result_next,
        "total": results.result_total,
        "error": results.result_error,
        "time": results.result_time,
    }.get(name)


def _follow(value: Any, steps: list[str]) -> Any:
    """The value at the end of a path, or the last one found where it leads nowhere or to null."""
    for step in steps:
        found = _at(value, step)
        if found is None:
            break
        value = found
    return value


def _at(value: Any, step: str) -> Any:
    """PHP's ``$value[$step] ?? null``; a number picks a character of a text."""
    if isinstance(value, str):
        return value[int(step)] if step.isdecimal() and int(step) < len(value) else None
    found = php.item(value, php.key(step))
    return php.item(value, step) if found is None else found
