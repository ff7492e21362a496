"""References are asked for, and resolved to what they name or to an error."""

import pickle

import pytest

from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.rest.references import (
    Ref,
    check_positions,
    parse_references,
    resolve,
    resolves_on_portal,
)
from airflow_provider_b24.rest.replies import Outcome


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("$result[0]", Ref(0)),
        ("$result[0][ID]", Ref(0, "ID")),
        ("$result[12][items][0][id]", Ref(12, "items", "0", "id")),
        ("$total[1]", Ref(1, of="total")),
        ("$next[0]", Ref(0, of="next")),
    ],
)
def test_the_documented_text_is_a_reference(text, reference):
    assert parse_references({"a": [{"b": text}]}) == {"a": [{"b": reference}]}
    assert str(reference) == text


@pytest.mark.parametrize(
    "text",
    [
        "$RESULT[0]",
        "$results[0]",
        "$error[0]",
        "$time[0][start]",
        "x $result[0]",
        "$result[0] ",
        "$result",
        "$result[]",
        "$result[a]",
        "$result[-1]",
        "$result[0][]",
        "$result[0][a b]",
        "$result[0]x",
    ],
)
def test_every_other_text_is_a_text(text):
    assert parse_references({"a": text}) == {"a": text}


@pytest.mark.parametrize("position", [-1, True, "0", 1.0, None])
def test_a_reference_names_a_position(position):
    with pytest.raises(Bitrix24InputError, match="by its position"):
        Ref(position)


@pytest.mark.parametrize("step", ["", None, True, 1.5, ["ID"]])
def test_a_reference_consists_of_names_and_positions(step):
    with pytest.raises(Bitrix24InputError, match="names and positions"):
        Ref(0, step)


def test_a_reference_is_to_a_known_part_of_the_answer():
    with pytest.raises(Bitrix24InputError, match="result, total or next"):
        Ref(0, of="error")


def test_a_reference_is_a_value():
    assert pickle.loads(pickle.dumps(Ref(0, "ID", of="next"))) == Ref(0, "ID", of="next")  # noqa: S301
    assert len({Ref(0), Ref(0), Ref(1)}) == 2


@pytest.mark.parametrize("position", [1, 2])
def test_a_reference_is_to_an_earlier_call(position):
    with pytest.raises(Bitrix24InputError, match=r"calls\[1\] contains \$result\[\d\]"):
        check_positions([Ref(0), Ref(position)], 1)


OUTCOMES = [
    Outcome(Call("crm.item.get"), "success", {"item": {"id": 5, "title": None, "ids": [7, 8], "7": "x"}}),
    Outcome(Call("crm.contact.list"), "success", [{"ID": "3"}], total=120, next=50),
    Outcome(Call("x.y"), "success", True),
]


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        (Ref(0, "item", "id"), 5),
        (Ref(0, "item", "ids", 1), 8),
        (Ref(0, "item", "ids", "1"), 8),
        (Ref(0, "item", 7), "x"),
        (Ref(0, "item", "ids"), [7, 8]),
        (Ref(1, 0, "ID"), "3"),
        (Ref(1, of="total"), 120),
        (Ref(1, of="next"), 50),
        (Ref(2), True),
    ],
    ids=str,
)
def test_a_reference_becomes_the_value_itself(reference, value):
    call = Call("m.n", {"a": {"b": [reference, "$result[0]"]}}, repeatable=True)
    resolved = resolve(call, OUTCOMES)
    assert resolved == Call("m.n", {"a": {"b": [value, "$result[0]"]}}, repeatable=True)


@pytest.mark.parametrize(
    "reference",
    [
        Ref(0, "item", "ID"),
        Ref(0, "item", "title"),
        Ref(0, "item", "id", 0),
        Ref(0, "item", "ids", 2),
        Ref(1, "ID"),
        Ref(0, of="total"),
        Ref(2, "x"),
        Ref(0, "item", "ids", -1),
    ],
    ids=str,
)
def test_a_reference_that_leads_nowhere_is_an_error(reference):
    with pytest.raises(Bitrix24InputError, match=r"the result of calls\[\d\] contains no"):
        resolve(Call("m.n", {"a": reference}), OUTCOMES)


def test_references_to_calls_that_were_not_executed_are_left():
    call = Call("m.n", {"a": Ref(2), "b": Ref(3)})
    assert resolve(call, OUTCOMES).params == {"a": True, "b": Ref(3)}


@pytest.mark.parametrize(
    ("reference", "method", "by_portal"),
    [
        (Ref(0), "crm.contact.add", True),
        (Ref(0, "item", "id"), "crm.item.add", True),
        (Ref(0, "item", "id"), "crm.item.get", True),
        (Ref(0, "item", "ID"), "crm.item.add", False),
        (Ref(0, "ID"), "crm.contact.get", False),
        (Ref(0), "crm.contact.get", False),
        (Ref(0, of="total"), "crm.contact.list", False),
    ],
)
def test_only_what_a_result_certainly_contains_is_left_to_the_portal(reference, method, by_portal):
    assert resolves_on_portal(reference, Call(method)) is by_portal
