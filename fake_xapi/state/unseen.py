"""Classes that a world has besides XenAPI's own: what is on its hosts' own disks, and is not an object to any client.

They have rows, and are saved and forked like any other, but no personality has them: no message, event or record shows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.datamodel.model import ClassModel, Field
from fake_xapi.datamodel.types import parse_type

_NEVER = 1 << 30
"""A release newer than any."""
_MAP = "(string -> string) map"


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
    "dom0_vhd": _class(
        "dom0_vhd", _field("path", "string", "", "name__label"), _field("size", "int", 0), _field("parent", "string", "")
    ),
    "guest": _class(
        "guest", _field("vm", "string", "", "name__label"), _field("domid", "int", -1), _field("stage", "string", ""),
        _field("xenstore", _MAP, {}), _field("files", _MAP, {}), _field("password", "string", ""),
        _field("agent", "string", ""), _field("asked", "string", ""), _field("key", "string", ""), _field("console", "string", ""),
    ),
    "medium": _class(
        "medium", _field("sr_uuid", "string", "", "name__label"), _field("sr_type", "string", ""), _field("place", "string", ""),
        _field("label", "string", ""), _field("size", "int", -1), _field("disks", _MAP, {}),
        _field("tracked", _MAP, {}),
    ),
    "rrd": _class("rrd", _field("owner", "string", "", "name__label"), _field("runs", "string", ""), _field("sources", _MAP, {})),
}  # fmt: skip
"""``dom0_file``: a file of a host's control domain; ``host`` is NULL for one that every host of the pool has. Found by its path.

``dom0_vhd``: a VHD that is no VDI (yet); its bytes are in the disks under its id; ``parent`` is the name of the file that it builds upon.
``guest``: what a VM's guest has that no field of XenAPI tells, found by the decimal id of its VM; ``stage``, ``xenstore``, ``key`` and
``console`` are of the domain ``domid``, the rest outlives it.
``medium``: what lies on a device, LUN or share whatever databases say: an SR, those of its disks that no row tells of (JSON by uuid), and
whose changes each tracked disk holds. Found by the uuid of the SR.
``rrd``: when a VM ran before, and which data sources of a VM, host or SR somebody switched on or off. Found by the decimal id of its owner.
"""


@lru_cache(maxsize=1)
def stored_classes() -> Mapping[str, ClassModel]:
    """Every class with rows: XenAPI's own, then the unseen ones."""
    return {**datamodel().classes, **UNSEEN_CLASSES}
