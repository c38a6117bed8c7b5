"""The verbs by which a pool is kept up: patches, updates, licences, certificates, services of its hosts, and what is seldom used."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.verbs import (
    certificates,
    host_updates,
    licence,
    pool_patch,
    pool_update,
    repositories,
    server_certificates,
    trusted_certificates,
)
from fake_xapi.verbs.call import Verb

UPKEEP: Mapping[str, Verb] = {
    **pool_patch.VERBS,
    **pool_update.VERBS,
    **repositories.VERBS,
    **host_updates.VERBS,
    **licence.VERBS,
    **certificates.VERBS,
    **server_certificates.VERBS,
    **trusted_certificates.VERBS,
}
