"""Every verb by the name of its message. A message without a verb here that follows from no field is answered NOT_IMPLEMENTED."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.verbs import blob
from fake_xapi.verbs.access import external_auth, role, secret, subject
from fake_xapi.verbs.archives import recovery
from fake_xapi.verbs.call import Verb
from fake_xapi.verbs.devices import pci, pgpu, usb, vgpu
from fake_xapi.verbs.disks import auto_scan, pbd, sr, sr_services, vbd, vdi, vdi_content, vdi_tracking
from fake_xapi.verbs.hosts import host, host_enabling, host_evacuation, host_power, host_records, host_storage
from fake_xapi.verbs.migrations import migration, migration_arrival, pool_migration
from fake_xapi.verbs.networks import bond, management, network, network_sriov, pif, pif_addresses, plugging, tunnel, vif, vlan
from fake_xapi.verbs.pools import pool, pool_ha, pool_internal, pool_join, pool_roles
from fake_xapi.verbs.updates import upkeep
from fake_xapi.verbs.vms import (
    console,
    vm_appliance,
    vm_bios,
    vm_copies,
    vm_groups,
    vm_life,
    vm_plugins,
    vm_power,
    vm_provisioning,
    vm_queries,
    vm_rarities,
    vm_restoring,
    vm_settings,
    vmpp,
    vmss,
    vtpm,
)

VERBS: Mapping[str, Verb] = {
    **upkeep.UPKEEP,
    **pool.VERBS,
    **pool_join.VERBS,
    **pool_roles.VERBS,
    **pool_ha.VERBS,
    **pool_internal.VERBS,
    **host.VERBS,
    **host_storage.VERBS,
    **host_enabling.VERBS,
    **host_evacuation.VERBS,
    **host_power.VERBS,
    **host_records.VERBS,
    **management.VERBS,
    **vm_appliance.VERBS,
    **vmpp.VERBS,
    **vmss.VERBS,
    **vm_life.VERBS,
    **vm_power.VERBS,
    **pool_migration.VERBS,
    **recovery.VERBS,
    **migration_arrival.VERBS,
    **migration.VERBS,
    **vm_copies.VERBS,
    **vm_rarities.VERBS,
    **vm_provisioning.VERBS,
    **vm_restoring.VERBS,
    **vm_settings.VERBS,
    **vm_bios.VERBS,
    **vm_groups.VERBS,
    **vtpm.VERBS,
    **vm_queries.VERBS,
    **vm_plugins.VERBS,
    **vbd.VERBS,
    **vdi.VERBS,
    **vgpu.VERBS,
    **vdi_content.VERBS,
    **vdi_tracking.VERBS,
    **vif.VERBS,
    **vlan.VERBS,
    **bond.VERBS,
    **sr.VERBS,
    **sr_services.VERBS,
    **auto_scan.VERBS,
    **tunnel.VERBS,
    **usb.VERBS,
    **pbd.VERBS,
    **pci.VERBS,
    **pgpu.VERBS,
    **network.VERBS,
    **network_sriov.VERBS,
    **pif.VERBS,
    **pif_addresses.VERBS,
    **plugging.VERBS,
    **console.VERBS,
    **role.VERBS,
    **subject.VERBS,
    **external_auth.VERBS,
    **secret.VERBS,
    **blob.VERBS,
}
