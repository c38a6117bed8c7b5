"""Services of an SR besides its disks: suitability for HA and disaster recovery, and measurements."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.lifecycle.storage_types import driver_features
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.disks import databases, storage, vdi_disks
from fake_xapi.verbs.vms.data_sources import forget_data_source_archives, get_data_sources, query_data_source, record_data_source

_DATABASE = "Metadata for DR"
_DATABASE_BYTES = 256 << 20


def _assert_seen_by_all(call: Call, sr: Id) -> None:
    """Raise SR_HAS_NO_PBDS [sr] unless every host is connected."""
    links = [call.world[pbd] for pbd in call.world[sr]["PBDs"]]
    connected = {link["host"] for link in links if link["currently_attached"]}
    if any(host not in connected for host in call.world.ids("host")):
        raise Failure("SR_HAS_NO_PBDS", Handle(sr))


def _assert_feature(call: Call, sr: Id, feature: str) -> None:
    if feature not in driver_features(call.world[sr]["type"], call.world.personality.era):
        raise Failure("SR_OPERATION_NOT_SUPPORTED", Handle(sr))


def assert_can_host_ha_statefile(call: Call, sr: Id) -> None:
    """Raise why no statefile can be put there: SR_NOT_SHARABLE [sr, host], SR_HAS_NO_PBDS [sr], SR_OPERATION_NOT_SUPPORTED [sr]."""
    hosts = sorted(call.world.ids("host"))
    if not call.world[sr]["shared"]:
        raise Failure("SR_NOT_SHARABLE", Handle(sr), Handle(hosts[-1]))
    _assert_seen_by_all(call, sr)
    _assert_feature(call, sr, "VDI_GENERATE_CONFIG")


def assert_supports_database_replication(call: Call, sr: Id) -> None:
    """Raise the reason why the pool's database cannot be kept there: SR_HAS_NO_PBDS [sr], SR_OPERATION_NOT_SUPPORTED [sr]."""
    _assert_seen_by_all(call, sr)
    _assert_feature(call, sr, "SR_METADATA")


async def enable_database_replication(call: Call, sr: Id) -> None:
    """Keep a copy of the pool's database in the SR from now on. Idempotent."""
    assert_supports_database_replication(call, sr)
    if databases_of_this_pool(call, sr):
        return
    async with call.operating((sr, "vdi_create")):
        await call.takes("VDI.create")
        with call.world.edit() as edit:
            fields = {"name_label": _DATABASE, "name_description": "Used for disaster recovery", "type": "metadata"}
            vdi = vdi_disks.create_disk(call, edit, sr, _DATABASE_BYTES, **fields, metadata_of_pool=POOL, metadata_latest=True)
    databases.replicate(call, vdi)


def databases_of_this_pool(call: Call, sr: Id) -> list[Id]:
    """The disks of an SR that hold this pool's database."""
    rows = ((vdi, call.world[vdi]) for vdi in call.world[sr]["VDIs"])
    return [vdi for vdi, row in rows if row["type"] == "metadata" and row["metadata_of_pool"] == POOL]


async def disable_database_replication(call: Call, sr: Id) -> None:
    """Stop copying the database, and destroy the copy."""
    for vdi in databases_of_this_pool(call, sr):
        async with call.operating((sr, "vdi_destroy")):
            await call.takes("VDI.destroy")
            with call.world.edit() as edit:
                storage.drop_vdi(call, edit, vdi)


VERBS: Mapping[str, Verb] = {
    "SR.assert_can_host_ha_statefile": assert_can_host_ha_statefile,
    "SR.assert_supports_database_replication": assert_supports_database_replication,
    "SR.enable_database_replication": enable_database_replication,
    "SR.disable_database_replication": disable_database_replication,
    "SR.get_data_sources": get_data_sources,
    "SR.query_data_source": query_data_source,
    "SR.record_data_source": record_data_source,
    "SR.forget_data_source_archives": forget_data_source_archives,
}
