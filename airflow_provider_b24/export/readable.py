"""Names beside codes: of a user field's options, of statuses and stages, of pipelines, and of users."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any

from airflow_provider_b24.crm.fields import parameter
from airflow_provider_b24.errors import Bitrix24AuthError, Bitrix24Error, Bitrix24InputError
from airflow_provider_b24.export.columns import Column
from airflow_provider_b24.rest.client import Client

Names = Mapping[str, str]

# https://apidocs.bitrix24.com/api-reference/crm/data-types.html#object_type
_TYPE_IDS = {"crm.lead.list": 1, "crm.deal.list": 2, "crm.contact.list": 3, "crm.company.list": 4}
_TYPE_IDS["crm.quote.list"] = 7
# https://apidocs.bitrix24.com/api-reference/crm/status/crm-status-entity-types.html
_STAGES = {1: "STATUS", 2: "DEAL_STAGE", 7: "QUOTE_STATUS", 31: "SMART_INVOICE_STAGE"}
_TYPES = {2: "DEAL_TYPE", 3: "CONTACT_TYPE", 4: "COMPANY_TYPE"}
_STAGE_FIELDS = {"STAGE_ID", "STATUS_ID", "stageId", "previousStageId"}
_STATUS_FIELDS = {"SOURCE_ID": "SOURCE", "sourceId": "SOURCE", "INDUSTRY": "INDUSTRY", "industry": "INDUSTRY"}
_TYPE_FIELDS = {"TYPE_ID", "COMPANY_TYPE", "typeId"}


class Readable:
    """
    Adds a field with the name to each field with a code: ``stageIdName`` beside ``stageId``.

    A code that has no name, and no code, get no name. What the portal sent is never replaced.

    :param names: the names by code, for each field.
    :param targets: the fields for the names, see ``name_fields``.
    """

    def __init__(self, names: Mapping[str, Names], targets: Mapping[str, str]) -> None:
        self._names = [(field, targets[field], by_code) for field, by_code in names.items()]

    def __bool__(self) -> bool:
        return bool(self._names)

    def add(self, rows: Iterable[dict[str, Any]]) -> None:
        """Add the names to rows in place."""
        for field, name, by_code in self._names:
            for row in rows:
                if field in row:
                    row.setdefault(name, _name_of(row[field], by_code))


def name_fields(fields: Iterable[str], taken: Container[str]) -> dict[str, str]:
    """
    Return the field for the names of each field's codes: ``stageIdName``, ``STAGE_ID_NAME``.

    If the portal has a field of that name, a number behind it tells them apart: ``stageIdName2``.

    :param taken: the names of the portal's fields, whether they are selected or not.
    """
    targets = {}
    for field in fields:
        plain = f"{field}_NAME" if field.upper() == field else f"{field}Name"
        joint = "_" if field.upper() == field else ""
        numbered = (f"{plain}{joint}{number}" for number in itertools.count(2))
        targets[field] = next(name for name in itertools.chain([plain], numbered) if name not in taken)
    return targets


def name_columns(targets: Mapping[str, str], known: Mapping[str, Column]) -> list[Column]:
    """Return the columns for the names of fields that are columns."""
    return [
        Column(name, "json" if known[field].type == "json" else "string", f"{known[field].title} (name)")
        for field, name in targets.items()
        if field in known
    ]


def _name_of(code: Any, by_code: Names) -> Any:
    if isinstance(code, list):
        return [by_code.get(str(one)) for one in code]
    return None if code is None or code is False else by_code.get(str(code))


def read_names(
    client: Client,
    method: str,
    params: Mapping[str, Any],
    fields: Mapping[str, Mapping[str, Any]],
    log: Callable[[str], None],
) -> dict[str, Names]:
    """
    Read the names of the codes in a CRM list (``crm.status.list``, ``crm.category.list``, ``user.get``).

    :param fields: the fields as the portal describes them.
    :param log: takes a line if users cannot be read.
    :raises Bitrix24InputError: the portal does not describe the fields of this list.
    """
    type_id = _TYPE_IDS.get(method.lower()) or _to_int(parameter(params, "entityTypeId"))
    if not fields or type_id is None:
        raise Bitrix24InputError("names are known for the lists of the CRM only", method=method)
    kinds = {name: str(field.get("type")).lower() for name, field in fields.items()}
    statuses = _Statuses(client, type_id)
    names: dict[str, Names] = {
        name: _options(field) for name, field in fields.items() if kinds[name] == "enumeration"
    }
    for name, kind in kinds.items():
        if kind == "crm_status":
            names[name] = statuses.names_of(name, fields[name])
    categories = [name for name, kind in kinds.items() if kind == "crm_category"]
    if categories:
        names |= dict.fromkeys(categories, _categories(client, type_id))
    users = [name for name, kind in kinds.items() if kind in ("user", "employee")]
    if users:
        names |= dict.fromkeys(users, _users(client, log))
    return {name: by_code for name, by_code in names.items() if by_code}


class _Statuses:
    """The portal's directories of codes, read once."""

    def __init__(self, client: Client, type_id: int) -> None:
        self._rows = list(client.pages("crm.status.list"))
        self._type_id = type_id

    def names_of(self, name: str, field: Mapping[str, Any]) -> Names:
        if name in _STAGE_FIELDS:  # each pipeline has a directory of its own, DEAL_STAGE_1 and so on
            prefix = _STAGES.get(self._type_id, f"DYNAMIC_{self._type_id}_STAGE")
            return self._find(lambda entity: entity == prefix or entity.startswith(f"{prefix}_"))
        wanted = field.get("statusType") or _STATUS_FIELDS.get(name)
        if wanted is None and name in _TYPE_FIELDS:
            wanted = _TYPES.get(self._type_id)
        return self._find(lambda entity: entity == wanted)

    def _find(self, is_wanted: Callable[[str], bool]) -> Names:
        return {
            str(row["STATUS_ID"]): str(row["NAME"]) for row in self._rows if is_wanted(str(row["ENTITY_ID"]))
        }


def _options(field: Mapping[str, Any]) -> Names:
    items = field.get("items") or []
    return {str(item["ID"]): str(item["VALUE"]) for item in items if isinstance(item, Mapping)}


def _categories(client: Client, type_id: int) -> Names:
    try:
        rows = list(client.pages("crm.category.list", {"entityTypeId": type_id}))
    except Bitrix24Error as error:
        if error.temporary:
            raise
        return {}  # this type has no pipelines
    return {str(row["id"]): str(row["name"]) for row in rows}


def _users(client: Client, log: Callable[[str], None]) -> Names:
    try:
        rows = list(client.pages("user.get", {"select": ["ID", "NAME", "LAST_NAME"]}))
    except Bitrix24AuthError:
        log("Users stay without names: the webhook or application lacks the scope 'user'.")
        return {}
    return {str(row["ID"]): f"{row.get('NAME') or ''} {row.get('LAST_NAME') or ''}".strip() for row in rows}


def _to_int(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None
