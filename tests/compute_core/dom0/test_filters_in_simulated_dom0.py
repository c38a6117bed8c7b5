"""Ports kept to their filters by the plugin in the dom0 of a simulated host, whose switch is read afterwards."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compute_core.model.networks import Passage, PortFilter
from compute_core.xenapi.plugins import Guest
from fake_xapi.dom0.plugins.network_config import STATE
from fake_xapi.verbs.hosts import dom0_files
from tests.compute_core.dom0.simulated import Site, over_dom0
from tests.fake_xapi.verbs.kit.hosts import VM_RECORD

MAC, OTHER = "00:16:3e:00:00:01", "00:16:3e:00:00:02"
HTTP = Passage("ingress", "IPv4", "tcp", 80, 80, ("10.0.0.99/32",))
WEB = PortFilter("port-1", "server-1", MAC, "xenbr0", ("10.0.0.11",), passages=(Passage("egress", "IPv4"), HTTP))


async def running(site: Site, *macs: str) -> str:
    """A VM that runs with these interfaces."""
    vm: str = await site.session.call("VM.create", VM_RECORD)
    for device, mac in enumerate(macs):
        record = {"VM": vm, "network": site.place.networks["xenbr0"], "device": str(device), "MAC": mac, "MTU": 1500}
        more = {"other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {}}
        await site.session.call("VIF.create", {**record, **more})
    await site.session.call("VM.start_on", vm, site.place.host, False, False)
    await asyncio.sleep(60)
    return vm


def flows(site: Site, bridge: str = "xenbr0") -> list[dict[str, Any]]:
    host = site.xapi.world.find_ref(site.place.host)
    kept = json.loads(dom0_files.read(site.xapi.world, STATE, host) or "{}")
    found: list[dict[str, Any]] = kept["bridges"][bridge]["flows"]
    return found


def numbers(site: Site) -> set[str]:
    """The ports that flows are for."""
    return {found[1] for flow in flows(site) for found in [re.search(r"in_port=(\d+)", flow["match"])] if found}


def test_a_servers_flows_are_written_with_one_call_and_follow_its_domain(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        vm = await running(site, MAC)
        site.wire.requests.clear()
        assert await site.dom0.filter_ports([WEB], {}) == []
        assert site.wire.requests == ["host.call_plugin"]
        rules = [flow for flow in flows(site) if flow["table"] == 72 and "tp_dst=80" in flow["match"]]
        (rule,) = rules
        assert rule["match"] == f"ct_state=+trk+new,dl_dst={MAC},ip,nw_proto=6,nw_src=10.0.0.99/32,tp_dst=80"
        count, before = len(flows(site)), numbers(site)
        await site.session.call("VM.hard_reboot", vm)
        await site.dom0.filter_ports([WEB], {})
        assert len(flows(site)) == count
        assert numbers(site).isdisjoint(before)

    over_dom0(tmp_path, body)


def test_what_is_nobodys_goes_with_the_whole(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        await running(site, MAC, OTHER)
        other = replace(WEB, port_id="port-2", mac=OTHER, addresses=("10.0.0.12",))
        await site.dom0.filter_ports([WEB, other], {})
        both = len(flows(site))
        await site.dom0.filter_ports([], {OTHER: "xenbr0"})
        assert {flow["cookie"] & 0xFFFFFFFFFFFF for flow in flows(site)} == {0, 0x00163E000001}
        await site.dom0.filter_ports([other], {}, is_whole=True)
        assert {flow["cookie"] & 0xFFFFFFFFFFFF for flow in flows(site)} == {0, 0x00163E000002}
        assert len(flows(site)) < both
        await site.dom0.filter_ports([], {}, is_whole=True)
        assert [(flow["table"], flow["actions"]) for flow in flows(site)] == [(0, "NORMAL")]

    over_dom0(tmp_path, body)


def test_the_flows_of_a_vlan_are_those_of_the_bridge_below(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        session = site.session
        network = await session.call("network.create", {"name_label": "vlan 7", "name_description": "", "other_config": {}, "MTU": 1500})
        (pif,) = [ref for ref, row in (await session.call("PIF.get_all_records")).items() if row["device"] == "eth0" and row["physical"]]
        await session.call("VLAN.create", pif, "7", network)
        bridge = await session.call("network.get_bridge", network)
        vm: str = await session.call("VM.create", VM_RECORD)
        record = {"VM": vm, "network": network, "device": "0", "MAC": MAC, "MTU": 1500, "other_config": {}}
        await session.call("VIF.create", {**record, "qos_algorithm_type": "", "qos_algorithm_params": {}})
        await session.call("VM.start_on", vm, site.place.host, False, False)
        await asyncio.sleep(60)
        assert await site.dom0.filter_ports([replace(WEB, bridge=bridge)], {}) == []
        assert any(flow["table"] == 72 for flow in flows(site, "xenbr0"))

    over_dom0(tmp_path, body)


def test_a_guest_is_told_with_the_same_call_and_one_that_is_gone_is_left_out(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        vm = await running(site, MAC)
        domid = int(await site.session.call("VM.get_domid", vm))
        site.wire.requests.clear()
        told = [Guest(domid, {"vm-data/networking/x": "{}"}), Guest(77, {"vm-data/networking/x": "{}"})]
        assert await site.dom0.filter_ports([replace(WEB, mac=OTHER)], {}, told) == [OTHER]
        assert site.wire.requests == ["host.call_plugin"]
        assert await site.dom0.call("xenstore_read", domid=domid, path="vm-data/networking/x") == "{}"

    over_dom0(tmp_path, body)


def test_what_has_passed_is_told_by_mac(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        vm = await running(site, MAC)
        (vif,) = await site.session.call("VM.get_VIFs", vm)
        await site.session.call("VIF.set_other_config", vif, {"sim.rx": "1000", "sim.tx": "500"})
        passed = (await site.dom0.traffic())[MAC]
        assert passed["rx_bytes"] > passed["tx_bytes"] > 0
        assert (passed["rx_errors"], passed["tx_dropped"]) == (0, 0)

    over_dom0(tmp_path, body)


def test_a_bridge_that_is_not_there_keeps_no_other_port_from_its_filter(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def body(site: Site) -> None:
        await running(site, MAC, OTHER)
        lost = replace(WEB, mac=OTHER, bridge="xenbr9")
        assert await site.dom0.filter_ports([lost, WEB], {"00:16:3e:00:00:03": "xenbr8"}) == []
        assert any(flow["table"] == 72 for flow in flows(site))

    over_dom0(tmp_path, body)
    assert f"{OTHER} is not kept to its filter: no bridge named xenbr9" in caplog.text


def test_a_filter_that_cannot_be_shuts_its_port_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def body(site: Site) -> None:
        await running(site, MAC, OTHER)
        wrong = replace(WEB, mac=OTHER, passages=(replace(HTTP, port_max=99999),))
        assert await site.dom0.filter_ports([wrong, WEB], {}, is_whole=True) == []
        shut = [flow["actions"] for flow in flows(site) if flow["cookie"] & 0xFFFFFFFFFFFF == 0x00163E000002]
        assert set(shut) == {"drop"}
        assert any("tp_dst=80" in flow["match"] for flow in flows(site))

    over_dom0(tmp_path, body)
    assert f"{OTHER} is not kept to its filter: argument 'passages' has" in caplog.text
