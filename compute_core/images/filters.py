"""Which images a listing shows: a pure function over one image."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping

from compute_core.images.port import ImageFilters
from compute_core.model.images import Image

_COMPARISONS: Mapping[str, Callable[[str, str], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "eq": operator.eq,
    "neq": operator.ne,
}
COMPARISONS = tuple(_COMPARISONS)
"""The operators that a date may be compared by; dates are ISO texts, which sort as they pass."""


def is_visible(image: Image, project_id: str | None) -> bool:
    """Whether a project may see the image; None sees everything."""
    return project_id is None or image.owner == project_id or image.visibility in {"public", "community"}


def passes(image: Image, filters: ImageFilters) -> bool:
    """Whether the image passes every filter."""
    return (
        is_visible(image, filters.project_id)
        and _is_among(image, filters)
        and _is_as_said(image, filters)
        and _is_of_size(image, filters)
        and _is_of_date(image.created_at, filters.created_at)
        and _is_of_date(image.updated_at, filters.updated_at)
        and all(image.properties.get(key) == value for key, value in filters.properties.items())
    )


def _is_among(image: Image, filters: ImageFilters) -> bool:
    wanted = (
        (image.id, filters.ids),
        (image.name, filters.names),
        (image.status, filters.statuses),
        (image.container_format, filters.container_formats),
        (image.disk_format, filters.disk_formats),
    )
    return all(values is None or value in values for value, values in wanted)


def _is_as_said(image: Image, filters: ImageFilters) -> bool:
    wanted = (
        (image.owner, filters.owner),
        (image.is_protected, filters.is_protected),
        (image.visibility, None if filters.visibility == "all" else filters.visibility),
    )
    is_hidden_as_asked = image.is_hidden == filters.is_hidden
    # Community images show only when they are asked for, or when they are the caller's own.
    is_foreign_community = image.visibility == "community" and filters.visibility is None and image.owner != filters.project_id
    has_tags = set(filters.tags) <= set(image.tags)
    return is_hidden_as_asked and has_tags and not is_foreign_community and all(said is None or value == said for value, said in wanted)


def _is_of_size(image: Image, filters: ImageFilters) -> bool:
    size = image.size_bytes or 0
    return (filters.size_min is None or size >= filters.size_min) and (filters.size_max is None or size <= filters.size_max)


def _is_of_date(date: str, comparisons: tuple[tuple[str, str], ...]) -> bool:
    return all(_COMPARISONS[name](date, other) for name, other in comparisons)
