"""SQL for the table of a list: how it is created, extended and filled. Knows no database driver."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.export.columns import Column, Type

LONGEST_NAME = 63  # https://www.postgresql.org/docs/current/sql-syntax-lexical.html
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?")
_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True)
class Dialect:
    """
    How one kind of database writes what is not the same everywhere.

    :param types: the column types.
    :param differs: an operator that also compares NULL; empty if rows cannot be inserted ``ON CONFLICT``.
    """

    types: Mapping[Type, str]
    differs: str = ""


_STANDARD: dict[Type, str] = {
    "string": "TEXT",
    "integer": "BIGINT",
    "number": "NUMERIC",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "datetime": "TIMESTAMP",
    "json": "TEXT",
}
DIALECTS = {
    "postgres": Dialect(_STANDARD | {"datetime": "TIMESTAMPTZ", "json": "JSONB"}, "IS DISTINCT FROM"),
    "sqlite": Dialect(_STANDARD | {"datetime": "TEXT", "date": "TEXT"}, "IS NOT"),
}
STANDARD = Dialect(_STANDARD)


def safe_names(fields: Sequence[str]) -> dict[str, str]:
    """Return a column name for each field: ``updatedTime`` becomes ``updated_time``."""
    names: dict[str, str] = {}
    for one in fields:
        name = re.sub(r"\W+", "_", _HUMPS.sub("_", one), flags=re.ASCII).lower()[:LONGEST_NAME]
        name = f"_{name}"[:LONGEST_NAME] if not name or name[0].isdigit() else name
        number = 1
        while name in names.values():
            number += 1
            name = f"{name[: LONGEST_NAME - 4]}_{number}"
        names[one] = name
    return names


@dataclass(frozen=True)
class Table:
    """
    The table of a list.

    :param name: its name, perhaps with a schema before it.
    :param columns: the columns of the rows.
    :param key: the field that identifies a row.
    :param dialect: what the database understands.
    :param placeholder: what stands for a value in its driver, ``%s`` or ``?``.
    :raises Bitrix24InputError: the name is not a plain one.
    """

    name: str
    columns: Sequence[Column]
    key: str
    dialect: Dialect
    placeholder: str
    names: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise Bitrix24InputError(
                f"table must be a plain name such as deals or crm.deals, got {self.name!r:.80}"
            )
        object.__setattr__(self, "names", safe_names([column.name for column in self.columns]))

    @property
    def key_name(self) -> str:
        """The key's column, quoted."""
        return _quoted(self.names[self.key])

    def create(self) -> str:
        """Create the table if it does not exist."""
        columns = ", ".join(self._definition(column) for column in self.columns)
        return f"CREATE TABLE IF NOT EXISTS {self.name} ({columns}, PRIMARY KEY ({self.key_name}))"

    def describe(self) -> str:
        """Select no row, so that the driver tells the columns there are."""
        return f"SELECT * FROM {self.name} WHERE 1 = 0"  # noqa: S608 - the name was checked

    def extend(self, existing: Sequence[str]) -> dict[str, str]:
        """Return the statement for each column that the table lacks, by its name."""
        there = {name.lower() for name in existing}
        return {
            self.names[column.name]: f"ALTER TABLE {self.name} ADD COLUMN {self._definition(column)}"
            for column in self.columns
            if self.names[column.name] not in there
        }

    def insert(self, rows: int) -> str:
        """Insert rows; where the dialect can, rows that exist are changed, if they differ."""
        names = [_quoted(name) for name in self.names.values()]
        row = f"({', '.join([self.placeholder] * len(names))})"
        sql = f"INSERT INTO {self.name} ({', '.join(names)}) VALUES {', '.join([row] * rows)}"  # noqa: S608
        others = [name for name in names if name != self.key_name]
        if not self.dialect.differs:
            return sql
        if not others:
            return f"{sql} ON CONFLICT ({self.key_name}) DO NOTHING"
        changes = ", ".join(f"{name} = excluded.{name}" for name in others)
        differs = " OR ".join(f"{self._own(name)} {self.dialect.differs} excluded.{name}" for name in others)
        return f"{sql} ON CONFLICT ({self.key_name}) DO UPDATE SET {changes} WHERE {differs}"

    def select_ids(self) -> str:
        """Select all ids in order."""
        return f"SELECT {self.key_name} FROM {self.name} ORDER BY {self.key_name}"  # noqa: S608

    def delete(self, rows: int) -> str:
        """Delete rows by their ids."""
        marks = ", ".join([self.placeholder] * rows)
        return f"DELETE FROM {self.name} WHERE {self.key_name} IN ({marks})"  # noqa: S608

    def _own(self, quoted: str) -> str:
        return f"{self.name.rpartition('.')[2]}.{quoted}"

    def _definition(self, column: Column) -> str:
        return f"{_quoted(self.names[column.name])} {self.dialect.types[column.type]}"


def _quoted(name: str) -> str:
    return f'"{name}"'
