"""What a host is told to do with a guest at once, and what it hears of its servers from elsewhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from compute_core.compute.consoles import acting_vm
from compute_core.compute.guest_agents import network_changed
from compute_core.compute.interfaces import filters_changed
from compute_core.compute.volumes import volume_extended
from compute_core.compute.work import Query, Work
from compute_core.model.errors import Conflict
from compute_core.model.instances import POWER_STATES
from compute_core.xenapi import guest_agent, guest_tells
from compute_core.xenapi.guest_agent_secrets import sealed_for
from compute_core.xenapi.plugins import PluginRefusal

News = Callable[[Work], Awaitable[int | None]]
"""Takes news in; the server's power state where the cell is to hear of it, None otherwise."""


async def _trigger_crash_dump(work: Work) -> None:
    host = work.host
    try:
        await guest_tells.trigger_crash(host.xapi, host.place, acting_vm(work))
    except PluginRefusal as refusal:
        raise Conflict(f"{host.settings.host}: {refusal}") from refusal


async def _inject_network_info(work: Work) -> None:
    host = work.host
    try:
        await guest_tells.inject_network_info(host.xapi, host.place, acting_vm(work), work.instance)
    except PluginRefusal as refusal:
        raise Conflict(f"{host.settings.host}: {refusal}") from refusal


async def _change_password(work: Work) -> str:
    """``admin_password`` for the guest; what is kept of it, for the key's owner, "" for nothing."""
    host, vm, password = work.host, acting_vm(work), str(work.arguments["admin_password"])
    try:
        async with host.guest_turns.held(vm):
            await guest_agent.change_password(host.xapi, host.place, vm, password, host.settings.guest_agents)
    except PluginRefusal as refusal:
        raise Conflict(f"The password of instance {work.instance.uuid} was not changed: {refusal}") from refusal
    return sealed_for(work.instance.key_data, password)


async def _reset_network(work: Work) -> None:
    host, vm = work.host, acting_vm(work)
    try:
        async with host.guest_turns.held(vm):
            await guest_agent.reset_network(host.xapi, host.place, vm, host.settings.guest_agents)
    except PluginRefusal as refusal:
        raise Conflict(f"The network of instance {work.instance.uuid} was not reset: {refusal}") from refusal


GUEST_COMMANDS: Mapping[str, Query] = {
    "trigger_crash_dump": _trigger_crash_dump,
    "inject_network_info": _inject_network_info,
    "change_password": _change_password,
    "reset_network": _reset_network,
}


async def _renamed(work: Work) -> None:
    vm = work.host.vms.get(work.instance.uuid)
    if vm is not None:
        await guest_tells.rename(work.host.xapi, vm.ref, work.instance.name)


async def _metadata_changed(work: Work) -> None:
    """``items`` of the metadata; None for one that is gone."""
    vm = work.host.vms.get(work.instance.uuid)
    if vm is not None:
        await guest_tells.change_metadata(work.host.xapi, vm.ref, work.arguments["items"])


async def _network_changed(work: Work) -> None:
    """The guest reads its addresses where they are written, at once where it has an agent."""
    if work.host.vms.get(work.instance.uuid) is not None:
        await _inject_network_info(work)
        await network_changed(work.host, work.instance)


async def _power_update(work: Work) -> int | None:
    """Somebody says that the power state has changed: the host knows."""
    vm = work.host.vms.acting(work.instance.uuid)
    if vm is None:
        return None
    vm.told = vm.power_state = POWER_STATES[await work.host.xapi.call("VM.get_power_state", vm.ref)]
    return vm.told


NEWS: Mapping[str, News] = {
    "renamed": _renamed,
    "metadata-changed": _metadata_changed,
    "network-changed": _network_changed,
    "network-vif-plugged": _network_changed,
    "network-vif-unplugged": _network_changed,
    "network-vif-deleted": _network_changed,
    "power-update": _power_update,
    "volume-extended": volume_extended,
    "filters-changed": filters_changed,
}
"""By the names of external events, and our own. What is in no table is of no interest to a host."""
