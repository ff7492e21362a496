"""Pairs for the companies of a contact, batches, lists, items, authorization and messages."""

from __future__ import annotations

from typing import Any

from tests.conformance.pair import Missing, Pair

PAGES = "api-reference/crm/contacts/company/"
BINDING = "crm/lib/binding/entitybinding.php"
CONTACT = "crm/classes/rest/crm_rest_service.php"
BATCH = "rest/classes/general/rest.php: methodsBatch"
MESSAGES = "im/classes/general/im_rest.php"
ROOM = "crm.contact.company"
TWO = (("@a", 10, "Y"), ("@b", 20, "N"))
ONE = (("@a", 10, "Y"),)


def refused(method: str, params: Any, text: str, source: str = CONTACT, **more: Any) -> Pair:
    """A request that is refused with an empty code; the bindings stay."""
    return Pair(method, params, source, status=400, error="", text=text, given=TWO, after=TWO, **more)


NO_ID: tuple[Any, ...] = (0, -5, "", "abc", None, False, "-1", 0.9, [], "0")
QUOTED = "The parameter 'ownerEntityID' is invalid or not defined."
PLAIN = "The parameter ownerEntityID is invalid or not defined."
FIELDS = {"COMPANY_ID": "@a"}
IDS = [
    *(refused(f"{ROOM}.{m}", {"id": n, "fields": FIELDS}, QUOTED) for m in ("add", "delete") for n in NO_ID),
    *(refused(f"{ROOM}.items.get", {"id": number}, PLAIN) for number in NO_ID),
    *(refused(f"{ROOM}.items.delete", {"id": number}, PLAIN) for number in NO_ID),
    *(refused(f"{ROOM}.items.set", {"id": number, "items": [FIELDS]}, PLAIN) for number in NO_ID),
]
NO_ARRAY: tuple[Any, ...] = (None, "", "x", 5, True, False, 1.5)
ARRAYS = [
    *(
        refused(f"{ROOM}.add", {"id": "@contact", "fields": v}, "The parameter 'fields' must be array.")
        for v in NO_ARRAY
    ),
    *(
        refused(f"{ROOM}.delete", {"id": "@contact", "fields": v}, "The parameter 'item' must be array.")
        for v in NO_ARRAY
    ),
    *(
        refused(f"{ROOM}.items.set", {"id": "@contact", "items": v}, "The parameter items must be array.")
        for v in NO_ARRAY
    ),
]
NO_COMPANY: tuple[Any, ...] = (
    {},
    {"COMPANY_ID": 0},
    {"COMPANY_ID": -1},
    {"COMPANY_ID": "x"},
    {"company_id": "@c"},
)
COMPANIES = [
    refused(f"{ROOM}.{method}", {"id": "@contact", "fields": fields}, "The parameter 'fields' is not valid.")
    for method in ("add", "delete")
    for fields in NO_COMPANY
]
ABSENT = [
    refused(f"{ROOM}.add", {"id": 2_000_000_000, "fields": FIELDS}, "Not found."),
    refused(f"{ROOM}.delete", {"id": 2_000_000_000, "fields": FIELDS}, "Not found."),
    refused(f"{ROOM}.items.set", {"id": 2_000_000_000, "items": [FIELDS]}, "Not found."),
    Pair(f"{ROOM}.items.get", {"id": 2_000_000_000}, CONTACT, []),
    Pair(f"{ROOM}.items.delete", {"id": 2_000_000_000}, CONTACT, True),
]
ROWS = [
    {"COMPANY_ID": "@a", "SORT": 10, "ROLE_ID": 0, "IS_PRIMARY": "Y"},
    {"COMPANY_ID": "@b", "SORT": 20, "ROLE_ID": 0, "IS_PRIMARY": "N"},
]
READING = [
    *(
        Pair(f"{ROOM}.items.get", {name: value}, f"{PAGES}crm-contact-company-items-get.md", ROWS, given=TWO)
        for name in ("id", "ID")
        for value in ("@contact", "@contactabc", "@contact.9", " @contact")
    ),
    Pair(f"{ROOM}.items.get", {"ID": "@contact", "id": 2_000_000_000}, CONTACT, ROWS, given=TWO),
    Pair(f"{ROOM.upper()}.ITEMS.GET", {"id": "@contact"}, "rest/classes/general/rest.php", ROWS, given=TWO),
    Pair(f"{ROOM}.items.get", {"id": "@contact"}, CONTACT, []),
    *(
        Pair(
            f"{ROOM}.fields",
            {},
            f"{PAGES}crm-contact-company-fields.md",
            {name: {"type": kind, "isRequired": needed}},
        )
        for name, kind, needed in (
            ("COMPANY_ID", "integer", True),
            ("SORT", "integer", False),
            ("IS_PRIMARY", "char", False),
        )
    ),
]


