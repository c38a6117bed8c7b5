"""The reasons why a host may not join a pool, in the order in which XAPI checks them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fake_xapi.datamodel.failure import Failure
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.ids import Id
from fake_xapi.state.row import Row
from fake_xapi.state.world import World

RESTRICTED_POOL_SIZE = 3
_UPGRADING = "rolling_upgrade_in_progress"


@dataclass(frozen=True, slots=True)
class Joining:
    """A host that wants to join, and the pool's master, each with its world."""

    mine: World
    me: Id
    theirs: World
    master: Id

    @property
    def my_row(self) -> Row:
        """The host that wants to join."""
        return self.mine[self.me]

    @property
    def master_row(self) -> Row:
        """Its prospective master."""
        return self.theirs[self.master]

    @property
    def software(self) -> tuple[dict[str, str], dict[str, str]]:
        """The software versions of both, the joining host's first."""
        return self.my_row["software_version"], self.master_row["software_version"]


Check = Callable[[Joining], Failure | None]


def _pooling_is_restricted(joining: Joining) -> Failure | None:
    is_restricted = joining.my_row["license_params"].get("restrict_pooling") == "true"
    return Failure("LICENCE_RESTRICTION", "Pooling") if is_restricted else None


def _pool_is_full(joining: Joining) -> Failure | None:
    is_restricted = joining.my_row["license_params"].get("restrict_pool_size") == "true"
    return Failure("LICENCE_RESTRICTION", "Pool_size") if is_restricted and joining.theirs.count("host") >= RESTRICTED_POOL_SIZE else None


def _has_no_management(joining: Joining) -> Failure | None:
    return None if management(joining.mine, joining.me) is not None else Failure("HOST_STILL_BOOTING")


def _ha_is_on(joining: Joining) -> Failure | None:
    pools = (joining.mine[POOL], joining.theirs[POOL])
    return Failure("HA_IS_ENABLED") if any(pool["ha_enabled"] for pool in pools) else None


def _is_clustered(joining: Joining) -> Failure | None:
    """CLUSTER_ALREADY_EXISTS [] for a host that has a cluster of its own."""
    mine = list(joining.mine.ids("Cluster"))
    return Failure("CLUSTER_ALREADY_EXISTS") if mine else None


def _upgrade_is_on(joining: Joining) -> Failure | None:
    is_on = _UPGRADING in joining.theirs[POOL]["other_config"]
    return Failure("NOT_SUPPORTED_DURING_UPGRADE") if is_on else None


def _joins_itself(joining: Joining) -> Failure | None:
    if joining.mine.uuid(joining.me) != joining.theirs.uuid(joining.master):
        return None
    several = joining.mine.count("host") > 1
    return Failure("OPERATION_NOT_ALLOWED", "Host is already part of a pool" if several else "Host cannot become slave of itself")


def _leads_others(joining: Joining) -> Failure | None:
    return Failure("JOINING_HOST_CANNOT_BE_MASTER_OF_OTHER_HOSTS") if joining.mine.count("host") > 1 else None


def _runs_vms(joining: Joining) -> Failure | None:
    running = any(row["power_state"] == "Running" and not row["is_control_domain"] for _, row in joining.mine.rows("VM"))
    return Failure("JOINING_HOST_CANNOT_HAVE_RUNNING_VMS") if running else None


def _vms_are_busy(joining: Joining) -> Failure | None:
    is_busy = any(row["current_operations"] for _, row in joining.mine.rows("VM"))
    return Failure("JOINING_HOST_CANNOT_HAVE_VMS_WITH_CURRENT_OPERATIONS") if is_busy else None


def _has_mandatory_guidance(joining: Joining) -> Failure | None:
    """Refuse while updates on the host or in the pool are only half applied."""
    code = "HOST_PENDING_MANDATORY_GUIDANCE_NOT_EMPTY"
    for world, host in ((joining.mine, joining.me), (joining.theirs, joining.master)):
        if world[host]["pending_guidances"]:
            return Failure(code, world.ref(host))
    return None


