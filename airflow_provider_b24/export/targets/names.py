"""Names of tables, as users write them, and of columns, made from the names of fields."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy.sql.elements import quoted_name

from airflow_provider_b24.errors import Bitrix24InputError

LONGEST_NAME = 63  # of a column; PostgreSQL's limit in bytes, and the others allow more
# https://www.postgresql.org/docs/current/ddl-system-columns.html
_SYSTEM_COLUMNS = {"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"}
_PART = r'(?:[^\W\d][\w$]*|"(?:[^"\0]|"")+")'
_TABLE = re.compile(rf"(?:({_PART})\.)?({_PART})")
_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_HASH_LENGTH = 8


@dataclass(frozen=True, slots=True)
class TableName:
    """
    The name of a table.

    :param text: as the user wrote it.
    :param schema: its schema, in MySQL its database; None for the default one.
    :param name: the table's own name.
    :param is_quoted: whether the name was written in double quotes, so that its case counts.
    """

    text: str
    schema: str | None
    name: str
    is_quoted: bool


def parse_table_name(text: object) -> TableName:
    """
    Read ``deals``, ``crm.deals``, or ``crm."My deals"``.

    :raises Bitrix24InputError: it is not the name of a table.
    """
    found = _TABLE.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise Bitrix24InputError(
            f"table must be a plain name such as deals or crm.deals, got {text!r:.80}",
            advice='Write any other name in double quotes: crm."My deals".',
        )
    schema, name = found.groups()
    return TableName(found.string, _unquoted(schema) if schema else None, _unquoted(name), name[0] == '"')


def _unquoted(part: str) -> str:
    return part[1:-1].replace('""', '"') if part[0] == '"' else part


def exact(name: str) -> quoted_name:
    """Return a name that SQLAlchemy always quotes: reserved words differ between databases and versions."""
    return quoted_name(name, True)


def column_names(
    fields: Sequence[str], limit: int = LONGEST_NAME, existing: Collection[str] = ()
) -> dict[str, str]:
    """
    Return a column name for each field: ``updatedTime`` becomes ``updated_time``.

    A name that is too long, or that several fields would have, ends with a hash of the field's name, so it is
    the same in every run, whatever the other fields are. Of several fields, the first by alphabet has the
    name without a hash, unless the table has a column with its hash from before.

    :param fields: the names of the fields.
    :param limit: the longest name the database takes, in bytes; the names are ASCII.
    :param existing: the columns that the table has.
    """
    there = {name.lower() for name in existing}
    names: dict[str, str] = {}
    taken: set[str] = set()
    hashed = []
    for field in sorted(set(fields)):
        name = plain_name(field)
        if len(name) > limit or name in taken or _with_hash(name, field, limit) in there:
            hashed.append(field)
        else:
            names[field] = name
            taken.add(name)
    for field in hashed:
        name = next(one for one in _hashed_names(plain_name(field), field, limit) if one not in taken)
        names[field] = name
        taken.add(name)
    return {field: names[field] for field in fields}


def plain_name(field: str) -> str:
    """Return a field's name in lower case, with underscores, as long as it is."""
    name = re.sub(r"\W+", "_", _HUMPS.sub("_", field), flags=re.ASCII).lower()
    if not name or name[0].isdigit():
        name = f"_{name}"
    return f"{name}_" if name in _SYSTEM_COLUMNS else name


def _hashed_names(name: str, field: str, limit: int) -> Iterable[str]:
    """Yield names until one is free: two hashes may be the same, however unlikely it is."""
    salt = ""
    while True:
        yield _with_hash(name, field + salt, limit)
        salt += "\0"


def _with_hash(name: str, field: str, limit: int) -> str:
    digest = hashlib.sha256(field.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_LENGTH]
    return f"{name[: limit - _HASH_LENGTH - 1]}_{digest}"
