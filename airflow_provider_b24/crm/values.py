"""
Parses user input: numbers of databases and data frames, flags, and all of these as text.

Numbers are recognized by their value, not by their class. Text counts because a Jinja template renders text
unless the DAG sets ``render_template_as_native_obj``.
"""

from __future__ import annotations

import ast
import contextlib
import json
import operator
import re
from decimal import Decimal
from numbers import Real
from typing import Any

from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.rest.calls import shown

_LARGEST = 2**63 - 1
_WHOLE = re.compile(r"([+-]?[0-9]{1,40})(?:\.0*)?")  # Python refuses to read thousands of digits
_YES, _NO = frozenset({"y", "yes", "true", "1"}), frozenset({"n", "no", "false", "0"})
_NOTHING = frozenset(
    {"", "none", "null", "nan", "<na>"}
)  # how templates and data frames write a missing value


def parse_id(value: Any, field: str) -> int:
    """
    Read an id: a positive whole number, also as text.

    :param field: what the message calls it.
    :raises Bitrix24InputError: anything else; PHP would read ``"82abc"`` as 82 and ``true`` as 1.
    """
    number = whole_number(value)
    if number is None or number < 1:
        raise Bitrix24InputError(f"{field} must be a positive whole number, got {shown(value)}")
    return number


def parse_optional_int(value: Any, field: str) -> int | None:
    """
    Read a whole number of any sign, also as text; None if it is missing.

    :raises Bitrix24InputError: anything else.
    """
    if is_missing(value):
        return None
    number = whole_number(value)
    if number is None:
        raise Bitrix24InputError(f"{field} must be a whole number, got {shown(value)}")
    return number


def parse_flag(value: Any, field: str) -> bool | None:
    """
    Read a flag: True or False, Y or N, yes or no, 1 or 0, in any case; None if it is missing.

    :raises Bitrix24InputError: anything else.
    """
    return None if is_missing(value) else parse_switch(value, field)


def parse_switch(value: Any, field: str) -> bool:
    """
    Read a flag that must be given; takes what ``parse_flag`` takes.

    :raises Bitrix24InputError: anything else, e.g. an XComArg in a field that is not templated.
    """
    value = _python_scalar(value)
    if isinstance(value, bool):
        return value
    number = whole_number(value)
    word = value.strip().lower() if isinstance(value, str) and number is None else str(number)
    if word in _YES:
        return True
    if word in _NO:
        return False
    raise Bitrix24InputError(f"{field} must be True or False (or Y/N, yes/no, 1/0), got {shown(value)}")


def whole_number(value: Any) -> int | None:
    """
    Return a number of any type, or text of one, as an int; None if it is not whole or over 64 bits.

    ``8``, ``8.0``, ``Decimal("8")``, ``numpy.int64(8)``, ``"8"`` and ``"8.0"`` are 8. True is not a number.
    """
    if type(value) is int:  # nearly every value of a bulk run
        return _within_64_bits(value)
    value = _python_scalar(value)
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        match = _WHOLE.fullmatch(value.strip())
        return _within_64_bits(int(match[1])) if match else None
    with contextlib.suppress(TypeError):
        return _within_64_bits(operator.index(value))
    with contextlib.suppress(ValueError, ArithmeticError):  # NaN, infinity
        if isinstance(value, Real | Decimal):
            number: Any = value
            return int(number) if abs(number) <= _LARGEST and number == int(number) else None
    return None


def is_missing(value: Any) -> bool:
    """Whether a value stands for "not given": None, NaN, pandas' NA and NaT, and the text of these."""
    if value is None:
        return True
    if isinstance(value, str):
        return value.strip().lower() in _NOTHING
    try:
        return bool(value != value)  # only NaN and NaT differ from themselves
    except ArithmeticError:  # a signaling NaN
        return True
    except (TypeError, ValueError):
        return type(value).__name__ == "NAType"  # pandas.NA, which has no truth value


def parse_text(text: str, field: str) -> Any:
    """
    Read a value from text: JSON, or the Python literal that a Jinja template renders.

    :raises Bitrix24InputError: it is neither.
    """
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(text)
    with contextlib.suppress(ValueError, SyntaxError, RecursionError, MemoryError):
        tree = ast.parse(text.strip(), mode="eval")
        return ast.literal_eval(_PlainValues().visit(tree))
    raise Bitrix24InputError(
        f"{field} is text that is neither JSON nor a Python literal: {shown(text)}; "
        "to pass a value from XCom use task.output"
    )


class _PlainValues(ast.NodeTransformer):
    """Turns ``Decimal('8')``, ``np.int64(8)`` and ``nan``, as Jinja renders them, into literals."""

    _names = {"nan": None, "np.nan": None, "np.True_": True, "np.False_": False}  # noqa: RUF012 - a constant

    def visit_Call(self, node: ast.Call) -> ast.AST:
        function = ast.unparse(node.func)
        if len(node.args) != 1 or node.keywords or not (function == "Decimal" or function[:3] == "np."):
            return node
        argument: ast.AST = self.visit(node.args[0])
        return argument  # of a Decimal it is text, which keeps every digit

    def visit_Name(self, node: ast.Name | ast.Attribute) -> ast.AST:
        name = ast.unparse(node)
        return ast.copy_location(ast.Constant(self._names[name]), node) if name in self._names else node

    visit_Attribute = visit_Name


def _python_scalar(value: Any) -> Any:
    """Return numpy's scalars, and arrays without dimensions, as Python's own."""
    return value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value


def _within_64_bits(number: int) -> int | None:
    return number if -_LARGEST <= number <= _LARGEST else None
