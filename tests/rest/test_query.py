"""What a command of a batch can say, and what goes alone because it cannot."""

import enum
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.rest.encoding import batch_command, command_of, goes_alone, json_params
from airflow_provider_b24.rest.query import float_text, is_reference
from airflow_provider_b24.rest.references import Ref
from airflow_provider_b24.sandbox.methods import batch
from airflow_provider_b24.sandbox.model import php, php_json

LIST = "crm.deal.list"


def query(method, params):
    """The query of a command, or None for a call that goes alone."""
    text = command_of(Call(method, params)).text
    return None if text is None else text.partition("?")[2]


@pytest.mark.parametrize(
    ("method", "params", "written"),
    [
        # In a filter, as sqlwhere casts them.
        (LIST, {"filter": {"!UF_CRM_S": False}}, "filter[%21UF_CRM_S]="),
        (LIST, {"FILTER": {"OPENED": True}}, "FILTER[OPENED]=1"),
        (LIST, {"filter": {"0": {"@X": [True, False]}}}, "filter[0][%40X][0]=1&filter[0][%40X][1]="),
        (LIST, {"arFilter": {"X": True}}, "arFilter[X]=1"),
        (LIST, {"filter": {"LOGIC": True}}, None),
        (LIST, {"filter": True}, None),
        # Fields of items that are documented as flags.
        ("crm.item.update", {"fields": {"opened": True}}, "fields[opened]=Y"),
        ("crm.item.add", {"fields": {"opened": False}}, "fields[opened]=0"),
        ("Crm.Item.Import", {"fields": {"isManualOpportunity": True}}, "fields[isManualOpportunity]=Y"),
        ("crm.item.batchImport", {"data": [{"opened": True}]}, "data[0][opened]=Y"),
        # A field of an unknown type, and places that the method does not read as a flag.
        ("crm.item.update", {"fields": {"ufCrm_1": True}}, None),
        ("crm.item.update", {"fields": {"title": False}}, None),
        ("crm.item.update", {"opened": True}, None),
        ("crm.item.update", {"fields": {"fm": {"opened": True}}}, None),
        # Elsewhere no text is the same.
        ("crm.deal.update", {"fields": {"OPENED": True}}, None),
        ("crm.deal.update", {"fields": {"UF_CRM_1": False}}, None),
        ("im.message.add", {"SYSTEM": True}, None),
        (LIST, {"select": [True]}, None),
        (LIST, {"order": {"ID": False}}, None),
        # These conditions may stand beside the filter.
        ("user.get", {"ACTIVE": True}, "ACTIVE=1"),
        ("user.get", {"FILTER": {"ACTIVE": False}}, "FILTER[ACTIVE]="),
    ],
)
def test_a_flag_is_written_so_that_it_means_the_same_or_goes_alone(method, params, written):
    assert query(method, params) == written


@pytest.mark.parametrize(
    ("method", "params", "written"),
    [
        ("crm.item.update", {"fields": {"title": None}}, "fields[title]="),
        ("crm.item.batchimport", {"data": [{"title": None}]}, "data[0][title]="),
        ("crm.item.update", {"id": None, "fields": {}}, None),
        ("crm.deal.update", {"fields": {"TITLE": None}}, None),
        (LIST, {"filter": {"TITLE": None}}, None),
    ],
)
def test_none_is_an_empty_text_only_where_that_is_known(method, params, written):
    assert query(method, params) == written


@pytest.mark.parametrize("value", [[], {}, (), [[]], {"a": {}}], ids=repr)
def test_what_is_empty_goes_alone(value):
    assert goes_alone(Call(LIST, {"select": value}))


@pytest.mark.parametrize(
    "params", [{"filter": {"@ID": []}}, {"a": [], "filter": {"@ID": []}}, {"a": [object()]}]
)
def test_what_cannot_be_sent_at_all_is_an_error_also_where_something_else_goes_alone(params):
    with pytest.raises(Bitrix24InputError):
        goes_alone(Call(LIST, {"select": [], **params}))


@pytest.mark.parametrize("name", ["a.b", "a b", " a", "a[", "a[b]", "", "\0", "a\0"], ids=repr)
def test_a_parameter_whose_name_php_would_change_goes_alone(name):
    assert goes_alone(Call(LIST, {name: 1}))


@pytest.mark.parametrize("name", ["]", "a]b", " ", "\t", "", "a\0"], ids=repr)
def test_a_name_inside_a_parameter_that_php_would_change_goes_alone(name):
    assert goes_alone(Call(LIST, {"filter": {name: 1}}))
    assert goes_alone(Call(LIST, {"filter": {"x": {name: 1}}}))


