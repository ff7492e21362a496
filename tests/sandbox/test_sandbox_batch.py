"""batch: shapes, order, halt, limits and references."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import pytest

SET = "crm.contact.company.items.set"
GET = "crm.contact.company.items.get"


def test_results_and_errors_are_kept_by_key(rest):
    maps = rest.batch({"a": f"{GET}?id=82", "b": f"{SET}?id=82", "c": "profile"})
    assert maps["result"]["a"][0]["COMPANY_ID"] == 27
    assert maps["result_error"] == {
        "b": {"error": "", "error_description": "The parameter items must be array."}
    }
    assert list(maps["result"]) == ["a", "c"]
    assert list(maps["result_time"]) == ["a", "c"]
    assert maps["result_total"] == []
    assert maps["result_next"] == []


def test_maps_whose_keys_happen_to_be_sequential_come_as_lists(rest):
    maps = rest.batch([f"{GET}?id=82", "no.such.method", "profile"])
    assert isinstance(maps["result"], dict)
    assert list(maps["result"]) == ["0", "2"]
    assert isinstance(maps["result_error"], dict)
    assert list(maps["result_error"]) == ["1"]
    assert isinstance(rest.batch(["profile", "scope"])["result"], list)
    assert isinstance(rest.batch(["x.y", "profile"])["result_error"], list)
    assert isinstance(rest.batch({"5": "profile"})["result"], dict)
    assert isinstance(rest.batch({"0": "profile"})["result"], list)


def test_a_batch_with_every_command_failed_is_still_200(rest):
    status, body = rest("batch", {"cmd": {"a": "x.y"}})
    assert status == 200
    assert body["result"]["result"] == []


def test_commands_that_are_no_strings_vanish(rest):
    maps = rest.batch({"a": {"method": "profile", "params": {}}, "b": ["profile"], "c": None, "d": "scope"})
    assert list(maps["result"]) == ["d"]
    assert maps["result_error"] == []


@pytest.mark.parametrize("cmd", [None, "profile", 5, [], {}])
def test_a_batch_without_commands_answers_empty_lists(rest, cmd):
    assert set(map(str, rest.batch(cmd).values())) == {"[]"}


@pytest.mark.parametrize("halt", [1, "1", True, "false", "N", [0]])
def test_halt_stops_at_the_first_failure_by_phps_truth(rest, halt):
    maps = rest.result("batch", {"halt": halt, "cmd": {"a": "profile", "b": f"{SET}?id=9999", "c": "scope"}})
    assert list(maps["result"]) == ["a"]
    assert list(maps["result_error"]) == ["b"]


@pytest.mark.parametrize("halt", [0, "0", False, "", None, []])
def test_without_halt_the_others_go_on(rest, halt):
    maps = rest.result("batch", {"HALT": halt, "CMD": {"a": "x.y", "b": "scope"}})
    assert list(maps["result"]) == ["b"]


def test_the_51st_command_is_refused_and_the_first_50_run(rest):
    maps = rest.batch({f"k{i}": "scope" for i in range(53)})
    assert len(maps["result"]) == 50
    assert maps["result_error"] == {
        f"k{i}": {"error": "ERROR_BATCH_LENGTH_EXCEEDED", "error_description": "Max batch length exceeded"}
        for i in (50, 51, 52)
    }


@pytest.mark.parametrize("method", ["batch", "download", "upload", "BATCH"])
def test_some_methods_are_not_allowed_inside(rest, method):
    error = rest.batch({"a": f"{method}?cmd[a]=profile"})["result_error"]["a"]
    assert error == {
        "error": "ERROR_BATCH_METHOD_NOT_ALLOWED",
        "error_description": "Method is not allowed for batch usage",
    }


def test_a_missing_scope_inside_has_no_text(as_user):
    caller = as_user(scope=("im",))
    assert caller.batch({"a": f"{GET}?id=82"})["result_error"] == {
        "a": {"error": "insufficient_scope", "error_description": ""}
    }


def test_values_are_decoded_once_in_a_json_body(portal, rest):
    query = urlencode(
        {"id": 82, "items[0][COMPANY_ID]": 8, "items[0][SORT]": 30, "items[0][IS_PRIMARY]": "Y"}
    )
    maps = rest.batch(
        {"a": f"{SET}?{query}", "b": f"crm.contact.update?id=82&fields[NAME]={quote('A&B +%')}"}
    )
    assert maps["result"] == {"a": True, "b": True}
    assert portal.bindings(82)[0] == {"COMPANY_ID": 8, "SORT": 30, "ROLE_ID": 0, "IS_PRIMARY": "Y"}
    assert portal.contact(82)["NAME"] == "A&B +%"


def test_values_are_decoded_twice_in_a_form_body(portal, rest):
    command = f"crm.contact.update?id=82&fields[NAME]={quote('A&B')}"
    body = urlencode({"cmd[a]": command})
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    status, _ = rest.send("POST", f"/rest/1/{rest.code}/batch", headers, body)
    assert status == 200
    assert portal.contact(82)["NAME"] == "A&B"


def test_a_reference_takes_an_earlier_result(portal, rest):
    maps = rest.batch(
        {
            "new": "crm.contact.add?fields[NAME]=Ivo",
            "bind": f"{SET}?id=$result[new]&items[0][COMPANY_ID]=8",
            "rows": f"{GET}?id=$result[new]",
            "company": "crm.company.get?id=$result[rows][0][COMPANY_ID]",
        }
    )
    assert maps["result"]["company"]["ID"] == "8"
    assert portal.bindings(maps["result"]["new"])[0]["COMPANY_ID"] == 8


def test_an_array_is_put_in_only_where_the_reference_is_the_whole_value(portal, rest):
    portal.bind(83, [(8, 10, True), (9, 20, False)])
    maps = rest.batch(
        {
            "rows": f"{GET}?id=83",
            "copy": f"{SET}?id=82&items=$result[rows]",
            "text": "crm.contact.update?id=82&fields[NAME]=Rows $result[rows]",
        }
    )
    assert maps["result_error"] == []
    assert [row["COMPANY_ID"] for row in portal.bindings(82)] == [8, 9]
    assert portal.contact(82)["NAME"] == "Rows $result[rows]"


def test_total_and_next_can_be_referred_to(portal, rest):
    portal.add_generated(contacts=120)
    maps = rest.batch(
        {
            "first": "crm.contact.list?select[0]=ID",
            "second": "crm.contact.list?select[0]=ID&start=$next[first]",
            "note": "crm.contact.update?id=82&fields[NAME]=n$total[first]",
        }
    )
    assert maps["result_next"] == {"first": 50, "second": 100}
    assert maps["result"]["second"][0]["ID"] == "51"
    assert portal.contact(82)["NAME"] == f"n{maps['result_total']['first']}"


def test_non_strings_count_among_the_fifty(rest):
    """The server's code counts commands before it looks whether they are strings."""
    cmd = {**{f"o{i}": {"method": "scope"} for i in range(49)}, "last": "scope", "extra": "scope"}
    maps = rest.batch(cmd)
    assert list(maps["result"]) == ["last"]
    assert list(maps["result_error"]) == ["extra"]


