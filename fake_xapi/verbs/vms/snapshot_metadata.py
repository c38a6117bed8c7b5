"""What a snapshot keeps of its VM: every column of its row as XAPI's database has it, as one text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.model import Field
from fake_xapi.state.database_text import listed, pairs_in, quoted, read_list, text_of, value_of
from fake_xapi.state.ids import Id
from fake_xapi.state.layout import layouts
from fake_xapi.state.world import World

_OF_THE_VM = frozenset(
    {
        *("uuid", "suspend_VDI", "power_state", "parent", "current_operations", "allowed_operations", "metrics", "guest_metrics"),
        *("resident_on", "domid", "protection_policy", "snapshot_schedule", "scheduled_to_be_resident_on", "tags", "affinity"),
        *("attached_PCIs", "groups", "blobs"),
    }
)
"""What a VM keeps when it is reverted: who and where it is, and what others know it by."""
_OF_THE_SNAPSHOT = frozenset(
    {
        *("name_label", "is_a_snapshot", "is_a_template", "is_default_template", "snapshot_of", "snapshot_time", "snapshot_info"),
        *("snapshot_metadata", "transportable_snapshot_id"),
    }
)
"""What tells nothing of the VM where all that is known is the row of the snapshot itself."""


def metadata_of(world: World, vm: Id) -> str:
    """A VM's row as a text."""
    row = world[vm]
    columns = {field.column: text_of(world, field.type, row[field.name]) for field in _columns(world)}
    told = {**columns, "ref": world.ref(vm), "uuid": world.uuid(vm)}
    return listed(listed((quoted(column), quoted(text))) for column, text in sorted(told.items()))


def _columns(world: World) -> list[Field]:
    return [field for field in world.personality.classes["VM"].fields if not field.is_internal]


def kept_by(world: World, snapshot: Id) -> Mapping[str, str]:
    """The columns that a snapshot keeps, as texts. INVALID_VALUE ["Invalid vm_string"] for what is none of it."""
    try:
        return {column: str(text) for column, text in pairs_in(read_list(world[snapshot]["snapshot_metadata"]))}
    except ValueError:
        raise Failure("INVALID_VALUE", "Invalid vm_string") from None


def is_kept_of(uuid: str, metadata: str) -> bool:
    """Whether a text was kept of the VM of a uuid."""
    return listed((quoted("uuid"), quoted(uuid))) in metadata


def fields_of(world: World, snapshot: Id) -> dict[str, Any]:
    """What a VM gets back from a snapshot, as state values. One that keeps nothing tells of its own row what it can.

    INVALID_VALUE ["Invalid vm_string"].
    """
    if not world[snapshot]["snapshot_metadata"]:
        row, left = world[snapshot], _left() | _OF_THE_SNAPSHOT
        return {field.name: row[field.name] for field in _columns(world) if field.name not in left}
    kept, left = kept_by(world, snapshot), _left()
    wanted = [field for field in _columns(world) if field.column in kept and field.name not in left]
    try:
        fields = {field.name: value_of(world, field.type, kept[field.column]) for field in wanted}
    except ValueError:
        raise Failure("INVALID_VALUE", "Invalid vm_string") from None
    return {**fields, "ha_always_run": False}


def _left() -> frozenset[str]:
    """The fields that a revert does not write: the VM's own, and the ends of relations that others hold."""
    layout = layouts()["VM"]
    return _OF_THE_VM | {layout.names[index] for index in layout.mirrors}
