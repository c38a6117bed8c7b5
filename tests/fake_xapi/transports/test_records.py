"""Records: straight from rows to bytes, the same as the plain answer, and never stale."""

from __future__ import annotations

import asyncio
import json
import xmlrpc.client
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fake_xapi.datamodel.wire import xml_value
from fake_xapi.engine.records import Records
from fake_xapi.transports.jsonrpc import JSON_CODECS
from fake_xapi.transports.ports import Request
from fake_xapi.transports.xmlrpc import XML_CODECS
from tests.fake_xapi.transports.worlds import Host, host

XML, JSON = XML_CODECS["modern"], JSON_CODECS["modern"]
ASKED = Request("VM.get_record", [])
ASKED_JSON = JSON.read(b'{"method":"VM.get_record","params":[],"id":1}')


def over_host(body: Callable[[Host], Awaitable[None]], release: str = "latest") -> None:
    async def main() -> None:
        xen = await host(release)
        await body(xen)
        await xen.xapi.close()

    asyncio.run(main())


def fill(xen: Host) -> None:
    """Objects with something in every kind of field."""
    with xen.xapi.world.edit() as edit:
        for number in range(3):
            vm = edit.create(
                "VM",
                name_label=f"<vm {number}> & co",
                power_state="Running",
                memory_static_max=1 << 33,
                other_config={"key": "a<b", "empty": ""},
                tags=("one", "two"),
                is_a_template=number == 1,
            )
            metrics = edit.create(
                "VM_metrics",
                VCPUs_utilisation={0: 0.5, 1: 1 / 3},
                VCPUs_number=2,
                start_time="20120801T00:00:00Z",
                VCPUs_flags={0: ("a", "b")},
            )
            edit.set(vm, metrics=metrics, blocked_operations={"start": "no"})
            edit.create("VBD", VM=vm, userdevice="0", mode="RW", type="Disk")


def answers(xen: Host) -> list[tuple[str, Records]]:
    world = xen.xapi.world
    single = [(cls, Records(world, [next(iter(world.ids(cls)))], is_single=True)) for cls in world.personality.classes if count(xen, cls)]
    return [*single, *((cls, Records(world, world.ids(cls), is_single=False)) for cls in world.personality.classes if count(xen, cls))]


def count(xen: Host, cls: str) -> int:
    return xen.xapi.world.count(cls)


@pytest.mark.parametrize("release", ["latest", "clearwater", "boston"])
def test_the_bytes_are_those_of_the_plain_answer(release: str) -> None:
    async def body(xen: Host) -> None:
        fill(xen)
        assert {"VM", "VM_metrics", "VBD", "SR", "host", "session"} <= {cls for cls, _ in answers(xen)}
        for cls, records in answers(xen):
            for _ in ("written", "kept"):
                assert xml_value(records.value()).encode() in XML.success(ASKED, records), cls
                assert json.loads(JSON.success(ASKED_JSON, records))["result"] == json.loads(json.dumps(records.value())), cls

    over_host(body, release)


def test_a_python_client_reads_a_record() -> None:
    async def body(xen: Host) -> None:
        fill(xen)
        vm = next(iter(xen.xapi.world.ids("VM")))
        ((answer,), _) = xmlrpc.client.loads(XML.success(ASKED, Records(xen.xapi.world, [vm], is_single=True)))
        assert isinstance(answer, dict)
        record: dict[str, Any] = answer["Value"]
        assert (record["name_label"], record["memory_static_max"], record["is_a_template"]) == ("<vm 0> & co", "8589934592", False)
        assert (record["other_config"], record["tags"], record["affinity"]) == (
            {"key": "a<b", "empty": ""},
            ["one", "two"],
            "OpaqueRef:NULL",
        )
        assert len(record) == 92

    over_host(body)


@pytest.mark.parametrize("codec", [XML, JSON])
def test_what_has_changed_is_written_anew_and_only_that(codec: Any) -> None:
    async def body(xen: Host) -> None:
        fill(xen)
        world = xen.xapi.world
        asked = ASKED_JSON if codec is JSON else ASKED
        records = Records(world, world.ids("VM"), is_single=False)
        before = codec.success(asked, records)
        kept = dict(world.encodings("json" if codec is JSON else "xml"))
        changed = records.ids[1]
        with world.edit() as edit:
            edit.set(changed, name_label="renamed")
        after = codec.success(asked, records)
        assert (b"renamed" in before, b"renamed" in after) == (False, True)
        now = world.encodings("json" if codec is JSON else "xml")
        assert [identity for identity in records.ids if now[identity][1] is not kept[identity][1]] == [changed]

    over_host(body)


def test_no_objects_are_an_empty_struct() -> None:
    async def body(xen: Host) -> None:
        none = Records(xen.xapi.world, [], is_single=False)
        assert b"<name>Value</name><value><struct/></value>" in XML.success(ASKED, none)
        assert JSON.success(ASKED_JSON, none) == b'{"result":{},"error":null,"id":1}'

    over_host(body)
