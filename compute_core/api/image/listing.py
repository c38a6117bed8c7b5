"""``GET /v2/images``: filters, order and pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlencode

from compute_core.api.call import Call, Query
from compute_core.api.image.view import shown
from compute_core.api.paging import page
from compute_core.api.texts import is_true
from compute_core.images.filters import COMPARISONS
from compute_core.images.port import ImageFilters
from compute_core.model.clock import iso
from compute_core.model.errors import Invalid
from compute_core.model.images import Image

DEFAULT_LIMIT, MAX_LIMIT = 25, 1000

SORT_KEYS: Mapping[str, Callable[[Image], Any]] = {
    "name": lambda image: image.name,
    "status": lambda image: image.status,
    "container_format": lambda image: image.container_format or "",
    "disk_format": lambda image: image.disk_format or "",
    "size": lambda image: image.size_bytes or 0,
    "id": lambda image: image.id,
    "created_at": lambda image: image.created_at,
    "updated_at": lambda image: image.updated_at,
}
_LISTS: Mapping[str, str] = {
    "id": "ids",
    "name": "names",
    "status": "statuses",
    "container_format": "container_formats",
    "disk_format": "disk_formats",
}
_CONTROLS = frozenset({
    *_LISTS, "limit", "marker", "sort", "sort_key", "sort_dir", "visibility", "owner", "tag", "protected", "os_hidden", "size_min",
    "size_max", "created_at", "updated_at", "member_status",
})  # fmt: skip


def filters_of(call: Call) -> ImageFilters:
    """What the query asks for, of what the caller may see."""
    query = call.query
    lists = {field: _values(query, name) for name, field in _LISTS.items()}
    protected = query.get("protected")
    return ImageFilters(
        project_id=None if call.context.is_admin else call.context.project_id,
        visibility=query.get("visibility"),
        owner=query.get("owner"),
        tags=query.all("tag"),
        is_protected=None if protected is None else is_true(protected),
        is_hidden=is_true(query.get("os_hidden") or "false"),
        size_min=_int(query.get("size_min")),
        size_max=_int(query.get("size_max")),
        created_at=_dates(query, "created_at"),
        updated_at=_dates(query, "updated_at"),
        properties={name: query.get(name) or "" for name in query.names if name not in _CONTROLS},
        **lists,
    )


def _int(text: str | None) -> int | None:
    return None if text is None else int(text)


def _values(query: Query, name: str) -> tuple[str, ...] | None:
    """The values of a filter: one, or ``in:a,b`` (a value with a comma is written in quotes)."""
    asked = query.get(name)
    if asked is None:
        return None
    if not asked.startswith("in:"):
        return (asked,)
    return tuple(unquote(value).strip('"') for value in _split(asked.removeprefix("in:")))


def _split(text: str) -> list[str]:
    parts, is_quoted = [""], False
    for sign in text:
        is_quoted ^= sign == '"'
        if sign == "," and not is_quoted:
            parts.append("")
        else:
            parts[-1] += sign
    return [part for part in parts if part]


def _dates(query: Query, name: str) -> tuple[tuple[str, str], ...]:
    comparisons = []
    for asked in query.all(name):
        operator, separator, date = asked.partition(":")
        if operator not in COMPARISONS or not separator:
            operator, date = "eq", asked
        comparisons.append((operator, _date(name, date)))
    return tuple(comparisons)


def _date(name: str, text: str) -> str:
    """A date as images have them; Invalid when it is none."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as problem:
        raise Invalid(f"{name}: {text!r} is no date; write it as 2012-08-01T00:00:00Z.") from problem
    return iso(parsed if parsed.tzinfo is None else parsed.astimezone(UTC))


def sort(images: tuple[Image, ...], query: Query) -> list[Image]:
    """The images in the order that the query asks for; the newest first where it says nothing."""
    ordered = sorted(images, key=SORT_KEYS["id"])
    for key, direction in reversed(_order(query)):
        if key not in SORT_KEYS or direction not in {"asc", "desc"}:
            raise Invalid(f"Images cannot be sorted by {key}:{direction}; by {', '.join(SORT_KEYS)}, asc or desc.")
        ordered.sort(key=SORT_KEYS[key], reverse=direction == "desc")
    return ordered


def _order(query: Query) -> list[tuple[str, str]]:
    asked = query.get("sort")
    if asked is not None:
        pairs = [part.partition(":") for part in asked.split(",")]
        return [(key.strip(), direction.strip() or "desc") for key, _, direction in pairs]
    keys = query.all("sort_key") or ("created_at",)
    directions = list(query.all("sort_dir")) or ["desc"]
    directions += [directions[-1]] * (len(keys) - len(directions))
    return list(zip(keys, directions, strict=False))


async def index(call: Call) -> dict[str, Any]:
    """One page of images, and where the next one is."""
    images = sort(await call.services.images.list(filters_of(call)), call.query)
    asked = call.query.get("limit")
    limit = DEFAULT_LIMIT if asked is None else min(int(asked), MAX_LIMIT)
    shown_now = page(images, call.query, lambda image: image.id, limit=limit)
    answer: dict[str, Any] = {
        "images": [shown(image) for image in shown_now],
        "schema": "/v2/schemas/images",
        "first": _link([pair for pair in call.query.pairs if pair[0] != "marker"]),
    }
    if shown_now and shown_now[-1] is not images[-1]:
        pairs = [pair for pair in call.query.pairs if pair[0] != "marker"]
        answer["next"] = _link([*pairs, ("marker", shown_now[-1].id)])
    return answer


def _link(pairs: list[tuple[str, str]]) -> str:
    return "/v2/images" + (f"?{urlencode(pairs)}" if pairs else "")
