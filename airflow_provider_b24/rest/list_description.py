"""What is known of a list method: how it pages, what its parameters are called, what identifies a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PAGE = 50  # rows of a page, fixed by the portal
DOCS = "https://apidocs.bitrix24.com"

Paging = Literal["start", "offset", "OFFSET", "page", "NAV_PARAMS", "all", "limit", "refused", "unknown"]


@dataclass(frozen=True, slots=True)
class ListMethod:
    """
    How one list method is read.

    Names of parameters are empty where the method has none that this reader uses.

    :param source: the page that documents it.
    :param rows: name of the list inside ``result``; empty if the result itself is the list.
    :param key: the fields that identify a row; a single one is its id.
    :param keyset: whether the rows can be filtered and sorted by that id with ``start: -1``.
    :param id: the id's name in the filter, the order and the selection.
    :param filter: name of the parameter with the filter.
    :param order: name of the parameter with the order: a mapping of field to direction, or the direction.
    :param sort: name of the parameter with the field to sort by, where ``order`` is only its direction.
    :param select: name of the parameter with the selection.
    :param nests: whether a filter may hold a filter, so that one with ``logic`` can be narrowed.
    :param paging: how a page is selected where keyset is not used. ``start``, ``offset``, ``OFFSET``,
        ``page``, ``NAV_PARAMS``: by these parameters. ``all``: everything comes at once. ``limit``: only the
        first rows can be read. ``refused``: not by this reader, see ``pages_by``. ``unknown``: not known.
    :param inside: name of the parameter that holds those of paging, where they are not at the top.
    :param size: rows to ask for where ``limit`` may say how many.
    :param pages_by: of a method that is refused, how it pages and what to do.
    :param options: the parameters that are no conditions, of a method that takes conditions at the top.
    :param fields: the method that describes the fields of the rows; empty if there is none.
    :param fields_in: name of the description inside its ``result``; empty if the result itself is it.
    """

    source: str
    rows: str = ""
    key: tuple[str, ...] = ()
    keyset: bool = False
    id: str = "ID"
    filter: str = "filter"
    order: str = "order"
    sort: str = ""
    select: str = "select"
    nests: bool = False
    paging: Paging = "start"
    inside: str = ""
    size: int = PAGE
    pages_by: str = ""
    options: tuple[str, ...] = ()
    fields: str = ""
    fields_in: str = ""
