"""What is known of a list method: how it pages, what its parameters are called, what identifies a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PAGE = 50  # rows of a page, fixed by the portal
DOCS = "https://apidocs.bitrix24.com"

Paging = Literal["start", "offset", "OFFSET", "page", "NAV_PARAMS", "all", "limit", "refused", "unknown"]


@dataclass(frozen=True, slots=True)
class Parameters:
    """
    Names of a list method's parameters; empty where it has none that this reader uses.

    :param filter: the filter.
    :param order: the order: a mapping of field to direction, or the direction.
    :param sort: the field to sort by, where ``order`` is only its direction.
    :param select: the selection.
    :param options: those that are no conditions, of a method that takes conditions at the top.
    """

    filter: str = "filter"
    order: str = "order"
    sort: str = ""
    select: str = "select"
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pages:
    """
    How a page is selected where a list is not read by id.

    :param by: ``start``, ``offset``, ``OFFSET``, ``page``, ``NAV_PARAMS``: these parameters. ``all``:
        everything comes at once. ``limit``: only the first rows can be read. ``refused``: not by this reader.
        ``unknown``: that is not known.
    :param inside: name of the parameter that holds those of paging, where they are not at the top.
    :param size: rows to ask for where ``limit`` may say how many.
    :param refusal: of a method that is refused, how it pages.
    """

    by: Paging = "start"
    inside: str = ""
    size: int = PAGE
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class ListMethod:
    """
    How one list method is read.

    :param source: the page that documents it.
    :param rows: name of the list inside ``result``; empty if the result itself is the list.
    :param key: the fields that identify a row; a single one is its id.
    :param keyset: whether the rows can be filtered and sorted by that id with ``start: -1``.
    :param id: the id's name in the filter, the order and the selection.
    :param nests: whether a filter may hold a filter, so that one with ``logic`` can be narrowed.
    :param parameters: what its parameters are called.
    :param pages: how a page is selected where keyset is not used.
    :param described: the method that describes the fields of the rows; behind a slash, the description's name
        inside its ``result``. Empty if there is none.
    """

    source: str
    rows: str = ""
    key: tuple[str, ...] = ()
    keyset: bool = False
    id: str = "ID"
    nests: bool = False
    parameters: Parameters = Parameters()
    pages: Pages = Pages()
    described: str = ""

    @property
    def filter(self) -> str:
        """Name of the parameter with the filter."""
        return self.parameters.filter

    @property
    def order(self) -> str:
        """Name of the parameter with the order, or with its direction."""
        return self.parameters.order

    @property
    def paging(self) -> Paging:
        """How a page is selected."""
        return self.pages.by

    @property
    def fields(self) -> str:
        """The method that describes the fields of the rows; empty if there is none."""
        return self.described.partition("/")[0]

    @property
    def fields_in(self) -> str:
        """Name of the description inside that method's ``result``; empty if the result itself is it."""
        return self.described.partition("/")[2]
