"""Hosts with several NICs, and quick ways to make what lies on them."""

from __future__ import annotations

from typing import Any

from fake_xapi.engine.call import RunningCall
from fake_xapi.verbs.networks import nics
from tests.fake_xapi.verbs.kit.hosts import Host, add_host


async def network(host: Host, **fields: Any) -> str:
    """A network without a NIC."""
    record = {"name_label": "n", "name_description": "", "MTU": "1500", "other_config": {}, **fields}
    return str(await host.call("network.create", record))


def management(host: Host, ref: str = "") -> str:
    """The first PIF of a host, which is its management interface."""
    return host.world.ref(host.row(ref or host.host)["PIFs"][0])


def put_in(host: Host, device: str, mac: str, ref: str = "") -> None:
    """A NIC is in a host; nobody has told XAPI yet."""
    with host.world.edit() as edit:
        nics.put_in(host.world, edit, host.id(ref or host.host), device, mac)


async def nic(host: Host, number: int, *, is_up: bool = True, ref: str = "", **fields: Any) -> str:
    """A NIC with its PIF, which is up: eth1 has the address 02:00:00:00:00:01, and so on."""
    mac = f"02:00:00:00:00:{number:02x}"
    put_in(host, f"eth{number}", mac, ref)
    pif = str(await host.call("PIF.introduce", ref or host.host, mac, f"eth{number}"))
    if is_up:
        await host.call("PIF.plug", pif)
    host.set(pif, **fields)
    return pif


async def addressed(host: Host, pif: str, address: str = "10.0.0.9") -> str:
    """A PIF, given an address."""
    await host.call("PIF.reconfigure_ip", pif, "Static", address, "255.255.255.0", "", "")
    return pif


async def vlan(host: Host, pif: str, tag: int = 7) -> tuple[str, str]:
    """A VLAN on a network of its own, and its PIF."""
    made = str(await host.call("VLAN.create", pif, str(tag), await network(host)))
    return made, host.world.ref(host.row(made)["untagged_PIF"])


async def tunnel(host: Host, pif: str) -> tuple[str, str]:
    """A tunnel on a network of its own, and its access PIF."""
    open_switches(host)
    made = str(await host.call("tunnel.create", pif, await network(host)))
    return made, host.world.ref(host.row(made)["access_PIF"])


def open_switches(host: Host) -> None:
    """Every host has a switch that knows tunnels."""
    for identity in list(host.world.ids("host")):
        host.set(host.world.ref(identity), software_version={"network_backend": "openvswitch"})


async def bond(host: Host, *members: str, on: str = "", mode: str = "balance-slb") -> tuple[str, str]:
    """A bond, and its master."""
    made = str(await host.call("Bond.create", on or await network(host), list(members), "", mode))
    return made, host.world.ref(host.row(made)["master"])


async def second_host(host: Host) -> str:
    """Another host of the pool, with a NIC eth1 that is on the network of the first host's eth1."""
    other = add_host(host)
    await nic(host, 1, ref=other)
    return other


def nobody_s_call(host: Host) -> RunningCall:
    """What nobody called: for what happens by itself."""
    return RunningCall(host.kit.xapi, host.kit.xapi.personality.messages["PIF.plug"], "by itself", 0)


def set_pool(host: Host, **fields: Any) -> None:
    """Write fields of the pool."""
    host.set(host.world.ref(next(host.world.ids("pool"))), **fields)


def fields_of(host: Host, ref: str, *names: str) -> tuple[Any, ...]:
    """Some fields of an object."""
    row = host.row(ref)
    return tuple(row[name] for name in names)
