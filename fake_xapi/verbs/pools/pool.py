"""The verbs of pool that only change settings; those that change its shape are in ``pool_join``, ``pool_roles`` and ``pool_ha``."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.setters import drops, puts, writes


def sync_database(call: Call) -> None:
    """Copy the database to all hosts: here they share it anyway."""


def has_extension(call: Call, pool: Id, name: str) -> bool:
    """Whether a script extends the API with that name on every host."""
    return name in call.plugins.extensions


def set_vswitch_controller(call: Call, address: str) -> None:
    """Set the controller of the hosts' switches."""
    with call.world.edit() as edit:
        edit.set(POOL, vswitch_controller=address)


VERBS: Mapping[str, Verb] = {
    "pool.sync_database": sync_database,
    "pool.has_extension": has_extension,
    "pool.set_vswitch_controller": set_vswitch_controller,
    "pool.set_igmp_snooping_enabled": writes("igmp_snooping_enabled"),
    "pool.set_uefi_certificates": writes("uefi_certificates"),
    "pool.set_custom_uefi_certificates": writes("custom_uefi_certificates"),
    "pool.set_local_auth_max_threads": writes("local_auth_max_threads"),
    "pool.set_ext_auth_max_threads": writes("ext_auth_max_threads"),
    "pool.add_to_guest_agent_config": puts("guest_agent_config"),
    "pool.remove_from_guest_agent_config": drops("guest_agent_config"),
}
