"""What a host's agent has to do with the agents in its guests: it tells them what they are to know when they boot, and what users ask for.

A guest's agent is nothing to rely on: what it does not do is noted, and is no failure unless the installation says so.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from compute_core.compute.work import Host
from compute_core.model.errors import Conflict
from compute_core.model.images import Image
from compute_core.model.instances import RUNNING, Instance
from compute_core.model.transitions import is_unshelving
from compute_core.xenapi import guest_agent
from compute_core.xenapi.errors import Unanswered, XenApiFailure
from compute_core.xenapi.guest_agent import Errand
from compute_core.xenapi.guest_agent_rules import Terms, terms_of
from compute_core.xenapi.guest_agent_secrets import sealed_for
from compute_core.xenapi.plugins import PluginRefusal

log = logging.getLogger(__name__)

SILENCE = (PluginRefusal, XenApiFailure, Unanswered, Conflict)
"""Why a guest could not be told something."""


@dataclass(frozen=True, slots=True)
class Told:
    """What came of telling a guest: members of its server that are different now, and what there is to say of it."""

    changes: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    is_mute: bool = False


UNTOLD = Told()
"""There was nobody to tell."""


async def first_told(host: Host, vm: str, instance: Instance, image: Image, password: str) -> Told:
    """Tell a guest that boots from this image for the first time: password, key, files, network; its agent is updated."""
    return await told_on(host, vm, instance, terms_of(image), password)


async def told_on(host: Host, vm: str, instance: Instance, terms: Terms, password: str) -> Told:
    """As ``first_told``, where the terms are known. A server that is unshelved has all but its network."""
    waits_s, key = host.settings.guest_agents.boot_s, instance.key_data or ""
    if is_unshelving(instance):
        return await _told(host, vm, instance, terms, Errand(waits_s, resets_network=True))
    return await _told(host, vm, instance, terms, Errand(waits_s, password, key, instance.personality, resets_network=True, updates=True))


async def rescuer_told(host: Host, vm: str, instance: Instance, image: Image, password: str) -> Told:
    """Tell the guest that stands in for a server; its password is not the server's."""
    errand = Errand(host.settings.guest_agents.boot_s, password, instance.key_data or "", resets_network=True)
    return replace(await _told(host, vm, instance, terms_of(image), errand), changes={})


async def _told(host: Host, vm: str, instance: Instance, terms: Terms, errand: Errand) -> Told:
    rules = host.settings.guest_agents
    if not terms.hold(rules):
        return UNTOLD
    try:
        async with host.guest_turns.held(vm):
            heard = await guest_agent.introduce(host.xapi, host.place, vm, errand, terms, rules)
    except SILENCE as problem:
        log.warning("%s: the guest of %s was not told: %s", host.settings.host, instance.uuid, problem)
        return Told(note=f"The guest was not told: {problem}", is_mute=True)
    for complaint in heard.complaints:
        log.warning("%s: the guest of %s: %s", host.settings.host, instance.uuid, complaint)
    return Told(_kept(instance, errand.password) if heard.password_is_set else {}, "; ".join(heard.complaints))


def _kept(instance: Instance, password: str) -> dict[str, str]:
    """A password is kept for the owner of the server's key alone."""
    sealed = sealed_for(instance.key_data, password)
    return {"encrypted_password": sealed} if sealed else {}


async def network_changed(host: Host, instance: Instance) -> None:
    """Have a guest that runs, and has an agent, set up its network anew as it is written in xenstore now: one call. Never fails."""
    rules, vm = host.settings.guest_agents, host.vms.get(instance.uuid)
    if vm is None or vm.power_state != RUNNING or vm.last_domid < 0 or not vm.terms.hold(rules):
        return
    try:
        async with host.guest_turns.held(vm.ref):
            await guest_agent.reset_network_in(host.xapi, host.place, vm.last_domid, rules)
    except SILENCE as problem:
        log.warning("%s: the guest of %s was not told of its network: %s", host.settings.host, instance.uuid, problem)
