"""Calls and their two written forms: a JSON body, and a command of a batch as PHP reads it."""

import datetime
import json
from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from airflow_provider_b24.errors import Bitrix24InputError, Bitrix24UnknownOutcomeError
from airflow_provider_b24.rest.calls import Call, Verification, check_method, is_repeatable
from airflow_provider_b24.rest.encoding import batch_command, goes_alone, json_params
from airflow_provider_b24.sandbox.model import php

METHOD = "crm.contact.update"
patiently = settings(deadline=None)  # other work on the machine is no failure

# PHP reads digits as a position, brackets as structure.
names = st.text(st.characters(codec="utf-8", exclude_characters="[]. \0"), min_size=1).filter(
    lambda name: isinstance(php.key(name), str)
)
texts = st.text(st.characters(codec="utf-8"))


def read_as_php(command: str) -> tuple[str, dict]:
    method, _, query = command.partition("?")
    return method, php.to_json(php.parse_str(query)) or {}


# Names of methods


@pytest.mark.parametrize("name", ["profile", "crm.item.list", "CRM.Contact.Get", "a_b.c_2", "app.info"])
def test_a_method_has_a_name_of_letters_digits_underscores_and_dots(name):
    assert check_method(name) is name
    assert Call(name).method is name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "profile.",
        ".profile",
        "a..b",
        "profile/",
        "../profile",
        "profile?x=1",
        "profile#x",
        "profile\n",
        " profile",
        "1profile",
        "профиль",
        "http://elsewhere",
        None,
        8,
        True,
        b"profile",
        [],
        {},
        ["profile"],
        {"method": "profile"},
        10**5000,
    ],
    ids=lambda name: f"{name!r:.20}" if not isinstance(name, int) else type(name).__name__,
)
def test_what_is_no_name_of_a_method_is_refused(name):
    for attempt in (check_method, Call):
        with pytest.raises(Bitrix24InputError, match="method must be a REST method name") as caught:
            attempt(name)
        assert len(str(caught.value)) < 200


@patiently
@given(st.from_type(object) | st.text())
def test_nothing_that_leaves_the_address_passes_for_a_method(name):
    try:
        check_method(name)
    except Bitrix24InputError:
        return
    assert isinstance(name, str)
    assert name.isascii()
    assert name.replace(".", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    ("method", "repeatable"),
    [
        ("crm.contact.company.items.get", True),
        ("crm.contact.company.items.set", True),
        ("CRM.Contact.Company.Items.DELETE", True),
        ("crm.company.contact.items.set", True),
        ("crm.contact.company.add", False),
        ("crm.contact.company.delete", False),
        ("crm.item.list", True),
        ("crm.contact.fields", True),
        ("profile", True),
        ("crm.contact.update", False),
        ("crm.item.productrow.set", False),
        ("event.offline.get", False),
        ("event.offline.list", True),
        ("batch", False),
    ],
)
def test_what_may_be_repeated(method, repeatable):
    assert is_repeatable(method) is repeatable
    assert Call(method).may_repeat is repeatable


# The two written forms


@pytest.mark.parametrize(
    ("params", "command"),
    [
        ({}, METHOD),
        ({"id": 82}, f"{METHOD}?id=82"),
        ({"a": -5, "b": 1.5}, f"{METHOD}?a=-5&b=1.5"),
        ({"a&c": {"b d": "ä=?"}}, f"{METHOD}?a%26c[b%20d]=%C3%A4%3D%3F"),
        (
            {"items": [{"COMPANY_ID": 8}, {"COMPANY_ID": 9}]},
            f"{METHOD}?items[0][COMPANY_ID]=8&items[1][COMPANY_ID]=9",
        ),
        ({"filter": {">=ID": 3}}, f"{METHOD}?filter[%3E%3DID]=3"),
        ({"day": datetime.date(2026, 1, 2)}, f"{METHOD}?day=2026-01-02"),
        ({8: "x"}, f"{METHOD}?8=x"),
    ],
)
def test_a_command_of_a_batch_is_a_query(params, command):
    assert batch_command(Call(METHOD, params)) == command


scalars = st.integers(-(2**63) + 1, 2**63 - 1) | texts
trees = st.recursive(
    scalars,
    lambda children: (
        st.lists(children, min_size=1, max_size=3) | st.dictionaries(names, children, min_size=1, max_size=3)
    ),
    max_leaves=8,
)


@patiently
@given(st.dictionaries(names, trees, max_size=4))
def test_php_reads_from_a_command_what_was_meant(params):
    assume(not goes_alone(Call(METHOD, params)))
    method, read = read_as_php(batch_command(Call(METHOD, params)))
    assert method == METHOD
    assert read == as_text(params)


def as_text(value):
    if isinstance(value, dict):
        return {name: as_text(child) for name, child in value.items()}
    if isinstance(value, list):
        return [as_text(child) for child in value]
    return str(value)


@patiently
@given(st.dictionaries(texts, trees, max_size=4))
def test_a_json_body_says_what_was_meant(params):
    body = json_params(Call(METHOD, params))
    assert json.loads(json.dumps(body, ensure_ascii=False).encode()) == params


