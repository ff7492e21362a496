"""
What the columns of tables hold: their types in new tables, and values turned into what existing ones take.

A value is never cut or rounded: what does not fit raises ``ValueError`` or ``OverflowError`` with the reason.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Context, Decimal, InvalidOperation
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.types import TypeEngine

from airflow_provider_b24.export.columns import Type

Convert = Callable[[Any], Any]

_BYTES = {"TINYTEXT": 255, "TEXT": 65_535, "MEDIUMTEXT": 16_777_215}  # of MySQL
_BITS = {"TINYINT": 8, "SMALLINT": 16, "MEDIUMINT": 24, "INTEGER": 32}  # others have 64
# Half a pair of backslashes is no escape.
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


@dataclass(frozen=True, slots=True)
class Fit:
    """
    How values of one type get into a column.

    :param kind: ``text``, ``json``, or the name of another family of types; a staging table compares by it.
    :param staged: the type of the column in a staging table.
    :param stored: the type by which the column itself is read and written.
    :param convert: turns a value into what the driver takes; None if it is taken as it is.
    """

    kind: str
    staged: TypeEngine[Any]
    stored: TypeEngine[Any]
    convert: Convert | None = None


def new_type(dialect: str, type_: Type, *, is_key: bool = False) -> TypeEngine[Any]:
    """Return the type of a new column."""
    if dialect == "mysql":
        text: TypeEngine[Any] = mysql.LONGTEXT(charset="utf8mb4", collation="utf8mb4_bin")
        if is_key and type_ == "string":
            return mysql.VARCHAR(190, charset="utf8mb4", collation="utf8mb4_bin")
        special: dict[Type, TypeEngine[Any]] = {
            "string": text,
            "json": text,
            "datetime": mysql.DATETIME(fsp=6),
        }
        if type_ in special:
            return special[type_]
    if dialect == "sqlite" and type_ in ("number", "date", "datetime"):
        return sa.Text()  # its NUMERIC is a float, and its times are text anyway
    if dialect == "postgresql" and type_ == "json":
        return postgresql.JSONB()
    if type_ == "number":
        return sa.Numeric() if dialect == "postgresql" else sa.Numeric(38, 6)
    if type_ == "datetime":
        return sa.DateTime(timezone=dialect in ("postgresql", "duckdb"))
    if type_ in ("string", "json"):
        return sa.String(255) if is_key and dialect not in ("postgresql", "sqlite", "duckdb") else sa.Text()
    others: dict[str, TypeEngine[Any]] = {
        "integer": sa.BigInteger(),
        "boolean": sa.Boolean(),
        "date": sa.Date(),
    }
    return others[type_]


class ExactNumeric(sa.Numeric[Decimal]):
    """A decimal number that reaches the driver as it is; SQLAlchemy makes it a float for duckdb-engine."""

    cache_ok = True

    def bind_processor(self, dialect: Any) -> None:
        """Called by SQLAlchemy, as is the next method."""

    def result_processor(self, dialect: Any, coltype: Any) -> None:
        pass


def fit(dialect: str, type_: Type, stored: TypeEngine[Any], *, takes_decimals: bool = True) -> Fit | None:
    """
    Return how values of a type get into a column of a stored type, None if they cannot.

    :param dialect: the name of SQLAlchemy's dialect.
    :param type_: the type of the values.
    :param stored: the column's type, from ``new_type`` or as it was reflected.
    :param takes_decimals: whether the driver takes ``Decimal``; SQLAlchemy gives others a float.
    """
    kind = _kind(dialect, stored)
    if kind == "text":
        return _fit_text(dialect, type_, stored)
    if kind == "decimal" and not takes_decimals and dialect != "duckdb":
        kind = "float"
    fitting = _FITTING.get((type_, kind))
    return fitting(dialect, stored) if fitting else None


def _kind(dialect: str, stored: TypeEngine[Any]) -> str | None:
    if isinstance(stored, sa.Enum):
        return None
    for kind, types in _KINDS.items():
        if isinstance(stored, types):
            # SQLite stores a decimal number as a float, whatever its column is called.
            return "float" if kind == "decimal" and dialect == "sqlite" else kind
    return None


_KINDS: dict[str, tuple[type[TypeEngine[Any]], ...]] = {
    "json": (sa.JSON, postgresql.JSONB),
    "boolean": (sa.Boolean,),
    "integer": (sa.Integer,),
    "float": (sa.Float,),  # before its base Numeric
    "decimal": (sa.Numeric,),
    "datetime": (sa.DateTime,),
    "date": (sa.Date,),
    "text": (sa.String,),
}


def _fit_text(dialect: str, type_: Type, stored: Any) -> Fit:
    most, most_bytes = None, None
    if dialect not in ("sqlite", "duckdb"):  # these do not enforce a length
        most = getattr(stored, "length", None)
    if dialect == "mysql":
        most_bytes = _BYTES.get(stored.__visit_name__.upper())
    write = None if type_ in ("string", "json") else _as_text
    text = sa.Text() if dialect != "mysql" else mysql.LONGTEXT(charset="utf8mb4", collation="utf8mb4_bin")
    if most is None and most_bytes is None:
        return Fit("text", text, text, write)

    def convert(value: Any) -> str:
        written: str = write(value) if write else value
        if most is not None and len(written) > most:
            raise ValueError(f"it has {len(written):,} characters, and the column takes {most:,}")
        if most_bytes is not None and len(written) * 4 > most_bytes:
            size = len(written.encode())
            if size > most_bytes:
                raise ValueError(f"it has {size:,} bytes, and the column takes {most_bytes:,}")
        return written

    return Fit("text", text, text, convert)


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value.isoformat() if isinstance(value, date) else str(value)


def _fit_json(dialect: str, stored: TypeEngine[Any]) -> Fit:
    # As text up to the merge: SQLAlchemy's type would write a text that is JSON already as JSON once more.
    is_binary = isinstance(stored, postgresql.JSONB)

    def convert(value: str) -> str:
        if _ESCAPED_NUL.search(value):
            raise ValueError("it contains a NUL character")
        return value

    text = sa.Text() if dialect != "mysql" else mysql.LONGTEXT(charset="utf8mb4", collation="utf8mb4_bin")
    return Fit("json", text, stored, convert if is_binary else None)


def _fit_integer(_: str, stored: Any) -> Fit:
    bits = _BITS.get(stored.__visit_name__.upper(), 64)
    is_unsigned = bool(getattr(stored, "unsigned", False))
    low, high = (0, 2**bits - 1) if is_unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)

    def convert(value: Any) -> int:
        number = int(value)
        if number != value:
            raise ValueError("it is not a whole number")
        if not low <= number <= high:
            raise ValueError(f"the column takes {low:,} to {high:,}")
        return number

    return Fit("integer", sa.BigInteger(), sa.BigInteger(), convert)


def _fit_decimal(dialect: str, stored: Any) -> Fit:
    precision, scale = stored.precision, stored.scale or 0
    if precision is None and dialect == "postgresql":
        return Fit("decimal", sa.Numeric(), sa.Numeric(), Decimal)
    precision = precision or 38
    context = Context(prec=precision)
    smallest = Decimal(1).scaleb(-scale)

    def convert(value: Any) -> Decimal:
        number = Decimal(value)
        try:
            if number.quantize(smallest, context=context) == number:
                return number
        except InvalidOperation:
            pass
        raise ValueError(f"the column takes {precision - scale} digits before the point and {scale} after it")

    type_ = ExactNumeric(precision, scale) if dialect == "duckdb" else sa.Numeric(precision, scale)
    return Fit("decimal", type_, type_, convert)


def _fit_float(dialect: str, stored: Any) -> Fit:
    is_single = dialect != "sqlite" and (
        isinstance(stored, sa.REAL)
        or (stored.__visit_name__ == "FLOAT" and dialect == "mysql")
        or (isinstance(stored, sa.Float) and (stored.precision or 53) <= 24)
    )

    def convert(value: Any) -> float:
        number = float(value)
        if is_single:
            (number,) = struct.unpack("f", struct.pack("f", number))
            is_exact = len(Decimal(value).normalize().as_tuple().digits) <= 6 or number == value
        else:
            is_exact = Decimal(repr(number)) == value
        if not is_exact:
            raise ValueError("it would be rounded to a floating point number")
        return number

    type_ = stored if is_single else _double(dialect)
    return Fit("single" if is_single else "float", type_, type_, convert)


def _double(dialect: str) -> TypeEngine[Any]:
    return mysql.DOUBLE(asdecimal=False) if dialect == "mysql" else sa.Float(53)


def _fit_boolean(_: str, __: TypeEngine[Any]) -> Fit:
    return Fit("boolean", sa.Boolean(), sa.Boolean())


def _fit_datetime(dialect: str, stored: Any) -> Fit:
    has_zone = bool(getattr(stored, "timezone", False)) and dialect != "mysql"
    type_: TypeEngine[Any] = sa.DateTime(timezone=has_zone)
    digits = 6
    if dialect == "mysql":
        digits = getattr(stored, "fsp", None) or 0
        type_ = mysql.DATETIME(fsp=6)
    elif dialect == "postgresql":
        precision = getattr(stored, "precision", None)
        digits = 6 if precision is None else precision

    def convert(value: date) -> datetime:
        if not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day, tzinfo=UTC)
        if digits < 6 and value.microsecond % 10 ** (6 - digits):
            raise ValueError(f"the column takes {digits} digits of a fraction of a second")
        return value if has_zone else value.astimezone(UTC).replace(tzinfo=None)

    return Fit("datetime with zone" if has_zone else "datetime", type_, type_, convert)


def _fit_date(_: str, __: TypeEngine[Any]) -> Fit:
    return Fit("date", sa.Date(), sa.Date())


_FITTING: dict[tuple[str, str | None], Callable[[str, Any], Fit]] = {
    ("json", "json"): _fit_json,
    ("integer", "integer"): _fit_integer,
    ("number", "integer"): _fit_integer,
    ("boolean", "integer"): _fit_integer,
    ("integer", "decimal"): _fit_decimal,
    ("number", "decimal"): _fit_decimal,
    ("boolean", "decimal"): _fit_decimal,
    ("integer", "float"): _fit_float,
    ("number", "float"): _fit_float,
    ("boolean", "boolean"): _fit_boolean,
    ("datetime", "datetime"): _fit_datetime,
    ("date", "datetime"): _fit_datetime,
    ("date", "date"): _fit_date,
}
