"""What an agent does when a server's volume is not given by its array any more, when it is told of news of volumes, and at failures."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from compute_core.compute.volumes_copying import COPYING
from compute_core.model.instances import RUNNING, SHUTDOWN, Instance
from compute_core.model.json import to_json
from compute_core.model.volumes import Attachment, BlockDevice, Connection, Target, Volume
from compute_core.volumes.port import Connector
from compute_core.xenapi import marks
from tests.compute_core.compute.agent_site import CONTEXT, Site, on_site
from tests.compute_core.simulated import refuses_once
from tests.compute_core.values import DATE, UUID, an_instance

TARGET = Target("10.255.0.20", "iqn.2012-08.example.storage:array1", 1)
DEVICE = BlockDevice("volume-1", "attachment-1", "/dev/xvdb", target=TARGET)


class Service:
    """A volume service of one volume, which remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    async def get(self, volume_id: str) -> Volume:
        return Volume(volume_id, "p", "u", 500, DATE, DATE)

    async def reserve(self, volume_id: str, instance_uuid: str) -> Attachment:
        return Attachment("attachment-1", volume_id, instance_uuid)

    async def connect(self, attachment_id: str, connector: Connector, device: str) -> Connection:
        self.told.append((f"connect {device} of {connector.host}", attachment_id))
        return Connection(TARGET)

    async def arrive(self, volume_id: str, instance_uuid: str, connector: Connector, device: str) -> tuple[str, Connection]:
        return "attachment-1", await self.connect("attachment-1", connector, device)

    async def settle(self, volume_id: str, instance_uuid: str, attachment_id: str) -> None:
        self.told.append((f"settle {attachment_id}", volume_id))

    async def park(self, volume_id: str, instance_uuid: str) -> str:
        self.told.append(("park", volume_id))
        return "attachment-2"

    async def complete(self, attachment_id: str) -> None:
        self.told.append(("complete", attachment_id))

    async def begin_detaching(self, volume_id: str) -> None:
        self.told.append(("begin", volume_id))

    async def roll_detaching(self, volume_id: str) -> None:
        self.told.append(("roll", volume_id))

    async def swapped(self, volume_id: str, new_id: str) -> str:
        self.told.append((f"swapped for {new_id}", volume_id))
        return new_id

    async def not_swapped(self, volume_id: str, new_id: str) -> None:
        self.told.append((f"not swapped for {new_id}", volume_id))

    async def disconnect(self, attachment_id: str) -> None:
        self.told.append(("disconnect", attachment_id))

    async def reach(self, volume_id: str) -> Connection:
        return Connection(TARGET)

    async def release(self, instance_uuid: str, delete: Any = ()) -> None:
        self.told.append(("release", instance_uuid))