def written(items: Any, after: tuple[tuple[str, int, str], ...], name: str = "items") -> Pair:
    """An items.set that replaces two bindings."""
    return Pair(f"{ROOM}.items.set", {"id": "@contact", name: items}, BINDING, True, given=TWO, after=after)


ONLY_C = (("@c", 10, "Y"),)
C = {"COMPANY_ID": "@c", "SORT": 10}
SETTING = [
    *(written([C], ONLY_C, name) for name in ("items", "ITEMS", "Items", "arItems")),
    *(written(items, ()) for items in ([], {}, {"a": C}, [{"company_id": "@c"}], [5], ["@c"], [None], [{}])),
    *(written([{"COMPANY_ID": value, "SORT": 10}], ()) for value in (0, -1, "", "x", None, False)),
    *(written([C | {"IS_PRIMARY": flag}], ONLY_C) for flag in ("Y", "N", True, False, 1, 0, "y", None)),
    *(written([C | {"ROLE_ID": role}], ONLY_C) for role in (1, 0, "5")),
    written([{"COMPANY_ID": "@cx", "SORT": "10"}], ONLY_C),
    *(
        written(
            [
                {"COMPANY_ID": "@a", "SORT": 10, "IS_PRIMARY": flag},
                {"COMPANY_ID": "@c", "SORT": 20, "IS_PRIMARY": "Y"},
            ],
            (("@a", 10, "N"), ("@c", 20, "Y")),
        )
        for flag in ("N", True, 1, "y", "yes", None, "")
    ),
    written(
        [C | {"IS_PRIMARY": "Y"}, {"COMPANY_ID": "@b", "SORT": 20, "IS_PRIMARY": "Y"}],
        (("@c", 10, "Y"), ("@b", 20, "N")),
    ),
]
ADDING = [
    *(
        Pair(
            f"{ROOM}.add",
            {"id": "@contact", name: {"COMPANY_ID": "@c"}},
            f"{PAGES}crm-contact-company-add.md",
            True,
            given=TWO,
            after=(*TWO, ("@c", 30, "N")),
        )
        for name in ("fields", "FIELDS", "Fields", "arFields")
    ),
    *(
        Pair(
            f"{ROOM}.add",
            {"id": "@contact", "fields": {"COMPANY_ID": "@b", **more}},
            BINDING,
            False,
            given=TWO,
            after=TWO,
        )
        for more in ({}, {"SORT": 5}, {"IS_PRIMARY": "Y"})
    ),
    *(
        Pair(
            f"{ROOM}.add",
            {"id": "@contact", "fields": {"COMPANY_ID": "@a", "IS_PRIMARY": flag}},
            BINDING,
            True,
            after=ONE,
        )
        for flag in ("Y", "N", True, "y", 0)
    ),
    Pair(
        f"{ROOM}.add",
        {"id": "@contact", "fields": {"COMPANY_ID": "@c", "IS_PRIMARY": "Y"}},
        BINDING,
        True,
        given=TWO,
        after=(("@a", 10, "N"), ("@b", 20, "N"), ("@c", 30, "Y")),
    ),
    Pair(
        f"{ROOM}.delete",
        {"id": "@contact", "fields": FIELDS},
        BINDING,
        True,
        given=TWO,
        after=(("@b", 20, "Y"),),
    ),
    Pair(
        f"{ROOM}.delete",
        {"id": "@contact", "fields": {"COMPANY_ID": "@b"}},
        BINDING,
        True,
        given=TWO,
        after=ONE,
    ),
    Pair(
        f"{ROOM}.delete",
        {"id": "@contact", "fields": {"COMPANY_ID": "@c"}},
        BINDING,
        False,
        given=TWO,
        after=TWO,
    ),
    Pair(
        f"{ROOM}.items.delete",
        {"id": "@contact"},
        f"{PAGES}crm-contact-company-items-delete.md",
        True,
        given=TWO,
        after=(),
    ),
    Pair(
        f"{ROOM}.items.delete",
        {"id": "@contact"},
        f"{PAGES}crm-contact-company-items-delete.md",
        True,
        after=(),
    ),
]
FAILED = {"error": "", "error_description": "The parameter ownerEntityID is invalid or not defined."}
READ, BAD = f"{ROOM}.items.get?id=@contact", f"{ROOM}.items.get?id=0"


def batch(params: Any, result: Any) -> Pair:
    """A batch, which answers 200 whatever its commands answer."""
    return Pair("batch", params, BATCH, result, given=TWO)


