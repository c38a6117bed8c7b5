"""Clusters: hosts that agree among themselves on who is present, which shared storage such as gfs2 requires."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.lifecycle.editions import require
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import NULL, Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call, Verb

STACKS: Mapping[str, int] = {"corosync": 3}
"""Cluster stack -> its version."""
CLUSTERED_TYPES = frozenset({"gfs2"})
_ALLOWED = ("add", "remove", "enable", "disable", "destroy")


def create(call: Call, pif: Id, stack: str, auto_join: bool, timeout: float = 20.0, coefficient: float = 1.0) -> Id:
    """Create a cluster with the host of a PIF as its only member.

    LICENCE_RESTRICTION ["Corosync"], CLUSTER_ALREADY_EXISTS [], INVALID_CLUSTER_STACK [stack], INVALID_VALUE [name, value],
    INTERFACE_HAS_NO_IP [pif], REQUIRED_PIF_IS_UNPLUGGED [pif], PIF_ALLOWS_UNPLUG [pif].
    """
    require(call.world, "Corosync")
    if call.world.count("Cluster"):
        raise Failure("CLUSTER_ALREADY_EXISTS")
    if stack not in STACKS:
        raise Failure("INVALID_CLUSTER_STACK", stack)
    for name, value, least in (("token_timeout", timeout, 1.0), ("token_timeout_coefficient", coefficient, 0.65)):
        if value < least:
            raise Failure("INVALID_VALUE", name, f"{value:g}")
    _assert_fit(call.world, pif)
    token = f"{call.chance('clusters').getrandbits(256):064x}"
    with call.world.edit() as edit:
        cluster = edit.create(
            "Cluster", cluster_token=token, cluster_stack=stack, cluster_stack_version=STACKS[stack], pool_auto_join=auto_join,
            token_timeout=timeout, token_timeout_coefficient=coefficient, allowed_operations=_ALLOWED,
        )  # fmt: skip
        _join(call, edit, cluster, call.world[pif]["host"], pif)
    return cluster


def _assert_fit(world: World, pif: Id) -> None:
    """Raise the reason why a cluster cannot depend on a PIF."""
    row = world[pif]
    wrong = (
        (row["ip_configuration_mode"] == "None", "INTERFACE_HAS_NO_IP"),
        (not row["currently_attached"], "REQUIRED_PIF_IS_UNPLUGGED"),
        (not row["disallow_unplug"], "PIF_ALLOWS_UNPLUG"),
    )
    for holds, code in wrong:
        if holds:
            raise Failure(code, Handle(pif))


def _join(call: Call, edit: Edit, cluster: Id, host: Id, pif: Id) -> Id:
    member = edit.create(
        "Cluster_host", cluster=cluster, host=host, PIF=pif, enabled=True, joined=True, live=True, last_update_live=call.now(),
        allowed_operations=("disable", "destroy"),
    )  # fmt: skip
    _count(edit, cluster)
    return member


def _count(edit: Edit, cluster: Id) -> None:
    """Update the number of members, the quorum, and whether the quorum is reached."""
    members = edit[cluster]["cluster_hosts"]
    live, quorum = sum(edit[member]["enabled"] for member in members), len(members) // 2 + 1
    edit.set(cluster, live_hosts=live, expected_hosts=len(members), quorum=quorum, is_quorate=live >= quorum)


def _assert_unused(world: World, cluster: Id, hosts: set[Id] | None = None) -> None:
    """Raise CLUSTER_STACK_IN_USE [stack] when storage that needs the cluster is plugged, anywhere or on given hosts."""
    for _, pbd in world.rows("PBD"):
        needs = pbd["currently_attached"] and world[pbd["SR"]]["type"] in CLUSTERED_TYPES
        if needs and (hosts is None or pbd["host"] in hosts):
            raise Failure("CLUSTER_STACK_IN_USE", world[cluster]["cluster_stack"])


def destroy(call: Call, cluster: Id) -> None:
    """Destroy a cluster of one member. CLUSTER_DOES_NOT_HAVE_ONE_NODE [number], CLUSTER_STACK_IN_USE [stack]."""
    members = call.world[cluster]["cluster_hosts"]
    if len(members) > 1:
        raise Failure("CLUSTER_DOES_NOT_HAVE_ONE_NODE", str(len(members)))
    _assert_unused(call.world, cluster)
    _end(call, cluster)


def _end(call: Call, cluster: Id) -> None:
    with call.world.edit() as edit:
        for member in call.world[cluster]["cluster_hosts"]:
            edit.destroy(member)
        edit.destroy(cluster)


def pool_destroy(call: Call, cluster: Id) -> None:
    """Destroy a cluster with all its members. CLUSTER_STACK_IN_USE [stack], CLUSTERING_DISABLED [cluster_host]."""
    _assert_unused(call.world, cluster)
    for member in call.world[cluster]["cluster_hosts"]:
        if not call.world[member]["enabled"]:
            raise Failure("CLUSTERING_DISABLED", Handle(member))
    _end(call, cluster)


def pool_force_destroy(call: Call, cluster: Id) -> None:
    """Destroy a cluster, whatever the state of its members."""
    _end(call, cluster)


def get_network(call: Call, cluster: Id) -> Id:
    """The network over which its members communicate; NULL when it has none."""
    members = call.world[cluster]["cluster_hosts"]
    return int(call.world[call.world[members[0]]["PIF"]]["network"]) if members else NULL


def _pif(world: World, network: Id, host: Id) -> Id:
    """The PIF of a host on a network; NO_COMPATIBLE_CLUSTER_HOST [host] when it has none."""
    found = next((pif for pif in world[network]["PIFs"] if world[pif]["host"] == host), NULL)
    if not found:
        raise Failure("NO_COMPATIBLE_CLUSTER_HOST", Handle(host))
    return int(found)


def pool_create(call: Call, network: Id, stack: str, timeout: float = 20.0, coefficient: float = 1.0) -> Id:
    """Create a cluster of all hosts over a network, or of none."""
    with call.world.edit():
        cluster = create(call, _pif(call.world, network, call.world[POOL]["master"]), stack, True, timeout, coefficient)
        pool_resync_over(call, cluster, network)
    return cluster


def pool_resync(call: Call, cluster: Id) -> None:
    """Add every host that is not in the cluster."""
    pool_resync_over(call, cluster, get_network(call, cluster))


def pool_resync_over(call: Call, cluster: Id, network: Id) -> None:
    """The same, over a network."""
    with call.world.edit() as edit:
        there = {edit[member]["host"] for member in edit[cluster]["cluster_hosts"]}
        for host in sorted(call.world.ids("host")):
            if host not in there:
                pif = _pif(call.world, network, host)
                _assert_fit(call.world, pif)
                _join(call, edit, cluster, host, pif)


def create_member(call: Call, cluster: Id, host: Id, pif: Id) -> Id:
    """Add a host. PIF_NOT_ATTACHED_TO_HOST [pif, host], NO_CLUSTER_HOSTS_REACHABLE [cluster], and faults of the PIF."""
    world = call.world
    if world[pif]["host"] != host:
        raise Failure("PIF_NOT_ATTACHED_TO_HOST", Handle(pif), Handle(host))
    _assert_fit(world, pif)
    if not any(world[member]["enabled"] for member in world[cluster]["cluster_hosts"]):
        raise Failure("NO_CLUSTER_HOSTS_REACHABLE", Handle(cluster))
    with world.edit() as edit:
        return _join(call, edit, cluster, host, pif)


def destroy_member(call: Call, member: Id) -> None:
    """Remove a host. CLUSTERING_DISABLED [cluster_host], CLUSTER_STACK_IN_USE [stack], CLUSTER_HOST_IS_LAST [cluster_host]."""
    row = call.world[member]
    if not row["enabled"]:
        raise Failure("CLUSTERING_DISABLED", Handle(member))
    if len(call.world[row["cluster"]]["cluster_hosts"]) == 1:
        raise Failure("CLUSTER_HOST_IS_LAST", Handle(member))
    force_destroy_member(call, member)


def force_destroy_member(call: Call, member: Id) -> None:
    """Remove a host, whatever its state; a cluster without members is destroyed. CLUSTER_STACK_IN_USE [stack]."""
    row = call.world[member]
    _assert_unused(call.world, row["cluster"], {row["host"]})
    with call.world.edit() as edit:
        edit.destroy(member)
        _count(edit, row["cluster"])
        if not edit[row["cluster"]]["cluster_hosts"]:
            edit.destroy(row["cluster"])


def forget_member(call: Call, member: Id) -> None:
    """Drop a host that is gone for good; the others hear of it when they can be reached."""
    cluster, pif = call.world[member]["cluster"], call.world[call.world[member]["PIF"]]
    with call.world.edit() as edit:
        edit.destroy(member)
        _count(edit, cluster)
        absent = [one for one in edit[cluster]["cluster_hosts"] if not edit[one]["enabled"]]
        edit.set(cluster, pending_forget=(*edit[cluster]["pending_forget"], pif["IP"]) if absent else ())


def enable_member(call: Call, member: Id) -> None:
    """Let a host participate again. REQUIRED_PIF_IS_UNPLUGGED [pif], PIF_ALLOWS_UNPLUG [pif]."""
    _assert_fit(call.world, call.world[member]["PIF"])
    _set_enabled(call, member, value=True)


def disable_member(call: Call, member: Id) -> None:
    """Suspend a host's participation. CLUSTER_STACK_IN_USE [stack]."""
    _assert_unused(call.world, call.world[member]["cluster"], {call.world[member]["host"]})
    _set_enabled(call, member, value=False)


def _set_enabled(call: Call, member: Id, *, value: bool) -> None:
    with call.world.edit() as edit:
        allowed = ("disable", "destroy") if value else ("enable", "destroy")
        edit.set(member, enabled=value, live=value, last_update_live=call.now(), allowed_operations=allowed)
        _count(edit, edit[member]["cluster"])


VERBS: Mapping[str, Verb] = {
    "Cluster.create": create,
    "Cluster.destroy": destroy,
    "Cluster.get_network": get_network,
    "Cluster.pool_create": pool_create,
    "Cluster.pool_destroy": pool_destroy,
    "Cluster.pool_force_destroy": pool_force_destroy,
    "Cluster.pool_resync": pool_resync,
    "Cluster_host.create": create_member,
    "Cluster_host.destroy": destroy_member,
    "Cluster_host.force_destroy": force_destroy_member,
    "Cluster_host.forget": forget_member,
    "Cluster_host.enable": enable_member,
    "Cluster_host.disable": disable_member,
}
