"""The verbs by which a pool is kept up: patches, updates, licences, certificates, services of its hosts, and what is seldom used."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.verbs import host_updates, licence, pool_patch, pool_update, repositories
from fake_xapi.verbs.call import Verb

UPKEEP: Mapping[str, Verb] = {
    **pool_patch.VERBS,
    **pool_update.VERBS,
    **repositories.VERBS,
    **host_updates.VERBS,
    **licence.VERBS,
}