def _is_incompatible(joining: Joining) -> Failure | None:
    """Refuse different software: the release of 2011 compares products, later ones platforms."""
    if joining.mine.personality.era == "boston":
        versions = {software.get("product_version") for software in joining.software}
        return Failure("POOL_JOINING_HOST_MUST_HAVE_SAME_PRODUCT_VERSION") if len(versions) > 1 else None
    mine, theirs = ((software.get("platform_version"), _product(software)) for software in joining.software)
    return Failure("HOSTS_NOT_COMPATIBLE") if mine != theirs else None


def _is_different(joining: Joining) -> Failure | None:
    if _build(joining.software[0]) != _build(joining.software[1]):
        return Failure("HOSTS_NOT_HOMOGENEOUS", "Software version differs")
    vendors = (joining.my_row["cpu_info"].get("vendor"), joining.master_row["cpu_info"].get("vendor"))
    return Failure("HOSTS_NOT_HOMOGENEOUS", "CPUs differ") if vendors[0] != vendors[1] else None


def _product(software: dict[str, str]) -> str | None:
    return software.get("product_brand", software.get("platform_name"))


def _build(software: dict[str, str]) -> tuple[str, str | None, str, bool]:
    return software.get("platform_version", ""), _product(software), software.get("git_id", ""), "xs:linux" in software


def _shares_storage(joining: Joining) -> Failure | None:
    shared = any(row["shared"] and not row["is_tools_sr"] for _, row in joining.mine.rows("SR"))
    return Failure("JOINING_HOST_CANNOT_CONTAIN_SHARED_SRS") if shared else None


def _has_any(cls: str, code: str) -> Check:
    return lambda joining: Failure(code) if joining.mine.count(cls) else None


def _is_managed_over_no_nic(joining: Joining) -> Failure | None:
    """Require management over a NIC in the releases of 2012 and before, which cannot rebuild anything else."""
    mine = management(joining.mine, joining.me)
    is_bad = mine is not None and not mine["physical"] and joining.mine.personality.era != "modern"
    return Failure("POOL_JOINING_HOST_MUST_HAVE_PHYSICAL_MANAGEMENT_NIC") if is_bad else None


def _has_other_vlans(joining: Joining) -> Failure | None:
    untagged = (joining.mine[row["untagged_PIF"]] for _, row in joining.mine.rows("VLAN"))
    return Failure("POOL_JOINING_HOST_HAS_NON_MANAGEMENT_VLANS") if any(not pif["management"] for pif in untagged) else None


def _is_managed_on_another_vlan(joining: Joining) -> Failure | None:
    mine, theirs = management(joining.mine, joining.me), management(joining.theirs, joining.master)
    if mine is None or theirs is None or mine["VLAN"] == theirs["VLAN"]:
        return None
    return Failure("POOL_JOINING_HOST_MANAGEMENT_VLAN_DOES_NOT_MATCH", str(mine["VLAN"]), str(theirs["VLAN"]))


def _authenticates_elsewhere(joining: Joining) -> Failure | None:
    fields = ("external_auth_type", "external_auth_service_name")
    is_same = all(joining.my_row[field] == joining.master_row[field] for field in fields)
    return None if is_same else Failure("POOL_JOINING_EXTERNAL_AUTH_MISMATCH")


def _is_licensed_otherwise(joining: Joining) -> Failure | None:
    mine, pool = joining.my_row["edition"], sorted({row["edition"] for _, row in joining.theirs.rows("host")})
    if all(edition == mine for edition in pool):
        return None
    return Failure("LICENSE_HOST_POOL_MISMATCH", f'host edition = "{mine}"', f'pool edition = "{pool[0]}"')


def _switches_otherwise(joining: Joining) -> Failure | None:
    mine, theirs = (software.get("network_backend", "bridge") for software in joining.software)
    return Failure("OPERATION_NOT_ALLOWED", "Network backends differ") if mine != theirs else None


def _speaks_another_api(joining: Joining) -> Failure | None:
    mine, theirs = (f"{row['API_version_major']}.{row['API_version_minor']}" for row in (joining.my_row, joining.master_row))
    return Failure("POOL_JOINING_HOST_MUST_HAVE_SAME_API_VERSION", mine, theirs) if mine != theirs else None


