"""Interfaces through the agent: what becomes of them and of their ports, and what the host's switch is told of servers that come and go."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from compute_core.compute.manager import AgentServices, ComputeManager
from compute_core.model.instances import RUNNING, SHUTDOWN, Instance, Vif
from compute_core.model.json import to_json
from compute_core.model.networks import Passage, PortFilter
from compute_core.xenapi import dom0_bundle
from fake_xapi.dom0.plugins.network_config import STATE
from fake_xapi.dom0.user_plugins import load
from fake_xapi.verbs.hosts import dom0_files
from tests.compute_core.compute.agent_site import BEATS_S, CONTEXT, SETTINGS, Site, on_site
from tests.compute_core.rig import URL
from tests.compute_core.simulated import refuses_once, session_over
from tests.compute_core.values import UUID, a_vif, an_instance

FIRST, SECOND = a_vif(), a_vif(1)
COMING, GOING = replace(SECOND, state="attaching"), replace(SECOND, state="detaching")
ALL_OUT = Passage("egress", "IPv4")


@dataclass
class Ports:
    """What a network service is to an agent."""

    vifs: dict[str, Sequence[Vif]] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    async def filters(self, device_ids: Sequence[str]) -> tuple[PortFilter, ...]:
        found = [(uuid, vif) for uuid in device_ids for vif in self.vifs.get(uuid, ())]
        return tuple(PortFilter(vif.id, uuid, vif.mac, vif.bridge, (vif.ip,), passages=(ALL_OUT,)) for uuid, vif in found)

    async def unbind(self, port_id: str) -> None:
        self.told.append(f"unbind {port_id}")


def server(*vifs: Vif, **changes: Any) -> Instance:
    return an_instance(**{"vm_state": "active", "task_state": None, "power_state": RUNNING, "vifs": vifs, **changes})


async def act(site: Site, action: str, instance: Instance) -> Any:
    """What the cell is told at the end."""
    site.cell.told.clear()
    await site.cast("act", instance=to_json(instance), action=action, arguments={})
    await asyncio.sleep(20)
    return site.cell.told[-1][1]


def changes(site: Site) -> list[str]:
    """What has been asked, without what agents look at by themselves."""
    return [name for name in site.wire.requests if name.startswith(("VIF.", "VM.")) or name == "host.call_plugin"]


def macs(site: Site) -> list[str]:
    return site.left()["VIF"]


def with_ports(folder: Path, body: Callable[[Site, Ports], Any], **more: Any) -> None:
    ports = Ports()

    async def main(site: Site) -> None:
        async with agent(site, ports, **more):
            await body(site, ports)

    on_site(folder, main, with_agent=False)


@asynccontextmanager
async def agent(site: Site, ports: Ports, **settings: Any) -> AsyncIterator[None]:
    """The agent at work with a network service."""
    told = replace(SETTINGS, **settings)
    manager = ComputeManager(told, session_over(site.wire, URL), site.bus, AgentServices(site.images, networks=ports), Random(1))
    work = asyncio.create_task(manager.run())
    try:
        await manager.ready()
        yield
    finally:
        work.cancel()
        await asyncio.wait({work})


def test_an_interface_comes_and_goes_with_its_port(tmp_path: Path) -> None:
    async def body(site: Site, ports: Ports) -> None:
        await site.built()
        end = await act(site, "attach_interface", server(FIRST, COMING))
        assert (end["error"], end["power_state"], end["changes"]) == (None, RUNNING, {"vifs": to_json([FIRST, SECOND])})
        assert (macs(site), ports.told) == ([FIRST.mac, SECOND.mac], [])
        site.wire.requests.clear()
        end = await act(site, "detach_interface", server(FIRST, GOING))
        assert (end["error"], end["changes"]) == (None, {"vifs": to_json([FIRST])})
        assert changes(site) == [
            "VIF.unplug", "VIF.destroy", "VM.remove_from_xenstore_data", "host.call_plugin",
        ]  # fmt: skip
        assert (macs(site), ports.told) == ([FIRST.mac], [f"unbind {SECOND.id}"])

    with_ports(tmp_path, body)


def test_an_interface_that_cannot_be_attached_is_the_servers_no_more(tmp_path: Path) -> None:
    async def body(site: Site, ports: Ports) -> None:
        await site.built()
        site.wire.before = refuses_once("VIF.plug", "INTERNAL_ERROR", "broken")
        end = await act(site, "attach_interface", server(FIRST, COMING))
        assert (end["error"], end["changes"]) == ("INTERNAL_ERROR [broken]", {"vifs": to_json([FIRST])})
        assert (macs(site), ports.told) == ([FIRST.mac], [f"unbind {SECOND.id}"])

    with_ports(tmp_path, body)


def test_an_interface_that_the_guest_does_not_let_go_stays(tmp_path: Path) -> None:
    async def body(site: Site, ports: Ports) -> None:
        await site.built()
        await act(site, "attach_interface", server(FIRST, COMING))
        site.wire.before = refuses_once("VIF.unplug", "DEVICE_DETACH_REJECTED", "VIF", "ref", "busy")
        end = await act(site, "detach_interface", server(FIRST, GOING))
        assert (end["error"], end["changes"]) == ("DEVICE_DETACH_REJECTED [VIF, ref, busy]", {"vifs": to_json([FIRST, SECOND])})
        assert (macs(site), ports.told) == ([FIRST.mac, SECOND.mac], [])

    with_ports(tmp_path, body)


def test_a_stopped_server_is_asked_nothing_of_its_dom0(tmp_path: Path) -> None:
    async def body(site: Site, _: Ports) -> None:
        await site.built()
        await site.operator("VM.hard_shutdown", await site.vm())
        site.wire.requests.clear()
        end = await act(site, "attach_interface", server(FIRST, COMING, vm_state="stopped", power_state=SHUTDOWN))
        assert (end["error"], end["power_state"]) == (None, SHUTDOWN)
        assert changes(site) == ["VIF.create", "VM.add_to_xenstore_data"]

    with_ports(tmp_path, body)


@pytest.mark.parametrize(
    ("action", "vif", "error", "left"),
    [
        ("attach_interface", COMING, "it was broken off when the agent of xs1 ended", [FIRST]),
        ("detach_interface", GOING, None, [FIRST]),
    ],
)
def test_what_a_killed_agent_has_left_is_taken_back_or_finished(
    tmp_path: Path, action: str, vif: Vif, error: str | None, left: list[Vif]
) -> None:
    ports = Ports()

    async def body(site: Site) -> None:
        async with agent(site, ports):
            await site.built()
            await act(site, "attach_interface", server(FIRST, COMING))
            site.cell.told.clear()
        site.cell.instances[:] = [server(FIRST, vif, task_state={"a": "attaching", "d": "detaching"}[action[0]] + "_interface")]
        async with agent(site, ports):
            await asyncio.sleep(BEATS_S)
        end = next(arguments for name, arguments in site.cell.told if name == "action_finished")
        assert (end["error"], end["changes"]) == (error, {"vifs": to_json(left)})
        assert (macs(site), set(ports.told)) == ([FIRST.mac], {f"unbind {SECOND.id}"})

    on_site(tmp_path, body, with_agent=False)


def test_without_a_network_service_there_is_nothing_to_attach(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        await site.built()
        end = await act(site, "attach_interface", server(FIRST, COMING))
        assert (end["error"], macs(site)) == ("xs1 knows no network service.", [FIRST.mac])

    on_site(tmp_path, body)


# ---- the switch ------------------------------------------------------------------------------------------------------------------------


def cookies(site: Site) -> set[str]:
    """Whose flows the host's switch has, by the ends of their MACs."""
    kept = json.loads(dom0_files.read(site.xapi.world, STATE, site.xapi.host) or "{}")
    flows = kept.get("bridges", {}).get("xenbr0", {}).get("flows", [])
    return {f"{flow['cookie'] & 0xFF:02x}" for flow in flows if flow["table"] == 0 and flow["cookie"]}


