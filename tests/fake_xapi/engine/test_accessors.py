"""Every message that follows from a field, asked of an object of its class: what is written is read, by whatever message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.datamodel.model import Message, MessageKind
from fake_xapi.datamodel.personality import personality
from fake_xapi.datamodel.types import NULL_REF, Type
from fake_xapi.engine.records import Records
from fake_xapi.engine.routes import routes
from tests.fake_xapi.engine.kit import Kit, over_xapi

RELEASES = ("boston", "latest")
SAMPLES: Mapping[str, Any] = {
    "string": "text",
    "int": "7",
    "float": 0.5,
    "bool": True,
    "datetime": "20120301T12:00:00Z",
    "ref": NULL_REF,
}


def sample(kind: Type) -> Any:
    """A wire value that is no default where the type has another."""
    if kind.kind == "enum":
        return datamodel().enums[kind.name][-1]
    if kind.kind == "option":
        return sample(kind.element)
    if kind.kind == "set":
        return [sample(kind.element)]
    if kind.kind == "map":
        return {"key": sample(kind.element)}
    return SAMPLES[kind.kind]


def plain(value: Any) -> Any:
    """A wire value by what it says."""
    if isinstance(value, Records):
        return value.value()
    if isinstance(value, bool | list | dict):
        return value
    return str(value)


@dataclass(frozen=True, slots=True)
class Asked:
    """One message about one object."""

    kit: Kit
    message: Message
    ref: str

    @property
    def field(self) -> str:
        """The field that the message is about."""
        name = self.message.name
        prefixes = ("add_to_", "remove_from_", "set_", "get_", "add_", "remove_")
        return self.message.field or next(name.removeprefix(prefix) for prefix in prefixes if name.startswith(prefix))

    async def send(self, *params: Any) -> Any:
        """The answer to the message."""
        return plain(await self.kit.call(self.message.wire_name, *params))

    async def now(self) -> Any:
        """What the field is now."""
        return (await self.record())[self.field]

    async def record(self) -> Any:
        """The object as it is now."""
        return plain(await self.kit.call(f"{self.message.cls}.get_record", self.ref))


async def _is_read(asked: Asked) -> bool:
    record = await asked.record()
    return bool(await asked.send(asked.ref) == plain(record[asked.field]))


async def _is_written(asked: Asked) -> bool:
    value = sample(asked.message.params[1].type)
    return bool(await asked.send(asked.ref, value) == "" and plain(await asked.now()) == value)


async def _is_added_and_removed(asked: Asked) -> bool:
    is_map = isinstance(await asked.now(), dict)
    value = sample(asked.message.params[-1].type)
    if asked.message.name.startswith("remove_"):
        await asked.kit.call(f"{asked.message.cls}.set_{asked.field}", asked.ref, {"key": "text"} if is_map else [value])
        return bool(await asked.send(asked.ref, "key" if is_map else value) == "" and await asked.now() == ({} if is_map else []))
    if is_map and await asked.now():
        await asked.kit.call(f"{asked.message.cls}.set_{asked.field}", asked.ref, {})
    params = ("key", value) if is_map else (value,)
    return bool(await asked.send(asked.ref, *params) == "" and await asked.now() == ({"key": value} if is_map else [value]))


async def _is_whole(asked: Asked) -> bool:
    record = await asked.send(asked.ref)
    fields = {field.name for field in asked.kit.world.personality.classes[asked.message.cls].fields if not field.is_internal}
    return bool(set(record) == fields)


async def _is_found_by_uuid(asked: Asked) -> bool:
    uuid = asked.kit.world.uuid(asked.kit.world.find_ref(asked.ref))
    return bool(await asked.send(uuid) == asked.ref)


async def _is_found_by_name(asked: Asked) -> bool:
    name = asked.kit.world[asked.kit.world.find_ref(asked.ref)]["name_label"]
    return asked.ref in await asked.send(name)


async def _is_listed(asked: Asked) -> bool:
    return asked.ref in await asked.send()


async def _is_listed_whole(asked: Asked) -> bool:
    return bool((await asked.send())[asked.ref] == await asked.record())


def _this(asked: Asked) -> str:
    return f'field "uuid" = "{asked.kit.world.uuid(asked.kit.world.find_ref(asked.ref))}"'


async def _is_chosen(asked: Asked) -> bool:
    return bool(await asked.send(_this(asked)) == [asked.ref])


async def _is_chosen_whole(asked: Asked) -> bool:
    return bool(await asked.send(_this(asked)) == {asked.ref: await asked.record()})


async def _is_created(asked: Asked) -> bool:
    fields = asked.kit.world.personality.classes[asked.message.cls].fields
    wishes = {field.name: sample(field.type) for field in fields if field.qualifier != "DynamicRO" and field.name != "uuid"}
    made = plain(await asked.kit.call(f"{asked.message.cls}.get_record", await asked.send(wishes)))
    return {name: plain(made[name]) for name in wishes} == {name: plain(value) for name, value in wishes.items()}


async def _is_destroyed(asked: Asked) -> bool:
    return bool(await asked.send(asked.ref) == "" and asked.kit.world.get(asked.kit.world.find_ref(asked.ref)) is None)


HOLDS: Mapping[MessageKind, Callable[[Asked], Awaitable[bool]]] = {
    "field_getter": _is_read,
    "field_setter": _is_written,
    "field_add": _is_added_and_removed,
    "field_remove": _is_added_and_removed,
    "get_record": _is_whole,
    "get_by_uuid": _is_found_by_uuid,
    "get_by_name_label": _is_found_by_name,
    "create": _is_created,
    "destroy": _is_destroyed,
    "get_all": _is_listed,
    "get_all_records": _is_listed_whole,
    "get_all_where": _is_chosen,
    "get_all_records_where": _is_chosen_whole,
}


def kind_of(message: Message) -> MessageKind:
    """The kind of a message, of a written-out one the kind that it is as plain as."""
    if message.kind != "custom":
        return message.kind
    prefixes: tuple[tuple[str, MessageKind], ...] = (("set_", "field_setter"), ("add_", "field_add"), ("remove_", "field_remove"))
    return next(kind for prefix, kind in prefixes if message.name.startswith(prefix))


def derived(release: str, cls: str) -> list[Message]:
    """The messages of a class that follow from its fields and that clients may send."""
    table, messages = routes(personality(release).name), personality(release).classes[cls].messages
    return [m for m in messages if table[m.wire_name].accessor is not None and not (m.is_removed or m.is_pool_internal)]


GIVEN: Mapping[str, Mapping[str, Any]] = {"role": {"uuid": "0165f154-ba3e-034e-6b27-5d271af109ba"}, "subject": {"roles": ()}}
"""What an object of a class cannot do without."""
CLASSES = [(release, cls) for release in RELEASES for cls in sorted(personality(release).classes) if derived(release, cls)]


@pytest.mark.parametrize(("release", "cls"), CLASSES)
def test_what_follows_from_fields_is_true_of_an_object(release: str, cls: str) -> None:
    async def body(kit: Kit) -> None:
        wrong = []
        only = kit.make(cls, **GIVEN[cls]) if cls == "role" else ""
        for message in derived(release, cls):
            asked = Asked(kit, message, only or kit.make(cls, **GIVEN.get(cls, {})))
            if not await HOLDS[kind_of(message)](asked):
                wrong.append(message.wire_name)
        assert wrong == []

    over_xapi(body, release)
