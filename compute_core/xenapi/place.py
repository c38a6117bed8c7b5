"""Where an agent works: its host, the SR for disks, the networks by bridge. Learnt once, with one call, when the agent starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from compute_core.model.errors import HostUnreachable
from compute_core.xenapi.session import Session

Record = Mapping[str, Any]
Records = Mapping[str, Record]

CLASSES = ["host", "host_metrics", "pool", "pbd", "sr", "network"]
NULL = "OpaqueRef:NULL"
NO_DISKS = frozenset({"iso", "udev"})
"""Content types and types of SRs that hold no disks of VMs."""


@dataclass(frozen=True, slots=True)
class Place:
    """Refs and facts of one host that do not change while it is up.

    ``locks_vifs``: the host may keep VIFs to their addresses. ``rxtx_base_kib_s``: what one may send of a flavor with the factor 1, 0: as
    much as it likes. ``is_alone``: the pool, whose uuid is ``pool``, has no other host; ``is_master``: it leads it. ``token`` is where
    events of what changes begin, ``initiator`` the host's name in iSCSI.
    """

    host: str
    sr: str
    networks: Mapping[str, str]
    uuid: str
    hostname: str
    address: str
    version: str
    vcpus: int
    cpu_model: str
    memory_bytes: int
    sr_bytes: int
    supports_hvm: bool
    is_alone: bool
    token: str
    pool: str = ""
    is_master: bool = True
    initiator: str = ""
    locks_vifs: bool = False
    rxtx_base_kib_s: int = 0


async def learn(session: Session, url: str) -> Place:
    """Look around the host that ``url`` dials. HostUnreachable when the pool has no such host, or no SR for disks on it."""
    batch = await session.call("event.from", CLASSES, "", 0.0)
    tables: dict[str, dict[str, Record]] = {cls: {} for cls in CLASSES}
    for event in batch["events"]:
        if event["operation"] != "del" and event["class"].lower() in tables:
            tables[event["class"].lower()][event["ref"]] = event["snapshot"]
    host = await _this_host(session, url, tables["host"])
    record, sr = tables["host"][host], disk_sr(host, tables["pool"], tables["pbd"], tables["sr"])
    return Place(
        host=host,
        sr=sr,
        networks={network["bridge"]: ref for ref, network in tables["network"].items()},
        uuid=record["uuid"],
        hostname=record["hostname"] or record["name_label"],
        address=record["address"],
        version=record["software_version"].get("product_version") or record["software_version"].get("platform_version", ""),
        vcpus=int(record["cpu_info"].get("cpu_count", 0)),
        cpu_model=record["cpu_info"].get("modelname", ""),
        memory_bytes=tables["host_metrics"].get(record["metrics"], {"memory_total": 0})["memory_total"],
        sr_bytes=tables["sr"][sr]["physical_size"],
        supports_hvm=any("hvm" in capability for capability in record["capabilities"]),
        is_alone=len(tables["host"]) == 1,
        token=batch["token"],
        pool=next((pool["uuid"] for pool in tables["pool"].values()), ""),
        locks_vifs=record["license_params"].get("restrict_vif_locking") == "false",
        is_master=any(pool["master"] == host for pool in tables["pool"].values()),
        initiator=record.get("iscsi_iqn") or record["other_config"].get("iscsi_iqn", ""),
    )


async def _this_host(session: Session, url: str, hosts: Records) -> str:
    """The only host, the one that the URL dials, or the one that the session is on. Behind a master it is none of these but the second."""
    dialled = urlsplit(url).hostname
    is_elsewhere = urlsplit(session.url).hostname != dialled
    for candidates in ([] if is_elsewhere else list(hosts), [ref for ref, host in hosts.items() if host["address"] == dialled]):
        if len(candidates) == 1:
            return candidates[0]
    if is_elsewhere:
        raise HostUnreachable(f"{url} leads to a pool that does not know the host, which may be about to leave it.")
    ref: str = await session.call("session.get_this_host", await session.ref())
    if ref not in hosts:
        raise HostUnreachable(f"{url} does not say which of its {len(hosts)} hosts it is.")
    return ref


def disk_sr(host: str, pools: Records, pbds: Records, srs: Records) -> str:
    """The pool's default SR when it is plugged here; else the roomiest one that is plugged here and may hold disks."""
    plugged = {pbd["SR"] for pbd in pbds.values() if pbd["host"] == host and pbd["currently_attached"]}
    default = _default_srs(pools.values()) & plugged
    usable = default or {ref for ref in plugged if NO_DISKS.isdisjoint({srs[ref]["type"], srs[ref]["content_type"]})}
    if not usable:
        raise HostUnreachable("The host has no SR for disks. Cure: plug a PBD of one, or name the pool's default_SR.")
    return max(usable, key=lambda ref: (srs[ref]["physical_size"], srs[ref]["uuid"]))


def _default_srs(pools: Iterable[Record]) -> set[str]:
    return {pool["default_SR"] for pool in pools if pool["default_SR"] != NULL}