def writings(site: Site) -> int:
    """How often dom0 was asked."""
    return site.wire.requests.count("host.call_plugin")


def with_switch(folder: Path, body: Callable[[Site, Ports], Any]) -> None:
    """The agent keeps servers to their groups by flows; its plugin is in the host's dom0."""
    dom0_bundle.write(folder / "plugins")
    ports = Ports({UUID: [FIRST]})

    async def main(site: Site) -> None:
        async with agent(site, ports, filtering="flows"):
            await body(site, ports)

    on_site(folder, main, with_agent=False, plugins=load(folder / "plugins"))


def test_a_server_that_is_built_is_kept_to_its_groups_and_one_that_is_gone_leaves_nothing(tmp_path: Path) -> None:
    async def body(site: Site, ports: Ports) -> None:
        await asyncio.sleep(1)
        assert (cookies(site), writings(site)) == (set(), 1)
        await site.built()
        assert (cookies(site), writings(site)) == ({"01"}, 2)
        await site.operator("VM.hard_reboot", await site.vm())
        await asyncio.sleep(5)
        assert (cookies(site), writings(site)) == ({"01"}, 3)
        await site.cast("destroy", instance=to_json(server(FIRST, task_state="deleting")))
        await asyncio.sleep(5)
        assert (cookies(site), writings(site)) == (set(), 4)

    with_switch(tmp_path, body)


