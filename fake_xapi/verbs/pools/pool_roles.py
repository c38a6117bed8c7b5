"""Who leads a pool: a new master by arrangement or in an emergency, and members that are told of it."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.lifecycle.upgrade import is_upgrading
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.pools import ha_admission
from fake_xapi.verbs.vms import placement


async def designate_new_master(call: Call, host: Id) -> None:
    """Make a host the master and tell all others. HA_IS_ENABLED [], NOT_SUPPORTED_DURING_UPGRADE [], HOST_NOT_LIVE [],

    CANNOT_CONTACT_HOST [host] for a member that cannot be told.
    """
    ha_admission.assert_off(call.world)
    if is_upgrading(call.world):
        raise Failure("NOT_SUPPORTED_DURING_UPGRADE")
    if not placement.is_live(call.world, call.world[host]):
        raise Failure("HOST_NOT_LIVE")
    for member in sorted(call.world.ids("host")):
        if not call.machines.is_up(member):
            raise Failure("CANNOT_CONTACT_HOST", Handle(member))
    async with call.operating((POOL, "designate_new_master")):
        await call.takes("pool.designate_new_master")
    _lead_from(call, host)
    _tell_all(call)


def _lead_from(call: Call, host: Id) -> None:
    old = call.world[POOL]["master"]
    if host == old:
        return
    call.machines.lead_from(host)
    with call.world.edit() as edit:
        edit.set(POOL, master=host)
    call.announce("POOL_MASTER_TRANSITION", host, f"Server {call.world[host]['name_label']} is now the pool's master")


def _tell_all(call: Call) -> list[Id]:
    """Tell every host that can be reached who the master is; returns those that did not know."""
    told = [host for host in sorted(call.world.ids("host")) if call.machines.is_up(host) and not call.machines.obeys(host)]
    for host in told:
        call.machines.tell_master(host)
    return told


def elect(call: Call) -> None:
    """Let the surviving hosts agree on a new master among them."""
    survivors = [host for host in sorted(call.world.ids("host")) if call.machines.is_up(host)]
    if survivors:
        _lead_from(call, survivors[0])
        _tell_all(call)


def emergency_transition_to_master(call: Call) -> None:
    """Make the host that is called the master, whatever became of the old one. HA_IS_ENABLED []."""
    ha_admission.assert_off(call.world)
    _lead_from(call, call.host)


def emergency_reset_master(call: Call, address: str) -> None:
    """Let the host that is called regard the host at an address as its master. HA_IS_ENABLED []."""
    ha_admission.assert_off(call.world)
    call.machines.set_master_of_caller(address)


def recover_slaves(call: Call) -> list[Id]:
    """Tell hosts that still wait for another master about this one; returns them. HA_IS_ENABLED []."""
    ha_admission.assert_off(call.world)
    return _tell_all(call)


def is_slave(call: Call, host: Id) -> bool:
    """Whether a host is not the pool's master."""
    pool = call.world.get(POOL)
    return pool is not None and pool["master"] != host


def hello(call: Call, uuid: str, address: str) -> str:
    """Hear from a host that it is there, and at which address."""
    host = call.world.by_uuid("host", uuid)
    if not host:
        return "unknown_host"
    if not call.machines.is_up(host):
        return "cannot_talk_back"
    with call.world.edit() as edit:
        edit.set(host, address=address)
        edit.set(edit[host]["metrics"], live=True, last_updated=call.now())
    return "ok"


VERBS: Mapping[str, Verb] = {
    "pool.designate_new_master": designate_new_master,
    "pool.emergency_transition_to_master": emergency_transition_to_master,
    "pool.emergency_reset_master": emergency_reset_master,
    "pool.recover_slaves": recover_slaves,
    "pool.is_slave": is_slave,
    "pool.hello": hello,
}
