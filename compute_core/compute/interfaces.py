"""Operations on servers' interfaces, and what hosts hear of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from compute_core.compute.guest_agents import network_changed
from compute_core.compute.vms import Vm
from compute_core.compute.work import Ending, Host, LeftAs, Operation, Work
from compute_core.model.errors import ComputeError, Conflict, NotFound
from compute_core.model.instances import RUNNING, Instance, Vif
from compute_core.model.json import to_json
from compute_core.model.volumes import DeviceState
from compute_core.networks.port import PortFilters
from compute_core.xenapi import interfaces as recipe
from compute_core.xenapi.errors import TransferFailed, Unanswered, XenApiFailure
from compute_core.xenapi.interfaces import Follow
from compute_core.xenapi.plugins import Dom0, Guest, PluginMissing, PluginRefusal

log = logging.getLogger(__name__)

PROBLEMS = (XenApiFailure, Unanswered, TransferFailed, ComputeError, PluginRefusal)
BROKEN_OFF = "it was broken off when the agent of {host} ended"


def service(host: Host) -> PortFilters:
    """The network service. Conflict: this installation has none."""
    if host.networks is None:
        raise Conflict(f"{host.settings.host} knows no network service.")
    return host.networks


def of_state(instance: Instance, state: DeviceState) -> Vif:
    """The interface that is on its way in or out: one at a time is. NotFound."""
    for vif in instance.vifs:
        if vif.state == state:
            return vif
    raise NotFound(f"No interface of instance {instance.uuid} is {state}.")


def without(instance: Instance, gone: Vif) -> Mapping[str, Any]:
    """The change of an instance that loses an interface."""
    return {"vifs": to_json([vif for vif in instance.vifs if vif.id != gone.id])}


def having(instance: Instance, vif: Vif) -> Mapping[str, Any]:
    """The change of an instance that has an interface now."""
    return {"vifs": to_json([replace(vif, state="attached") if each.id == vif.id else each for each in instance.vifs])}


async def _attach(work: Work) -> Ending:
    """The interface that is ``attaching``. Again is fine. What fails leaves the server without it."""
    host, instance, vif = work.host, work.instance, of_state(work.instance, "attaching")
    vm, networks = host.vm(instance.uuid), service(host)
    try:
        ref = await recipe.attach(host.xapi, host.place, vm.ref, vif, instance.flavor, _follow(host, instance, vif, is_there=True))
    except PROBLEMS as problem:
        await networks.unbind(vif.id)  # not when it is broken off: who is told of it again needs the port
        raise LeftAs(str(problem), without(instance, vif)) from problem
    vm.vifs[vif.id] = ref
    await network_changed(host, instance)
    return Ending(vm.power_state, having(instance, vif))


async def _give_up_attaching(work: Work) -> Ending:
    """Nobody knows how far it has come: it is taken back."""
    host, instance, vif = work.host, work.instance, of_state(work.instance, "attaching")
    await _taken_out(work, vif)
    raise LeftAs(BROKEN_OFF.format(host=host.settings.host), without(instance, vif))


async def _detach(work: Work) -> Ending:
    """The interface that is ``detaching``. Again is fine. What fails leaves it where it is."""
    instance, vif = work.instance, of_state(work.instance, "detaching")
    try:
        await _taken_out(work, vif)
    except PROBLEMS as problem:
        await _keep(work, vif)
        raise LeftAs(str(problem), having(instance, vif)) from problem
    await network_changed(work.host, instance)
    return Ending(work.host.vm(instance.uuid).power_state, without(instance, vif))


async def _taken_out(work: Work, vif: Vif) -> None:
    host, vm, networks = work.host, work.host.vm(work.instance.uuid), service(work.host)
    ref = vm.vifs.pop(vif.id, "")
    await recipe.detach(host.xapi, vm.ref, vif, _follow(host, work.instance, vif, is_there=False), ref)
    await networks.unbind(vif.id)


async def _keep(work: Work, vif: Vif) -> None:
    """Put back what of a detachment has been done; what cannot be is known."""
    host, vm = work.host, work.host.vm(work.instance.uuid)
    follow = _follow(host, work.instance, vif, is_there=True)
    try:
        vm.vifs[vif.id] = await recipe.put_back(host.xapi, host.place, vm.ref, vif, work.instance.flavor, follow)
    except PROBLEMS as problem:
        log.warning("%s: interface %s of %s is not back: %s", host.settings.host, vif.id, work.instance.uuid, problem)


def _follow(host: Host, instance: Instance, vif: Vif, *, is_there: bool) -> Follow | None:
    """How dom0 and a guest that runs get to know of a change; None for one that does not run."""
    vm = host.vm(instance.uuid)
    if vm.power_state != RUNNING:
        return None

    async def follow() -> None:
        guest = _guest(vm, vif, is_there=is_there)
        if host.filters is not None:
            await host.filters.follow(instance.uuid, guest, [] if is_there else [vif])
        elif guest is not None:
            await _tell(host, instance, guest)

    return follow


def _guest(vm: Vm, vif: Vif, *, is_there: bool) -> Guest | None:
    key, value = recipe.told(vif)
    return Guest(vm.last_domid, {key: value if is_there else None}) if vm.last_domid >= 0 else None


async def _tell(host: Host, instance: Instance, guest: Guest) -> None:
    """Without the plugin a guest reads of its interfaces when it starts the next time: the switch is not in need of it."""
    try:
        await Dom0(host.xapi, host.place.host).write_xenstore(guest.domid, guest.values)
    except (PluginMissing, NotFound) as absence:
        log.info("%s: the guest of %s was not told of its interfaces: %s", host.settings.host, instance.uuid, absence)


async def counted(host: Host, instance: Instance) -> Mapping[str, Mapping[str, int]]:
    """What has passed a server's interfaces since they came up, by MAC: one call, where the host's plugin is needed anyway."""
    if host.filters is None:
        return {}
    try:
        passed = await host.filters.dom0.traffic()
    except PluginRefusal as refusal:
        log.info("%s: what has passed interfaces is not told: %s", host.settings.host, refusal)
        return {}
    return {vif.mac: passed[vif.mac] for vif in instance.vifs if vif.mac in passed}


async def filters_changed(work: Work) -> None:
    """Something else may pass the server's ports than before."""
    if work.host.filters is not None:
        work.host.filters.note(work.instance.uuid)


INTERFACES: Mapping[str, Operation] = {
    "attach_interface": _attach,
    "detach_interface": _detach,
}

INTERFACES_RESUMES: Mapping[str, Operation] = {
    "attach_interface": _give_up_attaching,
    "detach_interface": _detach,
}