BATCHES = [
    *(
        batch({name: {"k": READ}}, {"result": {"k": ROWS}, "result_error": []})
        for name in ("cmd", "CMD", "Cmd")
    ),
    batch({"cmd": [READ, READ]}, {"result": [ROWS, ROWS], "result_error": []}),
    batch({"cmd": [BAD]}, {"result": [], "result_error": [FAILED]}),
    *(
        batch(
            {"halt": halt, "cmd": {"x": BAD, "y": READ}},
            {"result": {"y": ROWS}, "result_error": {"x": FAILED}},
        )
        for halt in (0, "0", False, "", None)
    ),
    *(
        batch({"halt": halt, "cmd": {"x": BAD, "y": READ}}, {"result": [], "result_error": {"x": FAILED}})
        for halt in (1, "1", True, "false", "N")
    ),
    *(
        batch({"cmd": {"x": value, "y": READ}}, {"result": {"y": ROWS}, "result_error": []})
        for value in (5, None, {}, [])
    ),
    *(
        batch(
            {"cmd": {"x": f"{name}?id=1"}},
            {"result": [], "result_error": {"x": {"error": "ERROR_BATCH_METHOD_NOT_ALLOWED"}}},
        )
        for name in ("batch", "download", "upload")
    ),
    batch(
        {"cmd": [READ] * 51},
        {"result": [ROWS] * 50, "result_error": {"50": {"error": "ERROR_BATCH_LENGTH_EXCEEDED"}}},
    ),
]
ITEM = "api-reference/crm/universal/"
KINDS = (("contact", 3), ("company", 4), ("deal", 2), ("lead", 1))
STAGES = "api-reference/crm/crm-stage-history-list.md"
TYPES = "api-reference/crm/universal/user-defined-object-types/crm-type-list.md"
LISTS = [
    *(
        Pair(
            f"crm.{kind}.list",
            {name: value},
            "crm_rest_service.php: PrepareListParams",
            status=400,
            error="",
            text=f"Parameter '{name}' must be array.",
        )
        for kind, _ in KINDS
        for name in ("filter", "order")
        for value in ("ID", 5)
    ),
    *(
        Pair(f"crm.{kind}.get", {"id": 2_000_000_000}, CONTACT, status=400, error="", text="Not found")
        for kind, _ in KINDS
    ),
    *(
        Pair(
            f"crm.{kind}.get",
            {"id": value},
            CONTACT,
            status=400,
            error="",
            text="ID is not defined or invalid.",
        )
        for kind, _ in KINDS
        for value in (0, "x", -1)
    ),
    *(
        Pair(
            f"crm.item.{verb}",
            {"entityTypeId": number, "id": 2_000_000_000, "fields": {"x": 1}},
            f"{ITEM}crm-item-{verb}.md",
            status=400,
            error="NOT_FOUND",
        )
        for _, number in KINDS
        for verb in ("get", "update", "delete")
    ),
    *(
        Pair(
            "crm.item.list",
            {"entityTypeId": number, name: {"noSuchField": "ASC"}},
            f"{ITEM}crm-item-list.md",
            status=400,
            error="INVALID_ARG_VALUE",
        )
        for _, number in KINDS
        for name in ("filter", "order")
    ),
    *(
        Pair(
            "crm.item.list",
            {"entityTypeId": 4, "filter": {key: "@a"}, "order": {name: "ASC"}, "select": ["id"]},
            f"{ITEM}crm-item-list.md",
            {"items": [{"id": "@a"}]},
        )
        for key in ("id", "=id", "@id")
        for name in ("id", "ID")
    ),
    *(
        Pair(
            "crm.company.list",
            {"filter": {key: ["@a", "@b"]}, "order": {"ID": way}, "select": ["ID"]},
            "api-reference/crm/companies/crm-company-list.md",
            [{"ID": str}, {"ID": str}],
        )
        for key in ("ID", "@ID")
        for way in ("ASC", "DESC")
    ),
    *(
        Pair(method, {**params, name: {"noSuchField": "ASC"}}, page, status=400, error="INVALID_ARG_VALUE")
        for method, params, page in (
            ("crm.stagehistory.list", {"entityTypeId": 1}, STAGES),
            ("crm.stagehistory.list", {"entityTypeId": 2}, STAGES),
            ("crm.type.list", {}, TYPES),
        )
        for name in ("filter", "order")
    ),
    Pair("crm.stagehistory.list", {"entityTypeId": 3}, STAGES, status=400, error="ENTITY_TYPE_NOT_SUPPORTED"),
    Pair("crm.type.list", {"order": {"id": "DESC"}}, TYPES, {"types": list}),
    Pair(
        "crm.company.list",
        {"filter": {"ID": 2_000_000_000}},
        "api-reference/crm/companies/crm-company-list.md",
        [],
    ),
]
CARD = "api-reference/crm/contacts/crm-contact-get.md"
VALUES = "crm/classes/rest/crm_rest_service.php: tryInternalizeMultiFields"
ATTACHED = [
    Pair(
        "crm.contact.get", {"id": "@contact"}, CARD, dict.fromkeys(("PHONE", "EMAIL", "WEB", "IM"), Missing)
    ),
    Pair("crm.contact.get", {"id": "@contact"}, CARD, {"PHOTO": None}),
    *(
        Pair(
            "batch",
            {
                "cmd": [
                    f"crm.contact.update?id=@contact&fields[{name}][0][VALUE]={value}",
                    f"crm.contact.list?filter[ID]=@contact&select[]={name}",
                    f"crm.contact.update?id=@contact&fields[{name}][0][ID]=$result[1][0][{name}][0][ID]",
                    "crm.contact.get?id=@contact",
                ]
            },
            VALUES,
            {
                "result": [
                    True,
                    [{name: [{"VALUE": value, "TYPE_ID": name, "VALUE_TYPE": str}]}],
                    True,
                    {name: Missing},
                ]
            },
        )
        for name, value in (("PHONE", "12025550100"), ("EMAIL", "a@example.com"), ("WEB", "example.com"))
    ),
]
MESSAGE = [
    *(
        Pair(
            f"im.notify.{kind}.add",
            {"USER_ID": user, "MESSAGE": "x"},
            MESSAGES,
            status=400,
            error="USER_ID_EMPTY",
        )
        for kind in ("system", "personal")
        for user in (None, 0, "", "x")
    ),
    *(
        Pair(f"im.notify.{kind}.add", {name: 1, "MESSAGE": ""}, MESSAGES, status=400, error="MESSAGE_EMPTY")
        for kind in ("system", "personal")
        for name in ("USER_ID", "user_id")
    ),
    Pair("im.message.add", {}, MESSAGES, status=400, error="MESSAGE_EMPTY"),
    Pair("im.message.add", {"MESSAGE": "x"}, MESSAGES, status=400, error="PARAMS_ERROR"),
    *(
        Pair("im.message.add", {"DIALOG_ID": id_, "MESSAGE": "x"}, MESSAGES, status=400, error=error)
        for id_, error in (("", "USER_ID_EMPTY"), ("x", "USER_ID_EMPTY"), ("chat0", "CHAT_ID_EMPTY"))
    ),
    Pair(
        "im.message.add",
        {"DIALOG_ID": 2_000_000_000, "MESSAGE": "x"},
        MESSAGES,
        status=400,
        error="USER_NOT_FOUND",
    ),
]
SYSTEM = [
    *(
        Pair(
            method,
            {},
            "rest/lib/authtypeexception.php",
            status=403,
            error="WRONG_AUTH_TYPE",
            text="Current authorization type is denied for this method",
        )
        for method in (
            "event.bind",
            "event.unbind",
            "event.get",
            "event.offline.get",
            "event.offline.list",
            "event.offline.clear",
            "event.offline.error",
        )
    ),
    *(
        Pair(
            method,
            {},
            "rest/classes/general/rest.php",
            status=404,
            error="ERROR_METHOD_NOT_FOUND",
            text="Method not found!",
        )
        for method in ("no.such.method", "crm.contact.company", "crm.contact.company.items")
    ),
    *(
        Pair(
            "method.get",
            {"name": name},
            "rest/lib/api/method.php",
            {"isExisting": exists, "isAvailable": exists},
        )
        for name, exists in ((f"{ROOM}.items.set", True), ("profile", True), ("no.such.method", False))
    ),
    Pair("profile", {}, "api-reference/common/system/profile.md", {"ID": str, "ADMIN": bool, "NAME": str}),
    Pair("scope", {}, "api-reference/common/system/scope.md"),
    *(
        Pair("feature.get", {"CODE": code}, "api-reference/common/system/feature-get.md", {"value": str})
        for code in ("rest_offline_extended", "rest_auth_connector", "no_such_feature")
    ),
    Pair("server.time", {}, "api-reference/common/system/server-time.md", str),
]
PAIRS = [
    *IDS,
    *ARRAYS,
    *COMPANIES,
    *ABSENT,
    *READING,
    *SETTING,
    *ADDING,
    *BATCHES,
    *LISTS,
    *ATTACHED,
    *MESSAGE,
    *SYSTEM,
]
