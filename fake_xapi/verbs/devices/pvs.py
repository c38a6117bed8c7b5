"""Provisioning Services: sites with the servers that stream disks, proxies of VMs' interfaces, and storage for what they cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.lifecycle.editions import require
from fake_xapi.state.ids import NULL, Id
from fake_xapi.verbs.call import Call, Verb

_PORTS = range(1, 65536)


def introduce_site(call: Call, label: str, description: str, uuid: str) -> Id:
    """A site. LICENCE_RESTRICTION ["PVS_proxy"]."""
    require(call.world, "PVS_proxy")
    with call.world.edit() as edit:
        return edit.create("PVS_site", name_label=label, name_description=description, PVS_uuid=uuid)


def forget_site(call: Call, site: Id) -> None:
    """Forget a site, with its idle proxies. PVS_SITE_CONTAINS_RUNNING_PROXIES [proxies], PVS_SITE_CONTAINS_SERVERS [servers]."""
    world, row = call.world, call.world[site]
    running = [world.ref(proxy) for proxy in row["proxies"] if world[proxy]["currently_attached"]]
    if running:
        raise Failure("PVS_SITE_CONTAINS_RUNNING_PROXIES", ",".join(running))
    if row["servers"]:
        raise Failure("PVS_SITE_CONTAINS_SERVERS", ",".join(world.ref(server) for server in row["servers"]))
    with world.edit() as edit:
        for member in (*row["proxies"], *row["cache_storage"]):
            edit.destroy(member)
        edit.destroy(site)


def set_site_uuid(call: Call, site: Id, uuid: str) -> None:
    """The name by which its servers know a site; PVS_SITE_CONTAINS_RUNNING_PROXIES [proxies] while it is used."""
    running = [call.world.ref(proxy) for proxy in call.world[site]["proxies"] if call.world[proxy]["currently_attached"]]
    if running:
        raise Failure("PVS_SITE_CONTAINS_RUNNING_PROXIES", ",".join(running))
    with call.world.edit() as edit:
        edit.set(site, PVS_uuid=uuid)


def introduce_server(call: Call, addresses: Sequence[str], first: int, last: int, site: Id) -> Id:
    """A server of a site.

    LICENCE_RESTRICTION ["PVS_proxy"], INVALID_IP_ADDRESS_SPECIFIED ["addresses"], PVS_SERVER_ADDRESS_IN_USE [address],
    INVALID_VALUE ["first_port" or "last_port", port].
    """
    require(call.world, "PVS_proxy")
    wanted = tuple(dict.fromkeys(addresses))
    if not wanted or not all(map(_is_address, wanted)):
        raise Failure("INVALID_IP_ADDRESS_SPECIFIED", "addresses")
    taken = {address for _, row in call.world.rows("PVS_server") for address in row["addresses"]}
    for address in wanted:
        if address in taken:
            raise Failure("PVS_SERVER_ADDRESS_IN_USE", address)
    if first not in _PORTS:
        raise Failure("INVALID_VALUE", "first_port", str(first))
    if last not in _PORTS or last < first:
        raise Failure("INVALID_VALUE", "last_port", str(last))
    with call.world.edit() as edit:
        return edit.create("PVS_server", addresses=wanted, first_port=first, last_port=last, site=site)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def create_proxy(call: Call, site: Id, vif: Id) -> Id:
    """A proxy of a VM's first interface; it runs while the VM does.

    LICENCE_RESTRICTION ["PVS_proxy"], PVS_PROXY_ALREADY_PRESENT [proxies] when the VM has one, and
    PVS_PROXY_PRESENT_ON_HIGHER_VIF_DEVICE [device] when it is for another interface than the first.
    """
    require(call.world, "PVS_proxy")
    world, row = call.world, call.world[vif]
    vifs = world[row["VM"]]["VIFs"]
    present = [proxy for proxy, known in world.rows("PVS_proxy") if known["VIF"] in vifs]
    if present:
        raise Failure("PVS_PROXY_ALREADY_PRESENT", *map(Handle, sorted(present)))
    if any(int(world[other]["device"]) < int(row["device"]) for other in vifs):
        raise Failure("PVS_PROXY_PRESENT_ON_HIGHER_VIF_DEVICE", row["device"])
    is_running = world[row["VM"]]["power_state"] == "Running"
    with world.edit() as edit:
        status = "initialised" if is_running else "stopped"
        return edit.create("PVS_proxy", site=site, VIF=vif, currently_attached=is_running, status=status)


def forget(call: Call, member: Id) -> None:
    """Forget a server or a proxy."""
    with call.world.edit() as edit:
        edit.destroy(member)


def given(call: Call, record: Mapping[str, Any], field: str, cls: str) -> Id:
    """The object that a record must name; HANDLE_INVALID [class, NULL] when it does not."""
    found: Id = record.get(field, NULL)
    if call.world.get(found) is None:
        raise Failure("HANDLE_INVALID", cls, Handle(NULL))
    return found


def create_cache(call: Call, record: Mapping[str, Any]) -> Id:
    """Storage for what a host caches of a site. PVS_CACHE_STORAGE_ALREADY_PRESENT [site, host] for a second one."""
    site, host = (given(call, record, name, cls) for name, cls in (("site", "PVS_site"), ("host", "host")))
    if any(call.world[known]["host"] == host for known in call.world[site]["cache_storage"]):
        raise Failure("PVS_CACHE_STORAGE_ALREADY_PRESENT", Handle(site), Handle(host))
    with call.world.edit() as edit:
        return edit.create("PVS_cache_storage", **{name: record[name] for name in ("site", "host", "SR", "size") if name in record})


def destroy_cache(call: Call, cache: Id) -> None:
    """Give the storage back; PVS_CACHE_STORAGE_IS_IN_USE [cache] while a proxy of the site runs on the host."""
    world, row = call.world, call.world[cache]
    for proxy in world[row["site"]]["proxies"]:
        vm = world[world[proxy]["VIF"]]["VM"]
        if world[proxy]["currently_attached"] and world[vm]["resident_on"] == row["host"]:
            raise Failure("PVS_CACHE_STORAGE_IS_IN_USE", Handle(cache))
    forget(call, cache)


VERBS: Mapping[str, Verb] = {
    "PVS_site.introduce": introduce_site,
    "PVS_site.forget": forget_site,
    "PVS_site.set_PVS_uuid": set_site_uuid,
    "PVS_server.introduce": introduce_server,
    "PVS_server.forget": forget,
    "PVS_proxy.create": create_proxy,
    "PVS_proxy.destroy": forget,
    "PVS_cache_storage.create": create_cache,
    "PVS_cache_storage.destroy": destroy_cache,
}