def test_how_a_copy_has_ended_is_not_kept_for_ever_for_who_does_not_ask(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        asked = {"context": CONTEXT, "question": "copy_volume", "arguments": {"source": "volume-1", "target": "volume-2"}}

        async def answer(after_s: float) -> str:
            await asyncio.sleep(after_s)
            return str(await site.bus.call("compute.xs1", "query_host", asked, 30.0))

        assert await answer(0) == COPYING
        assert await answer(600) != COPYING
        assert [await answer(0), await answer(1200)] == [COPYING, COPYING]

    on_site(tmp_path, body, volumes=Service())


def server(device: BlockDevice, **changes: Any) -> Instance:
    usual: dict[str, Any] = {"vm_state": "active", "task_state": None, "power_state": RUNNING, "block_devices": (device,)}
    return an_instance(**{**usual, **changes})


async def act(site: Site, action: str, instance: Instance) -> Any:
    """What the cell was told of the end of an action."""
    site.cell.told.clear()
    await site.cast("act", instance=to_json(instance), action=action, arguments={})
    await asyncio.sleep(15)
    ((name, end),) = [told for told in site.cell.told if told[0] == "action_finished"]
    assert name == "action_finished"
    return end


def volumes_on(site: Site) -> list[str]:
    return [row["other_config"][marks.VOLUME] for _, row in site.xapi.world.rows("VBD") if marks.VOLUME in row["other_config"]]


def test_a_server_starts_without_the_volume_that_its_array_does_not_give_and_the_cell_is_told(tmp_path: Path) -> None:
    service = Service()

    async def body(site: Site) -> None:
        await site.built()
        await act(site, "attach_volume", server(replace(DEVICE, state="attaching", target=None)))
        assert volumes_on(site) == ["volume-1"]
        await site.operator("VM.hard_shutdown", await site.vm())
        (pool,) = await site.operator("pool.get_all")
        await site.operator("pool.set_other_config", pool, {"sim.storage": "{}"})
        site.wire.before = refuses_once("VM.start_on", "SR_BACKEND_FAILURE_46", "", "The VDI is not available", "")
        end = await act(site, "start", server(DEVICE, vm_state="stopped", power_state=SHUTDOWN))
        note = "started without volume volume-1, which the array does not give"
        assert end == {
            "uuid": UUID,
            "action": "start",
            "error": None,
            "power_state": RUNNING,
            "changes": {"block_devices": []},
            "note": note,
        }
        assert volumes_on(site) == []
        assert service.told[-1] == ("disconnect", "attachment-1")

    on_site(tmp_path, body, volumes=service)


def test_a_start_that_fails_for_another_reason_leaves_the_volumes(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        await site.built()
        await act(site, "attach_volume", server(replace(DEVICE, state="attaching", target=None)))
        await site.operator("VM.hard_shutdown", await site.vm())
        site.wire.before = refuses_once("VM.start_on", "SR_BACKEND_FAILURE_46", "", "The VDI is not available", "")
        end = await act(site, "start", server(DEVICE, vm_state="stopped", power_state=SHUTDOWN))
        assert (end["error"], end["changes"]) == ("SR_BACKEND_FAILURE_46 [, The VDI is not available, ]", {})
        assert volumes_on(site) == ["volume-1"]

    on_site(tmp_path, body, volumes=Service())


def test_a_volume_that_cannot_be_attached_is_the_servers_no_more(tmp_path: Path) -> None:
    service = Service()

    async def body(site: Site) -> None:
        await site.built()
        site.wire.before = refuses_once("PBD.create", "INTERNAL_ERROR", "broken")
        end = await act(site, "attach_volume", server(replace(DEVICE, state="attaching", target=None)))
        assert (end["error"], end["changes"]) == ("INTERNAL_ERROR [broken]", {"block_devices": []})
        assert service.told == [("connect /dev/xvdb of xs1", "attachment-1"), ("disconnect", "attachment-1")]

    on_site(tmp_path, body, volumes=service)


def test_a_volume_that_the_guest_does_not_let_go_stays(tmp_path: Path) -> None:
    service = Service()

    async def body(site: Site) -> None:
        await site.built()
        await act(site, "attach_volume", server(replace(DEVICE, state="attaching", target=None)))
        site.wire.before = refuses_once("VBD.unplug", "DEVICE_DETACH_REJECTED", "VBD", "ref", "busy")
        end = await act(site, "detach_volume", server(replace(DEVICE, state="detaching")))
        assert end["error"] == "DEVICE_DETACH_REJECTED [VBD, ref, busy]"
        assert end["changes"] == {"block_devices": to_json([DEVICE])}
        assert service.told[-1] == ("roll", "volume-1")
        assert volumes_on(site) == ["volume-1"]

    on_site(tmp_path, body, volumes=service)


def test_the_host_looks_at_a_volume_that_has_grown(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        await site.built()
        await act(site, "attach_volume", server(replace(DEVICE, state="attaching", target=None)))
        site.wire.requests.clear()
        await site.cast("hear", instance=to_json(server(DEVICE)), news="volume-extended", arguments={"tag": "volume-1"})
        await asyncio.sleep(5)
        assert [name for name in site.wire.requests if name.startswith("SR.")] == ["SR.get_by_uuid", "SR.scan"]

    on_site(tmp_path, body, volumes=Service())


def test_a_server_that_is_taken_off_its_host_leaves_no_target_there(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        await site.built()
        await act(site, "attach_volume", server(replace(DEVICE, state="attaching", target=None)))
        end = await act(site, "shelve_offload", server(DEVICE, vm_state="shelved", power_state=SHUTDOWN))
        assert end["error"] is None
        assert [row["name_label"] for _, row in site.xapi.world.rows("SR") if row["type"] == "iscsi"] == []

    on_site(tmp_path, body, volumes=Service())
