"""What an error of a database means: whether to begin again, whether it may pass, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from airflow_provider_b24.errors import Bitrix24TableError
from airflow_provider_b24.rest.redaction import redact

_LONGEST_TEXT = 300
_SHORTEST_SECRET = 4  # a shorter one is part of ordinary words


@dataclass(frozen=True, slots=True)
class Kind:
    """
    A kind of failure.

    :param what: what happened.
    :param advice: what to do.
    :param temporary: whether the same load may succeed later.
    :param repeats: whether it is a conflict with somebody else, after which the load begins again at once.
    """

    what: str
    advice: str = ""
    temporary: bool = False
    repeats: bool = False


CONFLICT = Kind(
    "another session changed the same table at the same time",
    "Let such tasks run one after another.",
    temporary=True,
    repeats=True,
)
LOCKED = Kind(
    "another session holds a lock for longer than lock_timeout",
    "Find out what holds it (a long transaction, a backup, maintenance), or raise lock_timeout.",
    temporary=True,
)
LOST = Kind("the connection to the database failed", "The load can be repeated: it is all or nothing.", True)
DENIED = Kind("the user of the connection may not do this", "Give it the right, or use another connection.")
LOGIN = Kind(
    "the database does not accept the connection", "Check its user, password, database, and address."
)
CHANGED = Kind("the table was created or changed at the same time", "", temporary=True, repeats=True)
DUPLICATE = Kind(
    "a row breaks a primary key or unique constraint",
    "Drop unique constraints on other columns than the id, or leave those fields out of select.",
    repeats=True,
)
MISFIT = Kind(
    "a row does not fit the table",
    "Change the column's type or constraint, or leave the field out of select.",
)
FULL = Kind("the database has no space or memory left", "", temporary=True)
STOPPED = Kind(
    "the database stopped the statement", "Raise its statement_timeout for this user.", temporary=True
)
READ_ONLY = Kind(
    "the database is read-only", "Connect to the primary server, or to a file that can be written."
)
ROW_SIZE = Kind(
    "a row has more or longer columns than the database takes", "Name the fields you need in select."
)
OTHER = Kind("the database refused a statement")

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_STATES = {
    "40001": CONFLICT,
    "40P01": CONFLICT,
    "55P03": LOCKED,
    "42501": DENIED,
    "25006": READ_ONLY,
    "42P07": CHANGED,
    "42701": CHANGED,
    "42P01": CHANGED,
    "42703": CHANGED,
    "42710": CHANGED,
    "23505": DUPLICATE,
    "57014": STOPPED,
    "28000": LOGIN,
    "28P01": LOGIN,
    "3D000": LOGIN,
    "25P03": LOST,
    "25P04": STOPPED,
    "54000": ROW_SIZE,
    "54011": ROW_SIZE,
}
_CLASSES = {"08": LOST, "57": LOST, "53": FULL, "58": FULL, "22": MISFIT, "23": MISFIT}
# https://mariadb.com/kb/en/mariadb-error-code-reference/
_NUMBERS = {
    **dict.fromkeys((1213, 1020, 1412), CONFLICT),
    **dict.fromkeys((1205, 3572), LOCKED),
    **dict.fromkeys((1044, 1142, 1143, 1227, 1370), DENIED),
    **dict.fromkeys((1045, 1049, 1698, 2059, 2061), LOGIN),
    **dict.fromkeys((1050, 1060, 1054, 1146), CHANGED),
    **dict.fromkeys((1062, 1586), DUPLICATE),
    **dict.fromkeys((1264, 1265, 1292, 1366, 1406, 1048, 1364, 3140, 4025, 3819, 1452), MISFIT),
    **dict.fromkeys((1118, 1117, 139), ROW_SIZE),
    **dict.fromkeys((1021, 1037, 1041, 1114, 3024, 1969), FULL),
    **dict.fromkeys((1290, 1792, 1836), READ_ONLY),
    **dict.fromkeys((1040, 1053, 1152, 1153, 1158, 1159, 1160, 1161, 1203, 1226), LOST),
    **dict.fromkeys((2002, 2003, 2005, 2006, 2013, 2014, 2026, 2055), LOST),
}
# https://www.sqlite.org/rescode.html; by the beginning of the name
_SQLITE = {
    "SQLITE_BUSY": LOCKED,
    "SQLITE_LOCKED": LOCKED,
    "SQLITE_READONLY": READ_ONLY,
    "SQLITE_CANTOPEN": Kind("the file of the database cannot be opened", "Check its folder and rights."),
    "SQLITE_NOTADB": Kind("the file is not a database of SQLite"),
    "SQLITE_FULL": FULL,
    "SQLITE_IOERR": FULL,
    "SQLITE_CONSTRAINT_PRIMARYKEY": DUPLICATE,
    "SQLITE_CONSTRAINT_UNIQUE": DUPLICATE,
    "SQLITE_CONSTRAINT": MISFIT,
}
_DUCKDB = {
    "TransactionException": CONFLICT,
    "ConversionException": MISFIT,
    "OutOfRangeException": MISFIT,
    "OutOfMemoryException": FULL,
    "PermissionException": DENIED,
    "FatalException": LOST,
    "InternalException": LOST,
    "HTTPException": LOST,
    "ConnectionException": LOST,
}
_DUCKDB_IN_USE = Kind(
    "another process has the file of the database open",
    "DuckDB lets one process write at a time: let such tasks share a pool with one slot.",
    temporary=True,
)
# Errors of PostgreSQL's drivers while they connect have no code. Anything else of them may pass.
_LOGIN_WORDS = ("authentication failed", "does not exist", "no password supplied", "no pg_hba.conf entry")
_EXISTS_WORDS = ("already exists", "duplicate column name", "no such table", "no such column")


def find_kind(error: BaseException) -> Kind:
    """Classify a driver's error, or SQLAlchemy's around it: by code, then by class, then by text."""
    original: Any = getattr(error, "orig", None) or error
    text = str(original).lower()
    state = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)
    number = _mysql_number(original)
    sqlite_name = getattr(original, "sqlite_errorname", None)
    if number is not None and number > 0:
        return _NUMBERS.get(number, OTHER)
    if sqlite_name:
        found = [kind for name, kind in _SQLITE.items() if sqlite_name.startswith(name)]
        if found:
            return found[0]
    if isinstance(state, str) and state:
        return _STATES.get(state) or _CLASSES.get(state[:2], OTHER)
    if "duckdb" in type(original).__module__:
        return _find_duckdb_kind(type(original).__name__, text)
    if any(words in text for words in _EXISTS_WORDS) and sqlite_name:
        return CHANGED
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return LOST
    return _find_kind_without_code(error, original, text)


def _find_duckdb_kind(name: str, text: str) -> Kind:
    if name == "IOException":
        return _DUCKDB_IN_USE if "lock" in text else LOST
    if "conflict" in text:
        return CONFLICT
    if name == "ConstraintException":
        return DUPLICATE if "duplicate key" in text or "unique" in text else MISFIT
    if name == "CatalogException" and ("already exists" in text or "does not exist" in text):
        return CHANGED
    if "read-only" in text:
        return READ_ONLY
    return _DUCKDB.get(name, OTHER)


def _find_kind_without_code(error: BaseException, original: BaseException, text: str) -> Kind:
    names = {one.__name__ for one in type(original).__mro__}
    if any(words in text for words in _LOGIN_WORDS):
        return LOGIN
    if names & {"OperationalError", "InterfaceError", "OSError"}:
        return LOST
    if names & {"DataError", "IntegrityError", "ValueError"}:
        return MISFIT
    return OTHER


def _mysql_number(original: Any) -> int | None:
    """Return MySQL's number of an error; its drivers keep it in two places."""
    if not type(original).__module__.startswith(("MySQLdb", "mysql.", "pymysql", "mariadb")):
        return None
    number = getattr(original, "errno", None)
    if number is None and original.args:
        number = original.args[0]
    return number if isinstance(number, int) else -1  # of the driver itself


