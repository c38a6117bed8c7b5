"""The classes that a world keeps beside XenAPI's own: what its hosts have on their own disks, and no client sees as an object.

They have rows, are saved and forked like any other, and no personality has them: no message, no event, no record tells of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.datamodel.model import ClassModel, Field
from fake_xapi.datamodel.types import parse_type

_NEVER = 1 << 30
"""No release is so new."""


def _field(name: str, spelling: str, default: object, column: str = "") -> Field:
    return Field(
        name, parse_type(spelling), "DynamicRO", _NEVER, column or name, default, has_default=True, is_required_in_create=False,
        is_persistent=True, is_internal=True, reader_roles="", writer_roles="",
    )  # fmt: skip


def _class(name: str, *fields: Field) -> ClassModel:
    return ClassModel(
        name, _NEVER, fields, (), is_in_database=True, has_events=False, is_persistent=True, has_default_create_destroy=False,
        exposes_get_all=False, creates_task_record=False, roles="", implicit_roles="",
    )  # fmt: skip


UNSEEN_CLASSES: Mapping[str, ClassModel] = {
    "dom0_file": _class(
        "dom0_file", _field("path", "string", "", "name__label"), _field("host", "host ref", 0), _field("content", "string", "")
    ),
}
"""``dom0_file``: a file of a host's control domain; ``host`` is NULL for one that every host of the pool has. Found by its path."""


@lru_cache(maxsize=1)
def stored_classes() -> Mapping[str, ClassModel]:
    """Every class that has rows: XenAPI's own, then the unseen."""
    return {**datamodel().classes, **UNSEEN_CLASSES}
