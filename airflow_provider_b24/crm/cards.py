"""
The address of a record's card in the portal, where the call tells which record it is about.

https://apidocs.bitrix24.com/sdk/bx24-js-sdk/additional-functions/bx24-open-path.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_b24.crm.values import whole_number

_ITEM_KINDS = {1: "lead", 2: "deal", 3: "contact", 4: "company", 7: "quote"}
_KINDS = ("lead", "deal", "contact", "company")  # by entityTypeId, from 1


def card_path(method: str, params: Mapping[str, Any] | None, result: Any = None) -> str | None:
    """
    Return the path of the card of the record that a call reads or writes; None if there is none.

    :param method: name of the REST method.
    :param params: its parameters.
    :param result: its result, which names the record after an ``add``.
    """
    words = method.lower().split(".")
    given = {str(name).lower(): value for name, value in (params or {}).items()}
    if len(words) < 3 or words[0] != "crm" or words[2:] == ["delete"]:
        return None
    record_id = _id(_id_of_added(result) if words[2:] == ["add"] else given.get("id"))
    if record_id is None:
        return None
    if words[1] in _KINDS:
        return _details(words[1], record_id)
    entity_type = _id(given.get("entitytypeid")) if words[1] == "item" else None
    if entity_type is None:
        return None
    if entity_type <= len(_KINDS):
        return _details(_KINDS[entity_type - 1], record_id)
    return f"/crm/type/{entity_type}/details/{record_id}/"


def record_path(method: str, params: Mapping[str, Any] | None) -> str:
    """
    Return what records a method is about, as assets of a portal are named: ``crm/deal``, ``crm/item/177``.

    :param method: name of the REST method.
    :param params: its parameters.
    """
    words = method.lower().split(".")
    if words[:2] == ["crm", "item"]:
        given = {str(name).lower(): value for name, value in (params or {}).items()}
        entity_type = _id(given.get("entitytypeid"))
        if entity_type is not None:
            return f"crm/{_ITEM_KINDS.get(entity_type, f'item/{entity_type}')}"
    return "/".join(words[:-1]) if len(words) > 1 else words[0]


def _details(kind: str, record_id: int) -> str:
    return f"/crm/{kind}/details/{record_id}/"


def _id_of_added(result: Any) -> Any:
    """Old methods return the id itself, ``crm.item.add`` the whole item."""
    item = result.get("item") if isinstance(result, Mapping) else None
    return item.get("id") if isinstance(item, Mapping) else result


def _id(value: Any) -> int | None:
    number = None if isinstance(value, list | tuple | Mapping) else whole_number(value)
    return number if number is not None and number > 0 else None
