"""Every verb by the name of its message. A message without a verb here that no field implies is answered NOT_IMPLEMENTED."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.verbs import (
    console,
    host,
    network,
    pbd,
    pif,
    pool,
    sr,
    upkeep,
    vbd,
    vdi,
    vif,
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
    **sr.VERBS,
    **pbd.VERBS,
    **network.VERBS,
    **pif.VERBS,
    **console.VERBS,
}
