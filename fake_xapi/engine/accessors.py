"""The messages that follow from a class's fields: one function for each kind of accessor, none for any particular class.

Each takes the running XAPI and state values, and answers a wire value at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.datamodel.model import Message, MessageKind
from fake_xapi.engine.marshal import marshaller
from fake_xapi.engine.query import matching
from fake_xapi.engine.records import Records
from fake_xapi.state.ids import Id
from fake_xapi.state.layout import layouts

if TYPE_CHECKING:
    from fake_xapi.engine.xapi import Xapi

Accessor = Callable[..., Any]
"""``accessor(xapi, *params)``."""


PLAIN: Mapping[str, tuple[str, ...]] = {
    "task": ("other_config",),
    "pool": ("guest_agent_config", "igmp_snooping_enabled", "telemetry_next_collection", "update_sync_enabled"),
    "VM": (
        "other_config", "platform", "blocked_operations", "bios_strings", "start_delay", "shutdown_delay", "order", "suspend_VDI",
        "actions_after_crash", "HVM_boot_policy", "has_vendor_device", "protection_policy", "snapshot_schedule", "appliance",
    ),
    "host": ("license_params", "iscsi_iqn", "multipathing", "https_only", "numa_affinity_policy", "timezone"),
    "SR": ("name_label", "name_description", "physical_size", "physical_utilisation", "virtual_allocation"),
    "VDI": (
        "name_label", "name_description", "managed", "sharable", "read_only", "missing", "virtual_size", "physical_utilisation",
        "is_a_snapshot", "snapshot_of", "snapshot_time", "metadata_of_pool", "allow_caching", "cbt_enabled",
    ),
    "VIF": ("ipv4_allowed", "ipv6_allowed", "trunks"),
    "PIF": ("disallow_unplug", "primary_address_type"),
}  # fmt: skip
"""Fields whose setters are messages of their own but check nothing that matters here: treated as if the fields implied them."""

_SHAPES: tuple[tuple[str, MessageKind, int], ...] = (
    ("add_to_", "field_add", 3),
    ("remove_from_", "field_remove", 2),
    ("set_", "field_setter", 2),
    ("add_", "field_add", 2),
    ("remove_", "field_remove", 2),
)


def accessor_of(message: Message) -> Accessor | None:
    """The function for a message that fields imply, or that does no more than if they did; None for any other."""
    plain = message if message.kind != "custom" else _as_if_implied(message)
    return _MAKERS[plain.kind](plain) if plain is not None else None


def _as_if_implied(message: Message) -> Message | None:
    for prefix, kind, count in _SHAPES:
        field = message.name.removeprefix(prefix)
        if message.name.startswith(prefix) and len(message.params) == count and field in PLAIN.get(message.cls, ()):
            return replace(message, kind=kind, field=field)
    return None


def _getter(message: Message) -> Accessor:
    if message.field == "uuid":
        return lambda xapi, identity: xapi.world.uuid(identity)
    index = layouts()[message.cls].index[message.field]
    out = marshaller(message.result)
    return lambda xapi, identity: out(xapi.world, xapi.world[identity].values[index])


def _setter(message: Message) -> Accessor:
    field = message.field

    def set_field(xapi: Xapi, identity: Id, value: Any) -> str:
        with xapi.world.edit() as edit:
            edit.set(identity, **{field: tuple(value) if isinstance(value, list) else value})
        return ""

    return set_field


def _add(message: Message) -> Accessor:
    return _add_to_map(message) if len(message.params) == 3 else _add_to_set(message)


def _add_to_map(message: Message) -> Accessor:
    field = message.field

    def add(xapi: Xapi, identity: Id, key: str, value: Any) -> str:
        if key in xapi.world[identity][field]:
            raise Failure("MAP_DUPLICATE_KEY", message.cls, field, Handle(identity), key)
        with xapi.world.edit() as edit:
            edit.put(identity, field, key, value)
        return ""

    return add


def _add_to_set(message: Message) -> Accessor:
    field = message.field

    def add(xapi: Xapi, identity: Id, value: Any) -> str:
        with xapi.world.edit() as edit:
            members = edit[identity][field]
            edit.set(identity, **{field: members if value in members else (*members, value)})
        return ""

    return add


def _remove(message: Message) -> Accessor:
    field = message.field
    is_map = isinstance(layouts()[message.cls].defaults[layouts()[message.cls].index[field]], Mapping)

    def remove(xapi: Xapi, identity: Id, value: Any) -> str:
        with xapi.world.edit() as edit:
            if is_map:
                edit.drop(identity, field, value)
            else:
                edit.set(identity, **{field: tuple(member for member in edit[identity][field] if member != value)})
        return ""

    return remove


def _get_record(message: Message) -> Accessor:
    return lambda xapi, identity: Records(xapi.world, (identity,), is_single=True)


def _get_by_uuid(message: Message) -> Accessor:
    def get(xapi: Xapi, uuid: str) -> str:
        identity = xapi.world.by_uuid(message.cls, uuid)
        if not identity:
            raise Failure("UUID_INVALID", message.cls, uuid)
        return xapi.world.ref(identity)

    return get


def _get_by_name_label(message: Message) -> Accessor:
    return lambda xapi, label: [xapi.world.ref(identity) for identity in xapi.world.named(message.cls, label)]


def _get_all(message: Message) -> Accessor:
    return lambda xapi: [xapi.world.ref(identity) for identity in xapi.world.ids(message.cls)]


def _get_all_where(message: Message) -> Accessor:
    return lambda xapi, expression: [xapi.world.ref(identity) for identity in matching(xapi.world, message.cls, expression)]


def _get_all_records(message: Message) -> Accessor:
    return lambda xapi: Records(xapi.world, xapi.world.ids(message.cls), is_single=False)


def _get_all_records_where(message: Message) -> Accessor:
    return lambda xapi, expression: Records(xapi.world, matching(xapi.world, message.cls, expression), is_single=False)


def _create(message: Message) -> Accessor:
    def create(xapi: Xapi, fields: Mapping[str, Any]) -> str:
        with xapi.world.edit() as edit:
            identity = edit.create(message.cls, **fields)
        return xapi.world.ref(identity)

    return create


def _destroy(message: Message) -> Accessor:
    def destroy(xapi: Xapi, identity: Id) -> str:
        with xapi.world.edit() as edit:
            edit.destroy(identity)
        return ""

    return destroy


_MAKERS: Mapping[str, Callable[[Message], Accessor]] = {
    "field_getter": _getter,
    "field_setter": _setter,
    "field_add": _add,
    "field_remove": _remove,
    "get_record": _get_record,
    "get_by_uuid": _get_by_uuid,
    "get_by_name_label": _get_by_name_label,
    "get_all": _get_all,
    "get_all_where": _get_all_where,
    "get_all_records": _get_all_records,
    "get_all_records_where": _get_all_records_where,
    "create": _create,
    "destroy": _destroy,
}
