"""Pages of lists that are short enough to be at hand whole, and the link to the next page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import urlencode

from compute_core.api.call import Call, Query
from compute_core.model.errors import Invalid

MAX_PAGE = 1000
T = TypeVar("T")


def limit_of(query: Query) -> int:
    """How many at most: what was asked for, and never more than the server's own maximum."""
    asked = query.get("limit")
    return MAX_PAGE if asked is None else min(int(asked), MAX_PAGE)


def page(items: Sequence[T], query: Query, identity: Callable[[T], str], *, limit: int | None = None) -> Sequence[T]:
    """The items after the marker, as many as the limit says; Invalid when the marker is not among them."""
    marker = query.get("marker")
    begin = 0 if marker is None else _after(items, marker, identity)
    return items[begin : begin + (limit_of(query) if limit is None else limit)]


def _after(items: Sequence[T], marker: str, identity: Callable[[T], str]) -> int:
    for position, item in enumerate(items):
        if identity(item) == marker:
            return position + 1
    raise Invalid(f"marker [{marker}] not found")


def next_link(call: Call, path: str, last: str) -> str:
    """The same question again, from ``last`` on."""
    pairs = [(name, value) for name, value in call.query.pairs if name != "marker"]
    return f"{path}?{urlencode([*pairs, ('marker', last)])}"


def links_when_full(call: Call, path: str, ids: Sequence[str]) -> list[dict[str, str]]:
    """Nova's ``*_links`` of a page: empty unless the page is as long as it could be."""
    if not ids or len(ids) < limit_of(call.query):
        return []
    return [{"rel": "next", "href": next_link(call, call.base_url + path, ids[-1])}]