def test_interfaces_and_their_flows_and_what_the_guest_reads_take_one_call_to_dom0(tmp_path: Path) -> None:
    async def body(site: Site, ports: Ports) -> None:
        await site.built()
        ports.vifs[UUID] = [FIRST, SECOND]
        site.wire.requests.clear()
        await act(site, "attach_interface", server(FIRST, COMING))
        assert changes(site) == [
            "VIF.create", "VM.add_to_xenstore_data", "VIF.plug", "host.call_plugin",
        ]  # fmt: skip
        assert cookies(site) == {"01", "02"}
        await act(site, "detach_interface", server(FIRST, GOING))
        assert (cookies(site), writings(site)) == ({"01"}, 2)

    with_switch(tmp_path, body)


def test_changes_that_are_heard_of_together_are_written_with_one_call(tmp_path: Path) -> None:
    async def body(site: Site, _: Ports) -> None:
        await site.built()
        site.wire.requests.clear()
        for _again in range(3):
            await site.cast("hear", instance=to_json(server(FIRST)), news="filters-changed", arguments={})
        await asyncio.sleep(5)
        assert writings(site) == 1

    with_switch(tmp_path, body)


def test_what_was_not_written_is_written_later(tmp_path: Path) -> None:
    async def body(site: Site, _: Ports) -> None:
        site.wire.before = refuses_once("host.call_plugin", "HOST_OFFLINE", "xs1")
        await site.built()
        await asyncio.sleep(SETTINGS.retry_s)
        assert cookies(site) == {"01"}

    with_switch(tmp_path, body)


def test_flows_that_are_nobodys_go_when_the_agent_begins(tmp_path: Path) -> None:
    dom0_bundle.write(tmp_path / "plugins")
    ports = Ports({UUID: [FIRST]})

    async def body(site: Site) -> None:
        async with agent(site, ports, filtering="flows"):
            await site.built()
        await site.operator("VM.hard_shutdown", await site.vm())
        ports.vifs[UUID] = [SECOND]
        async with agent(site, ports, filtering="flows"):
            await asyncio.sleep(5)
        assert cookies(site) == set()

    on_site(tmp_path, body, with_agent=False, plugins=load(tmp_path / "plugins"))


@pytest.mark.parametrize(("filtering", "mode"), [("locking", "locked"), ("flows", "locked"), ("none", "network_default")])
def test_interfaces_are_locked_unless_nobody_is_to_be_kept_to_anything(tmp_path: Path, filtering: str, mode: str) -> None:
    async def body(site: Site, _: Ports) -> None:
        await site.built()
        (vif,) = await site.operator("VM.get_VIFs", await site.vm())
        assert await site.operator("VIF.get_locking_mode", vif) == mode

    with_ports(tmp_path, body, filtering=filtering)


def test_diagnostics_tell_what_has_passed_each_interface(tmp_path: Path) -> None:
    async def body(site: Site, _: Ports) -> None:
        await site.built()
        await asyncio.sleep(60)
        asked = {"instance": to_json(server(FIRST)), "question": "diagnostics", "arguments": {}, "context": CONTEXT}
        site.wire.requests.clear()
        told = await site.bus.call("compute.xs1", "query", asked, 10.0)
        assert (list(told["interfaces"]), told["interfaces"][FIRST.mac]["rx_bytes"] > 0) == ([FIRST.mac], True)
        assert writings(site) == 1

    with_switch(tmp_path, body)


def test_without_the_plugin_diagnostics_tell_no_counts(tmp_path: Path) -> None:
    async def body(site: Site, _: Ports) -> None:
        await site.built()
        asked = {"instance": to_json(server(FIRST)), "question": "diagnostics", "arguments": {}, "context": CONTEXT}
        assert (await site.bus.call("compute.xs1", "query", asked, 10.0))["interfaces"] == {}

    with_ports(tmp_path, body, filtering="flows")
