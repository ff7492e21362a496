"""Phones, addresses and the like, of which a record has several with ids, and files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from airflow_provider_b24.sandbox.model import php
from airflow_provider_b24.sandbox.model.calls import Caller
from airflow_provider_b24.sandbox.model.schema import Field, Kind

MULTIFIELDS = ("PHONE", "EMAIL", "WEB", "IM", "LINK")
IDS_PER_FIELD = 20
PORTAL = "https://portal.example"
REMOVED = 0
"""What is stored after a file was removed; the older methods leave it out, while no file at all is a null."""
Line = dict[str, str]


def lines(record_id: int, name: str, stored: Any) -> list[Line]:
    """The values of a multifield as the portal returns them; a single text is stored as it is."""
    given = [one for _, one in php.pairs(stored)] if php.is_array(stored) else [stored] if stored else []
    first = _first_id(record_id, name)
    return [_line(name, one, str(first + position)) for position, one in enumerate(given)]


def changed_lines(record_id: int, name: str, stored: Any, given: Any) -> list[Line]:
    """A multifield after a write: a value with an ID is changed, or removed if empty; others are added."""
    kept = {int(line["ID"]): line for line in lines(record_id, name, stored)}
    for value in php.values(given):
        line_id, text = php.to_int(php.item(value, "ID")), php.to_text(php.item(value, "VALUE")).strip()
        if line_id <= 0 and text:
            line_id = max(kept, default=_first_id(record_id, name) - 1) + 1
            kept[line_id] = _line(name, value, str(line_id))
        elif not text or php.to_text(php.item(value, "DELETE")).upper() == "Y":
            kept.pop(line_id, None)
        elif line_id in kept:
            kept[line_id] = _line(name, value, str(line_id))
    return list(kept.values())


def _first_id(record_id: int, name: str) -> int:
    return (record_id * len(MULTIFIELDS) + MULTIFIELDS.index(name)) * IDS_PER_FIELD


def _line(name: str, value: Any, free_id: str) -> Line:
    line = value if isinstance(value, dict) else {"VALUE": value}
    return {
        "ID": php.to_text(line.get("ID")) or free_id,
        "VALUE_TYPE": php.to_text(line.get("VALUE_TYPE")).strip() or "WORK",
        "VALUE": php.to_text(line.get("VALUE")).strip(),
        "TYPE_ID": name,
    }


def uploaded(field: Field, stored: Any, given: Any, new_id: Callable[[], int]) -> Any:
    """The ids of a field's files after a write; their contents are not kept."""
    if not field.multiple:
        removes = php.to_text(php.item(given, "remove")).upper() == "Y"
        return REMOVED if removes or not given else new_id() if _has_content(given) else stored
    return [*(stored or ()), *(new_id() for one in php.values(given) if _has_content(one))]


def _has_content(given: Any) -> bool:
    """Older methods take ``{"fileData": [name, content]}``, crm.item.* takes ``[name, content]``."""
    return bool(php.item(given, "fileData") or php.item(given, 1))


def old_files(kind: Kind, record_id: int, field: Field, stored: Any, caller: Caller) -> Any:
    """A field's files as the older methods return them; an application's token is part of an address."""
    page = f"/bitrix/components/bitrix/crm.{kind.name}.show/show_file.php"
    dynamic = "Y" if field.is_users_own else "N"

    def describe(number: int) -> dict[str, Any]:
        query = {"ownerId": record_id, "fieldName": field.name, "dynamic": dynamic, "fileId": number}
        download = urlencode({"auth": caller.token, **query})
        return {"id": number, "showUrl": f"{page}?{urlencode(query)}", "downloadUrl": f"{page}?{download}"}

    return _described(field, stored, describe)


def item_files(kind: Kind, record_id: int, field: Field, stored: Any, caller: Caller) -> Any:
    """A field's files as crm.item.* returns them; a webhook's code or a token is part of an address."""
    method = "crm.controller.item.getFile"
    page = f"{PORTAL}/bitrix/services/main/ajax.php"
    address = f"{PORTAL}/rest/{caller.path}{method}/?" if caller.path else f"{PORTAL}/rest/{method}.json?"

    def describe(number: int) -> dict[str, Any]:
        query = {"entityTypeId": kind.type_id, "id": record_id, "fieldName": field.name, "fileId": number}
        shown = urlencode({"action": method, "SITE_ID": "s1", **query})
        signed = urlencode(({"auth": caller.token} if caller.token else {}) | {"token": f"crm|{number}"})
        return {"id": number, "url": f"{page}?{shown}", "urlMachine": address + signed}

    return _described(field, stored, describe)


def _described(field: Field, stored: Any, describe: Callable[[int], dict[str, Any]]) -> Any:
    if field.multiple:
        return [describe(number) for number in stored or ()]
    return describe(stored) if stored else None
