"""The verbs by which a pool is kept up: patches, updates, licences, certificates, services of its hosts, and what is seldom used."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.verbs import observers
from fake_xapi.verbs.access import certificates, server_certificates, trusted_certificates
from fake_xapi.verbs.call import Verb
from fake_xapi.verbs.devices import pvs
from fake_xapi.verbs.hosts import cpu_masks, host_access, host_clock, host_diagnostics, host_hardware
from fake_xapi.verbs.pools import cluster, pool_settings, pool_storage, wlb
from fake_xapi.verbs.updates import host_updates, licence, pool_patch, pool_update, repositories
from fake_xapi.verbs.vms import crashdumps, secure_boot

UPKEEP: Mapping[str, Verb] = {
    **pool_patch.VERBS,
    **pool_update.VERBS,
    **repositories.VERBS,
    **host_updates.VERBS,
    **licence.VERBS,
    **certificates.VERBS,
    **server_certificates.VERBS,
    **trusted_certificates.VERBS,
    **host_access.VERBS,
    **host_clock.VERBS,
    **host_hardware.VERBS,
    **host_diagnostics.VERBS,
    **pool_settings.VERBS,
    **pool_storage.VERBS,
    **wlb.VERBS,
    **crashdumps.VERBS,
    **pvs.VERBS,
    **observers.VERBS,
    **cluster.VERBS,
    **secure_boot.VERBS,
    **cpu_masks.VERBS,
}