def table_error(
    error: BaseException, table: str, secrets: Iterable[str] = (), doing: str = ""
) -> Bitrix24TableError:
    """
    Return our error for one of a database.

    The original is not chained: it may hold the connection's address, the statement, and a row's values.

    :param table: the table's name as the user wrote it.
    :param secrets: texts that must not be shown.
    :param doing: what was tried, if that is not clear.
    """
    kind = find_kind(error)
    original = getattr(error, "orig", None) or error
    text = redact(_first_line(original), *[one for one in secrets if len(one) >= _SHORTEST_SECRET])
    what = f"{doing}: {kind.what}" if doing else kind.what
    return Bitrix24TableError(
        f"table {table}: {what}" + (f" ({text})" if text else ""),
        table=table,
        temporary=kind.temporary,
        advice=kind.advice,
    )


def _first_line(original: BaseException) -> str:
    """Return what a driver says, without the lines after it, which quote the statement or rows."""
    number = _mysql_number(original)
    text = str(original.args[1]) if number is not None and len(original.args) > 1 else str(original)
    line = next(iter(text.strip().splitlines()), "").strip()
    return line if len(line) <= _LONGEST_TEXT else f"{line[:_LONGEST_TEXT]}..."


DATABASE_ERRORS = (SQLAlchemyError, OSError)