def test_dates_and_tuples_become_json():
    moment = datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.UTC)
    body = json_params(Call(METHOD, {"at": moment, "on": moment.date(), "ids": (1, 2), 5: {6: 7}}))
    assert body == {"at": "2026-01-02T03:04:00+00:00", "on": "2026-01-02", "ids": [1, 2], "5": {"6": 7}}


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (Decimal("0.1"), 0.1),
        (Decimal("12345.67"), 12345.67),
        (Decimal("7.00"), 7),
        (Decimal("0.12345678901234567890"), "0.12345678901234567890"),
        (Decimal("1234567890.12345"), "1234567890.12345"),  # PHP would write 1234567890.1234
        (Decimal("-1234567890123456789.5"), "-1234567890123456789.5"),
    ],
)
def test_a_decimal_is_a_number_unless_a_digit_would_be_lost(value, sent):
    (found,) = json_params(Call(METHOD, {"sum": value})).values()
    assert (type(found), found) == (type(sent), sent)


class CannotTell:
    """As pandas.NA: not even whether it differs from itself."""

    def __ne__(self, other):
        raise TypeError("boolean value of NA is ambiguous")

    __hash__ = None


@pytest.mark.parametrize("value", [float("nan"), Decimal("NaN"), CannotTell()], ids=["nan", "Decimal", "NA"])
def test_what_pandas_writes_for_no_value_is_named_as_such(value):
    with pytest.raises(Bitrix24InputError, match=r"sum is .*, which is not a value: use None"):
        json_params(Call(METHOD, {"sum": value}))


# A range may be longer than anybody can wait for.
wild_values = st.from_type(object).filter(lambda value: not isinstance(value, range))


def loop() -> list:
    value: list = []
    value.append(value)
    return value


UNSENDABLE = {
    "an object": object(),
    "bytes": b"x",
    "a set": {1, 2},
    "nan": float("nan"),
    "infinity": float("inf"),
    "a number above 64 bits": 2**63,
    "a number of thousands of digits": 10**5000,
    "half a surrogate pair": "\ud800",
    "a list that holds itself": loop(),
    "an object inside": [{"a": object()}],
    "a name that is no text": {None: 1},
    "a name of bytes": {b"a": 1},
    "a name that is a tuple": {(1, 2): 1},
    "a name with half a surrogate pair": {"\udfff": 1},
}


@pytest.mark.parametrize("value", UNSENDABLE.values(), ids=UNSENDABLE.keys())
def test_what_cannot_be_sent_is_an_input_error_that_names_the_method(value):
    for written in (json_params, batch_command):
        with pytest.raises(Bitrix24InputError) as caught:
            written(Call(METHOD, {"field": value}))
        assert METHOD in str(caught.value)
        assert len(str(caught.value)) < 400


@pytest.mark.parametrize("value", [[], {}, (), [[]], {"a": {}}], ids=repr)
def test_an_empty_list_fits_a_json_body_but_no_command(value):
    assert json_params(Call(METHOD, {"field": value}))
    with pytest.raises(Bitrix24InputError, match="cannot carry an empty"):
        batch_command(Call(METHOD, {"field": value}))


@pytest.mark.parametrize("params", [None, [], "id=82", 82, [("id", 82)]], ids=repr)
def test_params_are_a_mapping(params):
    with pytest.raises(Bitrix24InputError, match="params must be a mapping"):
        Call(METHOD, params)


@patiently
@given(st.dictionaries(st.text() | st.none() | st.integers(), wild_values, max_size=3))
def test_wild_params_are_either_sent_whole_or_refused(params):
    for written in (json_params, batch_command):
        try:
            text = json.dumps(written(Call(METHOD, params)), ensure_ascii=False, allow_nan=False)
        except Bitrix24InputError:
            continue
        text.encode()


@pytest.mark.parametrize(
    "call", [None, "profile", {"method": "profile"}, ("profile", {}), 10**5000], ids=type
)
def test_only_calls_make_a_batch(call):
    with pytest.raises(Bitrix24InputError, match="a batch consists of Call values"):
        batch_command(call)


def test_a_batch_inside_a_batch_is_refused_in_any_case():
    for name in ("batch", "BATCH"):
        with pytest.raises(Bitrix24InputError, match="cannot contain another batch"):
            batch_command(Call(name))


# Verifications


@pytest.mark.parametrize(
    "result", [None, 8, "text", [None], [{"x": 1}], [{"COMPANY_ID": "abc"}], [[]], {"a": 1}], ids=repr
)
def test_a_read_that_cannot_be_understood_leaves_the_outcome_unknown(result):
    verification = Verification(
        Call("crm.contact.company.items.get"), lambda rows: 8 in {int(r["COMPANY_ID"]) for r in rows}
    )
    assert verification.shows([{"COMPANY_ID": "8"}])
    assert not verification.shows([])
    with pytest.raises(Bitrix24UnknownOutcomeError, match="the answer to the write was lost") as caught:
        verification.shows(result)
    assert caught.value.__cause__ is None
