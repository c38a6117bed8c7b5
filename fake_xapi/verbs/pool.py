"""The verbs of pool: a pool of one host, or of hosts that were joined before the world began."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.setters import drops, puts, writes


def sync_database(call: Call) -> None:
    """Copy the database to all hosts: they share it."""


def is_slave(call: Call, host: Id) -> bool:
    """Whether a host is not the pool's master."""
    pool = call.world.get(POOL)
    return pool is not None and pool["master"] != host


def recover_slaves(call: Call) -> list[Id]:
    """Hosts that were told of a new master: all know it."""
    return []


def has_extension(call: Call, pool: Id, name: str) -> bool:
    """Whether a script extends the API by that name on every host."""
    return name in call.plugins.extensions


def set_vswitch_controller(call: Call, address: str) -> None:
    """The controller of the hosts' switches."""
    with call.world.edit() as edit:
        edit.set(POOL, vswitch_controller=address)


def set_ha_host_failures_to_tolerate(call: Call, pool: Id, value: int) -> None:
    """How many hosts may fail; INVALID_VALUE ["ha_host_failures_to_tolerate", v] below 0."""
    if value < 0:
        raise Failure("INVALID_VALUE", "ha_host_failures_to_tolerate", str(value))
    with call.world.edit() as edit:
        edit.set(pool, ha_host_failures_to_tolerate=value)


def ha_compute_max_host_failures_to_tolerate(call: Call) -> int:
    """How many hosts could fail without a protected VM staying down: all but one."""
    return max(0, call.world.count("host") - 1)


def disable_ha(call: Call) -> None:
    """Refused while it is off, which it always is."""
    raise Failure("HA_NOT_ENABLED")


def designate_new_master(call: Call, host: Id) -> None:
    """Make another host the master."""
    if call.world.get(host) is None:
        raise Failure("HANDLE_INVALID", "host", Handle(host))
    with call.world.edit() as edit:
        edit.set(POOL, master=host)


VERBS: Mapping[str, Verb] = {
    "pool.sync_database": sync_database,
    "pool.is_slave": is_slave,
    "pool.recover_slaves": recover_slaves,
    "pool.has_extension": has_extension,
    "pool.set_vswitch_controller": set_vswitch_controller,
    "pool.set_ha_host_failures_to_tolerate": set_ha_host_failures_to_tolerate,
    "pool.ha_compute_max_host_failures_to_tolerate": ha_compute_max_host_failures_to_tolerate,
    "pool.disable_ha": disable_ha,
    "pool.designate_new_master": designate_new_master,
    "pool.set_igmp_snooping_enabled": writes("igmp_snooping_enabled"),
    "pool.set_uefi_certificates": writes("uefi_certificates"),
    "pool.set_custom_uefi_certificates": writes("custom_uefi_certificates"),
    "pool.set_telemetry_next_collection": writes("telemetry_next_collection"),
    "pool.set_local_auth_max_threads": writes("local_auth_max_threads"),
    "pool.set_ext_auth_max_threads": writes("ext_auth_max_threads"),
    "pool.add_to_guest_agent_config": puts("guest_agent_config"),
    "pool.remove_from_guest_agent_config": drops("guest_agent_config"),
}