def _has_another_schema(joining: Joining) -> Failure | None:
    """Refuse another database schema; releases that do not report theirs have to be identical in everything else."""
    mine, theirs = (software.get("db_schema", "") for software in joining.software)
    return Failure("POOL_JOINING_HOST_MUST_HAVE_SAME_DB_SCHEMA", mine, theirs) if mine != theirs else None


def _verifies_otherwise(joining: Joining) -> Failure | None:
    mine, theirs = (world[POOL]["tls_verification_enabled"] for world in (joining.mine, joining.theirs))
    return Failure("POOL_JOINING_HOST_TLS_VERIFICATION_MISMATCH") if mine != theirs else None


def _has_other_updates(joining: Joining) -> Failure | None:
    mine, theirs = _enforced_updates(joining.mine, joining.me), _enforced_updates(joining.theirs, joining.master)
    names = joining.my_row["name_label"], joining.master_row["name_label"]
    reason = f"Updates on local host {names[0]} and pool host {names[1]} differ"
    return Failure("HOSTS_NOT_HOMOGENEOUS", reason) if mine != theirs else None


def _enforced_updates(world: World, host: Id) -> set[str]:
    updates = world.rows("pool_update")
    return {world.uuid(update) for update, row in updates if row["enforce_homogeneity"] and host in row["hosts"]}


def _has_addresses_of_another_kind(joining: Joining) -> Failure | None:
    mine, theirs = management(joining.mine, joining.me), management(joining.theirs, joining.master)
    is_same = mine is None or theirs is None or mine["primary_address_type"] == theirs["primary_address_type"]
    return None if is_same else Failure("OPERATION_NOT_ALLOWED", "Primary address type differs")


def _serves_blocks_otherwise(joining: Joining) -> Failure | None:
    mine, theirs = _nbd_purposes(joining.mine), _nbd_purposes(joining.theirs)
    is_same = not mine or not theirs or mine == theirs
    return None if is_same else Failure("OPERATION_NOT_ALLOWED", "Incompatible network purposes: nbd and insecure_nbd")


def _nbd_purposes(world: World) -> set[str]:
    return {purpose for _, row in world.rows("network") for purpose in row["purpose"] if purpose in ("nbd", "insecure_nbd")}


def management(world: World, host: Id) -> Row | None:
    """The PIF over which a host is managed."""
    return next((world[pif] for pif in world[host]["PIFs"] if world[pif]["management"]), None)


CHECKS: tuple[Check, ...] = (
    _pooling_is_restricted,
    _pool_is_full,
    _has_no_management,
    _ha_is_on,
    _is_clustered,
    _upgrade_is_on,
    _joins_itself,
    _leads_others,
    _runs_vms,
    _vms_are_busy,
    _has_mandatory_guidance,
    _is_incompatible,
    _is_different,
    _shares_storage,
    _is_managed_over_no_nic,
    _has_any("Bond", "POOL_JOINING_HOST_HAS_BONDS"),
    _has_any("tunnel", "POOL_JOINING_HOST_HAS_TUNNELS"),
    _has_any("network_sriov", "POOL_JOINING_HOST_HAS_NETWORK_SRIOVS"),
    _has_other_vlans,
    _is_managed_on_another_vlan,
    _authenticates_elsewhere,
    _is_licensed_otherwise,
    _switches_otherwise,
    _speaks_another_api,
    _has_another_schema,
    _verifies_otherwise,
    _has_other_updates,
    _has_addresses_of_another_kind,
    _serves_blocks_otherwise,
)
"""In XAPI's order. A release checks nothing for which it has no error."""
FORGIVEN: frozenset[Check] = frozenset({_is_different})
"""What ``join_force`` ignores."""


def refusal(joining: Joining, *, is_forced: bool) -> Failure | None:
    """The first reason why a host may not join."""
    known = joining.mine.personality.errors
    found = (check(joining) for check in CHECKS if not (is_forced and check in FORGIVEN))
    return next((failure for failure in found if failure is not None and failure.code in known), None)