def test_a_reference_that_leads_nowhere_is_an_empty_value(rest):
    error = rest.batch({"a": f"{GET}?id=$result[missing]"})["result_error"]
    assert error["a"]["error_description"] == "The parameter ownerEntityID is invalid or not defined."


def test_the_rest_of_a_word_is_swallowed_by_a_reference(portal, rest):
    rest.batch({"p": "profile", "a": "crm.contact.update?id=82&fields[NAME]=$result[p][ID]-tail"})
    assert portal.contact(82)["NAME"] == "1"


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("US$result[p][ID] due", "US1 due"),  # also inside a word
        ("$results[p][ADMIN]", "1"),  # whatever stands before the first bracket
        ("$result[p][LAST_NAME][0]", "M"),  # PHP counts the characters of a text
        ("$result[p][ID][x]", "1"),  # as far as the path leads
        ("$RESULT[p][ID]", "Ana"),  # the pattern matches in any case, the lookup does not: null is not set
        ("x $RESULT[p][ID]", "x $RESULT[p][ID]"),
        ("x $result[p][ADMIN]", "x $result[p][ADMIN]"),  # no text and no number
        ("$result[p][ID] and $result[p][NAME]", "1 and Alex"),
        ("$result[]", "$result[]"),
        ("$result [p][ID]", "$result [p][ID]"),
        ("$result\u00a0[p][ID]", "1"),  # no space to PHP
        ("$result", "$result"),
        ("$result{p}", "$result{p}"),
        ("$unknown[p]", "$unknown[p]"),
    ],
)
def test_the_pattern_of_a_reference_is_wider_than_the_documented_one(portal, rest, text, stored):
    rest.batch({"p": "profile", "a": f"crm.contact.update?id=82&fields[NAME]={quote(text)}"})
    assert portal.contact(82)["NAME"] == stored


def test_a_reference_that_leads_nowhere_is_what_was_found_last(portal, rest):
    """PHP makes 1 of an array: a wrong path changes another record."""
    portal.add_contact(1, NAME="Ann")
    rest.batch({"p": "profile", "a": "crm.contact.update?id=$result[p][SHOE]&fields[NAME]=Ivo"})
    assert portal.contact(1)["NAME"] == "Ivo"


def test_paging_works_inside(portal, rest):
    portal.add_generated(contacts=60)
    maps = rest.batch(
        {"a": "crm.item.list?entityTypeId=3&start=-1&filter[>id]=10&order[id]=ASC&select[0]=id"}
    )
    assert maps["result"]["a"]["items"][0] == {"id": 11}
    assert maps["result_total"] == {"a": 0}


def test_the_journal_keeps_the_commands_of_a_batch(portal, rest):
    rest.batch({"a": f"{SET}?id=82&items[0][COMPANY_ID]=8", "b": "profile"})
    entry = portal.journal[-1]
    assert entry.method == "batch"
    assert entry.commands == [(SET, {"id": "82", "items": [{"COMPANY_ID": "8"}]}), ("profile", {})]
