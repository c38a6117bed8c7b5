"""Every verb by the name of its message. A message without a verb here that no field implies is answered NOT_IMPLEMENTED."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.verbs import (
    bond,
    console,
    host,
    management,
    network,
    network_sriov,
    pbd,
    pif,
    pif_addresses,
    plugging,
    pool,
    sr,
    tunnel,
    upkeep,
    vbd,
    vdi,
    vif,
    vlan,
    vm_copies,
    vm_life,
    vm_power,
    vm_provisioning,
    vm_queries,
    vm_restoring,
    vm_settings,
)
from fake_xapi.verbs.call import Verb

VERBS: Mapping[str, Verb] = {
    **upkeep.UPKEEP,
    **pool.VERBS,
    **host.VERBS,
    **management.VERBS,
    **vm_life.VERBS,
    **vm_power.VERBS,
    **vm_copies.VERBS,
    **vm_provisioning.VERBS,
    **vm_restoring.VERBS,
    **vm_settings.VERBS,
    **vm_queries.VERBS,
    **vbd.VERBS,
    **vdi.VERBS,
    **vif.VERBS,
    **vlan.VERBS,
    **bond.VERBS,
    **sr.VERBS,
    **tunnel.VERBS,
    **pbd.VERBS,
    **network.VERBS,
    **network_sriov.VERBS,
    **pif.VERBS,
    **pif_addresses.VERBS,
    **plugging.VERBS,
    **console.VERBS,
}