@pytest.mark.parametrize(
    "name", ["a.b", "a b", " a", "a[b", "&", "=", "+", "%41", "#", "$result", 7, "07", "-0"]
)
def test_names_inside_a_parameter_that_php_keeps_stay_in_the_batch(name):
    assert not goes_alone(Call(LIST, {"filter": {name: 1}}))


def test_names_that_are_equal_as_text_are_one_name_and_the_last_one_counts():
    call = Call(LIST, {"filter": {"1": {"a": 1}, 1: {"b": 2}}})
    assert json_params(call) == {"filter": {"1": {"b": 2}}}
    assert batch_command(call) == f"{LIST}?filter[1][b]=2"


def test_more_parameters_than_php_reads_go_alone():
    assert not goes_alone(Call(LIST, {"filter": {"@ID": list(range(900))}}))
    assert goes_alone(Call(LIST, {"filter": {"@ID": list(range(901))}}))
    assert goes_alone(Call(LIST, {f"p{number}": 1 for number in range(901)}))


@pytest.mark.parametrize(("levels", "alone"), [(64, False), (65, True)])
def test_what_is_nested_deeper_than_php_reads_goes_alone(levels, alone):
    value = 1
    for _ in range(levels):
        value = [value]
    assert goes_alone(Call(LIST, {"a": value})) is alone
    assert ("a" in php.parse_str("a" + "[0]" * levels + "=1")) is not alone


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"),
        (-1.5e-7, "-1.5E-7"),
        (1e25, "1.0E+25"),
        (0.0001, "0.0001"),
        (12345678901234.5, None),
        (0.1 + 0.2, None),
    ],
)
def test_a_float_is_written_as_php_casts_it(value, text):
    assert float_text(value) == text
    assert text is None or php.to_text(value) == text


class Stage(str, enum.Enum):  # noqa: UP042 - its str() is another text
    WON = "C1:WON"


def test_a_text_of_any_class_is_the_same_text_in_both_forms():
    assert json.dumps(json_params(Call(LIST, {"x": Stage.WON}))) == '{"x": "C1:WON"}'
    assert batch_command(Call(LIST, {"x": Stage.WON})) == f"{LIST}?x=C1%3AWON"


# Against the sandbox's PHP, which was written from the server's code

texts = st.text(st.characters(codec="utf-8"))
spiced = st.builds(
    "".join,
    st.lists(
        st.sampled_from(
            [
                "$result",
                "$Total",
                "$NEXT",
                "$time",
                "$error",
                "$re\u017fult",
                "[",
                "]",
                "0",
                " ",
                "x",
                "\n",
                "\u00a0",
            ]
        )
        | texts,
        max_size=8,
    ),
)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(spiced)
@example("$result[][x]")
@example("$result[[x]")
@example("$result]x[0")
@example("US$total[1] due")
@example("see $totals [1]")
def test_a_text_is_a_reference_exactly_if_the_portal_would_change_it(text):
    results = batch.Results(result={0: {}}, result_next={"": 1})
    changed = any(batch.STEP.findall(match[2]) for match in batch.REFERENCE.finditer(text))
    assert is_reference(text) is changed
    if not changed:
        assert batch.resolved({"a": text}, results) == {"a": text}


def test_a_long_text_of_brackets_takes_no_long_time():
    assert not is_reference("]$result" + "[" * 1_000_000)
    assert is_reference("$result" + "[" * 1_000_000 + "x]")


trees = st.recursive(
    st.integers(-(2**63) + 1, 2**63 - 1) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts | st.integers(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.dictionaries(texts, trees, max_size=4))
def test_what_stays_in_the_batch_is_what_php_decodes_from_json(params):
    call = Call(LIST, params)
    try:
        command = command_of(call).text
        body = json_params(call)
    except Bitrix24InputError:
        return
    if command is not None:
        decoded = php_json.to_array(json.loads(json.dumps(body)))
        assert as_text(php.parse_str(command.partition("?")[2])) == as_text(decoded)


def as_text(value):
    """A value as a PHP array of texts."""
    if php.is_array(value):
        return {name: as_text(inner) for name, inner in php.pairs(value)}
    return php.to_text(value)


def test_a_reference_is_written_as_the_portal_documents_it():
    call = Call(LIST, {"filter": {">ID": Ref(3, "items", 49, "id")}})
    command = command_of(call)
    assert command.text == f"{LIST}?filter[%3EID]=%24result%5B3%5D%5Bitems%5D%5B49%5D%5Bid%5D"
    assert command.refs == (Ref(3, "items", 49, "id"),)
    with pytest.raises(Bitrix24InputError, match="refers to the result of another call"):
        json_params(call)
