"""Verbs that write what they are told, and verbs whose real effect lies outside the database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from fake_xapi.datamodel.model import Message
from fake_xapi.datamodel.personality import personality
from fake_xapi.verbs.registry import VERBS
from scenarios.coverage import answer
from tests.fake_xapi.engine.test_accessors import plain, sample
from tests.fake_xapi.verbs.kit.hosts import Host, over_host

SETTERS = ("fake_xapi.verbs.setters", "fake_xapi.verbs.vms.vm_settings")
PREFIXES = ("add_to_", "remove_from_", "set_", "add_", "remove_")
WISHES: Mapping[str, Any] = {"VM.set_blocked_operations": {"start": "because"}}
"""Values for those fields that do not take any."""


def messages(release: str) -> Mapping[str, Message]:
    """The messages of a release that it still serves, by wire name."""
    return {name: each for name, each in by_wire_name(release).items() if answer(personality(release), each).way != "declined"}


def by_wire_name(release: str) -> dict[str, Message]:
    return {message.wire_name: message for message in personality(release).messages.values()}


def of_setters(release: str) -> list[str]:
    known = messages(release)
    writers = [name for name, verb in VERBS.items() if verb.__name__ in ("write", "drop") and verb.__module__ in SETTERS]
    return sorted(name for name in writers if name in known and len(known[name].params) == 2)


@pytest.mark.parametrize(("release", "name"), [(release, name) for release in ("boston", "latest") for name in of_setters(release)])
def test_what_is_written_is_read(release: str, name: str) -> None:
    async def body(host: Host) -> None:
        message = messages(release)[name]
        field = next(message.name.removeprefix(prefix) for prefix in PREFIXES if message.name.startswith(prefix))
        value = WISHES.get(name, sample(message.params[1].type))
        ref = host.host if message.cls == "host" else host.kit.make(message.cls)
        assert await host.call(name, ref, value) == ""
        now = plain(await host.call(f"{message.cls}.get_record", ref))[field]
        assert value not in now if message.name.startswith("remove_") else plain(now) == value

    over_host(body, release)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("host.send_debug_keys", ("h",)),
        ("host.syslog_reconfigure", ()),
        ("host.sync_data", ()),
        ("host.backup_rrds", (0.0,)),
        ("host.refresh_pack_info", ()),
        ("host.record_data_source", ("cpu0",)),
        ("host.forget_data_source_archives", ("cpu0",)),
    ],
)
def test_what_concerns_daemons_alone_leaves_the_host_as_it_was(name: str, params: tuple[Any, ...]) -> None:
    async def body(host: Host) -> None:
        before = host.row(host.host)
        assert await host.call(name, host.host, *params) == ""
        assert host.row(host.host) == before

    over_host(body)


@pytest.mark.parametrize("name", ["VDI.pool_introduce", "VDI.db_introduce"])
def test_a_disk_is_introduced_for_the_sake_of_its_row_alone(name: str) -> None:
    async def body(host: Host) -> None:
        uuid = "01234567-89ab-cdef-0123-456789abcdef"
        more = [sample(param.type) for param in messages("latest")[name].params[8:]]
        disk = await host.call(name, uuid, "found", "", host.sr, "user", False, True, {}, *more)
        row = host.row(disk)
        assert (host.world.uuid(host.id(disk)), row["name_label"], row["SR"], row["read_only"]) == (uuid, "found", host.id(host.sr), True)

    over_host(body)


def test_messages_are_chosen_by_an_expression() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        await host.call("VM.start", vm, False, False)
        uuid = host.world.uuid(host.id(vm))
        made = await host.call("message.create", "NOTE", "3", "VM", uuid, "hello")
        found = plain(await host.call("message.get_all_records_where", 'field "name" = "NOTE"'))
        assert {ref: (row["body"], row["obj_uuid"]) for ref, row in found.items()} == {made: ("hello", uuid)}

    over_host(body)


def test_a_vm_is_marked_as_one_of_the_products_templates() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        await host.call("VM.set_is_default_template", vm, True)
        assert host.row(vm)["is_default_template"] is True
        await host.call("VM.set_is_default_template", vm, False)
        assert host.row(vm)["is_default_template"] is False

    over_host(body)


def test_the_types_of_a_group_without_cards_are_none_however_often_they_are_looked_at() -> None:
    async def body(host: Host) -> None:
        group = await host.call("GPU_group.create", "g", "", {})
        for name in ("GPU_group.update_enabled_VGPU_types", "GPU_group.update_supported_VGPU_types"):
            assert await host.call(name, group) == ""
        assert (host.row(group)["enabled_VGPU_types"], host.row(group)["supported_VGPU_types"]) == ((), ())

    over_host(body)


def test_a_disk_is_held_and_let_go_on_its_own() -> None:
    async def body(host: Host) -> None:
        vm, _, vbd, _ = await host.server()
        await host.call("VM.start", vm, False, False)
        token = await host.call("VBD.pause", vbd)
        assert await host.call("VBD.unpause", vbd, token) == ""

    over_host(body)
