"""batch: up to 50 calls in one request, run one after another, each with an outcome of its own."""

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
REFERENCE = re.compile(r"\$(result|next|total|error|time)(\S*)", re.IGNORECASE)
STEP = re.compile(r"\[([^\]]+)\]")

Run = Callable[[str, dict[php.Key, Any]], tuple[Answer, dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Command:
    """One entry of ``cmd``: its key, the method, and the parameters of its query string."""

    key: php.Key
    method: str
    params: dict[php.Key, Any]


def commands(params: dict[php.Key, Any]) -> list[Command]:
    """The commands of a batch in order. Values that are no strings are skipped without a word."""
    cmd = _any_case(params, "cmd")
    if not php.is_array(cmd):
        return []
    return [_command(key, text) for key, text in php.pairs(cmd) if isinstance(text, str)]


def _command(key: php.Key, text: str) -> Command:
    path, _, query = text.partition("#")[0].partition("?")
    return Command(key, path.lower(), php.parse_str(query))


def halts(params: dict[php.Key, Any]) -> bool:
    """Whether the batch stops at its first failure; by PHP's truth, so ``"false"`` stops too."""
    return php.is_truthy(_any_case(params, "halt"))


def _any_case(params: dict[php.Key, Any], name: str) -> Any:
    return next((value for key, value in params.items() if str(key).lower() == name), None)


@dataclass
class Outcomes:
    """What a batch answers: five maps by the commands' keys."""

    result: dict[php.Key, Any] = field(default_factory=dict)
    result_error: dict[php.Key, Any] = field(default_factory=dict)
    result_total: dict[php.Key, Any] = field(default_factory=dict)
    result_next: dict[php.Key, Any] = field(default_factory=dict)
    result_time: dict[php.Key, Any] = field(default_factory=dict)

    def succeed(self, key: php.Key, answer: Answer, time: dict[str, Any]) -> None:
        """Keep a command's answer."""
        self.result[key] = answer.result
        self.result_time[key] = time
        if answer.total is not None:
            self.result_total[key] = answer.total
        if answer.next is not None:
            self.result_next[key] = answer.next

    def fail(self, key: php.Key, error: RestError) -> None:
        """Keep a command's error; a missing scope comes without its text."""
        text = "" if error.code == "insufficient_scope" else error.text
        self.result_error[key] = error.body() | {"error_description": text}

    def body(self) -> dict[str, Any]:
        """The five maps; PHP turns one whose keys happen to be 0..n, or that is empty, into a list."""
        return {name: _list_or_map(value) for name, value in vars(self).items()}


def _list_or_map(values: dict[php.Key, Any]) -> Any:
    return list(values.values()) if list(values) == list(range(len(values))) else values


def run(found: list[Command], halt: bool, run_one: Run) -> dict[str, Any]:
    """Run the commands in order; ``run_one`` executes one and returns its answer and time block."""
    outcomes = Outcomes()
    for position, command in enumerate(found):
        try:
            _check(command, position)
            answer, time = run_one(command.method, resolved(command.params, outcomes))
            outcomes.succeed(command.key, answer, time)
        except RestError as error:
            outcomes.fail(command.key, error)
            if halt:
                break
    return outcomes.body()


def _check(command: Command, position: int) -> None:
    if position >= MAX_COMMANDS:
        raise RestError(400, "ERROR_BATCH_LENGTH_EXCEEDED", "Max batch length exceeded")
    if command.method in FORBIDDEN:
        raise RestError(405, "ERROR_BATCH_METHOD_NOT_ALLOWED", "Method is not allowed for batch usage")


def resolved(params: Any, outcomes: Outcomes) -> Any:
    """The parameters with every reference to an earlier command's outcome replaced."""
    if isinstance(params, dict):
        return {name: resolved(value, outcomes) for name, value in params.items()}
    return _dereferenced(params, outcomes) if "$" in params else params


def _dereferenced(text: str, outcomes: Outcomes) -> Any:
    replaced = text
    for match in REFERENCE.finditer(text):
        steps = STEP.findall(match[2])
        if not steps:
            continue
        value = _follow(_source(match[1], outcomes), steps)
        if match[0] == text:
            return value
        replaced = replaced.replace(match[0], php.to_text(value))
    return replaced


def _source(name: str, outcomes: Outcomes) -> Any:
    # Array keys in PHP are case-sensitive: the pattern finds $RESULT, the lookup then does not.
    return {
        "result": outcomes.result,
        "next": outcomes.result_next,
        "total": outcomes.result_total,
        "error": outcomes.result_error,
        "time": outcomes.result_time,
    }.get(name)


def _follow(value: Any, steps: list[str]) -> Any:
    # A step that leads nowhere ends the walk where it stands, so a wrong reference yields something bigger.
    for step in steps:
        inner = php.item(value, php.key(step))
        if inner is None:
            break
        value = inner
    return value
