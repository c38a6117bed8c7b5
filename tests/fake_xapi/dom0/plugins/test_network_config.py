"""``xenhost.network_config``: the plumbing that OpenStack's driver does in dom0, step by step, and each refusal."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fake_xapi.dom0.plugins.network_config import COMMANDS, STATE
from fake_xapi.verbs.hosts import dom0_files
from tests.fake_xapi.dom0.plugins.dom0 import running, values, values_refused
from tests.fake_xapi.verbs.kit.hosts import Host, over_host

PAIR = {"dev1_name": "qvb1", "dev2_name": "qvo1"}


async def _run(host: Host, cmd: str, **args: str) -> str:
    return str(await values(host, "xenhost.py", "network_config", {"cmd": cmd, "args": _named(args)}))


async def _failed(host: Host, cmd: str, **args: str) -> str:
    code, function, kind, text = await values_refused(host, "xenhost.py", "network_config", {"cmd": cmd, "args": _named(args)})
    assert (code, function) == ("XENAPI_PLUGIN_EXCEPTION", "network_config")
    assert kind in ("PluginError", "ArgumentError")
    return text


def _named(args: dict[str, str]) -> dict[str, str]:
    return {name.replace("__", "-"): value for name, value in args.items()}


def _state(host: Host) -> Any:

    return json.loads(dom0_files.read(host.world, STATE, host.id(host.host)) or "{}")


def test_there_are_the_seventeen_commands() -> None:
    assert len(COMMANDS) == 17


async def _plumbed(host: Host) -> str:
    """What the driver does for an interface; the number of its domain."""
    _, domid = await running(host)
    await _run(host, "brctl_add_br", bridge_name="qbr1")
    await _run(host, "brctl_set_fd", bridge_name="qbr1", fd="0")
    await _run(host, "brctl_set_stp", bridge_name="qbr1", option="off")
    await _run(host, "ip_link_set_dev", device_name="qbr1", option="up")
    await _run(host, "ip_link_add_veth_pair", **PAIR)
    for device in PAIR.values():
        await _run(host, "ip_link_set_dev", device_name=device, option="up")
        await _run(host, "ip_link_set_promisc", device_name=device, option="on")
    await _run(host, "brctl_add_if", bridge_name="qbr1", interface_name="qvb1")
    await _run(host, "ovs_create_port", bridge="xenbr0", port="qvo1", iface__id="port-7", mac="fa:16:3e:00:00:01", status="active")
    await _run(host, "ovs_set_if_external_id", interface="qvo1", external_id="xs-vif-uuid", value="u")
    await _run(host, "brctl_add_if", bridge_name="qbr1", interface_name=f"vif{domid}.0")
    return domid


def test_an_interface_is_plumbed() -> None:
    async def body(host: Host) -> None:
        domid = await _plumbed(host)
        ids = {"iface-id": "port-7", "iface-status": "active", "attached-mac": "fa:16:3e:00:00:01", "xs-vif-uuid": "u"}
        assert _state(host) == {
            "bridges": {
                "qbr1": {"kind": "linux", "ports": ["qvb1", f"vif{domid}.0"], "fd": "0", "stp": "off"},
                "xenbr0": {"kind": "ovs", "ports": ["qvo1"]},
            },
            "links": {
                "qbr1": {"peer": "", "up": True, "promisc": False},
                "qvb1": {"peer": "qvo1", "up": True, "promisc": True},
                "qvo1": {"peer": "qvb1", "up": True, "promisc": True},
                f"vif{domid}.0": {"peer": "", "up": False, "promisc": False},
            },
            "interfaces": {"qvo1": {"external_ids": ids}},
        }
        assert (await _run(host, "ip_link_get_dev", device_name="qvb1")).startswith("qvb1: <BROADCAST,MULTICAST,PROMISC,UP> ")

    over_host(body)


def test_what_was_plumbed_is_taken_away() -> None:
    async def body(host: Host) -> None:
        domid = await _plumbed(host)
        await _run(host, "brctl_del_if", bridge_name="qbr1", interface_name=f"vif{domid}.0")
        await _run(host, "ovs_del_port", bridge_name="xenbr0", port_name="qvo1")
        await _run(host, "ip_link_del_dev", device_name="qvb1")
        assert "up" in await _failed(host, "brctl_del_br", bridge_name="qbr1")
        await _run(host, "ip_link_set_dev", device_name="qbr1", option="down")
        await _run(host, "brctl_del_br", bridge_name="qbr1")
        left = _state(host)
        assert (left["bridges"], left["interfaces"], set(left["links"])) == (
            {"xenbr0": {"kind": "ovs", "ports": []}},
            {},
            {f"vif{domid}.0"},
        )
        assert await _failed(host, "ip_link_get_dev", device_name="qbr1") == 'command failed with code 1: Device "qbr1" does not exist.'

    over_host(body)


def test_a_port_is_in_one_bridge_at_a_time() -> None:
    async def body(host: Host) -> None:
        host.kit.made("network", bridge="xapi0")
        for bridge in ("xenbr0", "xapi0"):
            await _run(host, "ovs_add_port", bridge_name=bridge, port_name="tap1")
        await _run(host, "ovs_add_patch_port", bridge_name="xapi0", port_name="p1", peer_port_name="p2")
        assert _state(host)["bridges"] == {"xenbr0": {"kind": "ovs", "ports": []}, "xapi0": {"kind": "ovs", "ports": ["tap1", "p1"]}}
        assert _state(host)["interfaces"]["p1"] == {"external_ids": {}, "type": "patch", "peer": "p2"}
        await _run(host, "ovs_del_br", bridge_name="xapi0")
        await _run(host, "ovs_del_br", bridge_name="never")
        assert set(_state(host)["bridges"]) == {"xenbr0"}

    over_host(body)


@pytest.mark.parametrize(
    ("cmd", "args", "text"),
    [
        ("rm", {}, "The command of rm is not in the allowed list: "),
        ("ovs_add_port", {"bridge_name": "no", "port_name": "p"}, "command failed with code 1: no bridge named no"),
        ("ovs_add_port", {"bridge_name": "xenbr0"}, "Argument 'port_name' is required."),
        ("ovs_create_port", {"bridge": "xenbr0"}, "Argument 'iface-id' is required."),
        ("brctl_add_br", {"bridge_name": "xenbr0"}, "command failed with code 1: device xenbr0 already exists"),
        ("brctl_del_br", {"bridge_name": "xenbr0"}, "command failed with code 1: no bridge named xenbr0"),
        ("brctl_set_fd", {"bridge_name": "no", "fd": "0"}, "command failed with code 1: no bridge named no"),
        ("ip_link_add_veth_pair", {"dev1_name": "a", "dev2_name": "eth0"}, "command failed with code 1: RTNETLINK answers: File exists"),
        ("ip_link_set_dev", {"device_name": "no", "option": "up"}, 'command failed with code 1: Device "no" does not exist.'),
        ("ip_link_del_dev", {"device_name": "no"}, 'command failed with code 1: Device "no" does not exist.'),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(cmd: str, args: dict[str, str], text: str) -> None:
    async def body(host: Host) -> None:
        assert (await _failed(host, cmd, **args)).startswith(text)
        assert _state(host) == {}

    over_host(body)


def test_an_interface_is_in_one_bridge_and_taken_from_where_it_is() -> None:
    async def body(host: Host) -> None:
        await _run(host, "brctl_add_br", bridge_name="a")
        await _run(host, "brctl_add_br", bridge_name="b")
        await _run(host, "ip_link_add_veth_pair", **PAIR)
        await _run(host, "brctl_add_if", bridge_name="a", interface_name="qvb1")
        assert "already a member" in await _failed(host, "brctl_add_if", bridge_name="b", interface_name="qvb1")
        assert "not a slave" in await _failed(host, "brctl_del_if", bridge_name="b", interface_name="qvb1")

    over_host(body)


def test_what_names_no_command_is_refused() -> None:
    async def body(host: Host) -> list[str]:
        return await values_refused(host, "xenhost", "network_config", {})

    assert over_host(body) == ["XENAPI_PLUGIN_EXCEPTION", "network_config", "ArgumentError", "Argument 'cmd' is required."]
