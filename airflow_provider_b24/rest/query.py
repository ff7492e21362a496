"""
What a command of a batch can say: PHP reads a query, in which everything is text or an array of texts.

A single call sends JSON, which keeps types and empty lists. A value is written as text only where the portal
makes the same of both; a call with any other value is sent alone. The rules, and where they come from:

- *Text* that the portal takes for a reference to an earlier command goes alone
  (``CRestUtil::processBatchElement`` in its rest module).
- *Names* must survive ``parse_str``, which changes dots, spaces, and brackets, and drops what is nested
  deeper than 64 levels or beyond ``max_input_vars`` (``php_register_variable_ex`` in php_variables.c).
- *Flags*: a filter casts them to text, true to ``1`` and false to an empty text (``sqlwhere.php`` in the main
  module). The flags of ``crm.item.*`` are true for JSON true, ``true``, ``y``, and ``Y``, and false for all
  else, ``1`` too (``Controller/Item::prepareBooleanFieldValue`` in the crm module). Elsewhere no text means
  the same: the older CRM methods compare loosely with ``"Y"``, which JSON true equals and ``1`` does not,
  their user fields are false only for an empty text and ``0``, and a column becomes NULL for JSON false.
- *None*: ``crm.item.*`` empties a field for null and for an empty text alike. Elsewhere null counts as not
  given (``isset``): the older methods leave a field as it is for null, and clear it for an empty text.
- *Numbers*: PHP casts a float to text with 14 digits, so that one with more may mean another text.
"""

from __future__ import annotations

import re

MAX_PAIRS = 900  # of max_input_vars, 1,000 by default: a list reader adds conditions of its own
MAX_LEVELS = 64  # max_input_nesting_level

_FILTER = re.compile(r"(?:^|\[)(?:ar)?filter\]?\[", re.IGNORECASE)
_LOGIC = re.compile(r"\[[^\[\]]*logic\]$", re.IGNORECASE)
# The conditions of these may stand beside the filter; their flags are read by truth (prepareUserValue).
_CONDITIONS_BESIDE = frozenset({"user.get", "user.search"})

# Where the fields of an item are written: crm.item.add, update and import; crm.item.batchImport.
_ITEM_FIELD = {
    **dict.fromkeys(
        ("crm.item.add", "crm.item.update", "crm.item.import"), re.compile(r"fields\[([^\[\]]+)\]")
    ),
    "crm.item.batchimport": re.compile(r"data\[[^\[\]]+\]\[([^\[\]]+)\]"),
}
# https://apidocs.bitrix24.com/api-reference/crm/universal/object-fields.html, fields of type boolean.
# A user field (ufCrm*) may be of any type, and Y is no number.
_ITEM_FLAGS = frozenset(
    {
        *("opened", "closed", "export", "isManualOpportunity", "isMyCompany", "isNew", "isRecurring"),
        *("isRepeatedApproach", "isReturnCustomer", "hasEmail", "hasImol", "hasPhone"),
    }
)

_REFERENCE = re.compile(r"\$(?:result|next|total|time|error)(\S*)", re.IGNORECASE | re.ASCII)
_STEP = re.compile(r"\[[^\]]")
_MANGLED = re.compile(r"[\[ .\0]")
_INNER_MANGLED = re.compile(r"[\]\0]|\A[ \t\n\v\f\r]\Z")  # PHP takes [ ] for []


def is_in_filter(path: str) -> bool:
    """Whether a parameter is part of a filter; ``path`` is its name as a query writes it: ``filter[>ID]``."""
    return _FILTER.search(path) is not None


def is_reference(text: str) -> bool:
    """Whether the portal takes a part of a text in a batch for a reference to an earlier command."""
    if "$" not in text or "]" not in text:
        return False
    paths = (match[1] for match in _REFERENCE.finditer(text))
    return any(_STEP.search(path, 0, max(path.rfind("]"), 0)) for path in paths)


def is_name(name: str) -> bool:
    """Whether PHP reads the name of a parameter as it is written."""
    return name != "" and _MANGLED.search(name) is None


def is_inner_name(name: str) -> bool:
    """Whether PHP reads the name of a value inside a parameter as it is written between brackets."""
    return name != "" and _INNER_MANGLED.search(name) is None


def flag_text(value: bool, path: str, method: str) -> str | None:
    """Return the text that means the same as a flag at this place of the parameters, if there is one."""
    name = method.lower()
    if (is_in_filter(path) or (name in _CONDITIONS_BESIDE and "[" not in path)) and not _LOGIC.search(path):
        return "1" if value else ""
    field = _item_field(path, name)
    if field is not None and field in _ITEM_FLAGS:
        return "Y" if value else "0"
    return None


def null_text(path: str, method: str) -> str | None:
    """Return the text that means the same as None at this place of the parameters, if there is one."""
    return None if _item_field(path, method.lower()) is None else ""


def float_text(value: float) -> str | None:
    """Return a number as PHP casts it to text, or None if that would lose digits."""
    text = f"{value:.14G}"
    if float(text) != value:
        return None
    mantissa, mark, exponent = text.partition("E")
    if not mark:
        return text
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{int(exponent):+d}"


def _item_field(path: str, method: str) -> str | None:
    place = _ITEM_FIELD.get(method)
    match = place.fullmatch(path) if place is not None else None
    return None if match is None else match[1]
