"""Clusters and their members."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fake_xapi.verbs.kit.hosts import Host, add_host, over_host


def pool(host: Host) -> str:
    return host.world.ref(next(host.world.ids("pool")))


def pif_of(host: Host, one: str, **fields: Any) -> str:
    """The PIF of a host, fit for a cluster but for ``fields``."""
    (pif,) = host.row(one)["PIFs"]
    with host.world.edit() as edit:
        edit.set(
            pif, **{"ip_configuration_mode": "Static", "currently_attached": True, "disallow_unplug": True, "IP": "10.0.0.1", **fields}
        )
    return host.world.ref(pif)


def facts(host: Host, cluster: str) -> tuple[int, int, int, bool]:
    row = host.row(cluster)
    return row["live_hosts"], row["expected_hosts"], row["quorum"], row["is_quorate"]


def test_a_cluster_of_one() -> None:
    async def body(host: Host) -> None:
        cluster = await host.call("Cluster.create", pif_of(host, host.host), "corosync", True, 21.0, 1.5)
        row = host.row(cluster)
        assert (row["cluster_stack"], row["token_timeout"], row["token_timeout_coefficient"], len(row["cluster_token"])) == (
            "corosync",
            21.0,
            1.5,
            64,
        )
        assert facts(host, cluster) == (1, 1, 1, True)
        assert await host.call("Cluster.get_network", cluster) == host.network
        (member,) = await host.call("Cluster.get_cluster_hosts", cluster)
        assert await host.refused("Cluster_host.destroy", member) == ["CLUSTER_HOST_IS_LAST", member]
        await host.call("Cluster.destroy", cluster)
        assert await host.call("Cluster_host.get_all") == await host.call("Cluster.get_all") == []

    over_host(body)


def test_a_cluster_of_all() -> None:
    async def body(host: Host) -> None:
        other = add_host(host)
        pif_of(host, host.host)
        second = pif_of(host, other)
        cluster = await host.call("Cluster.pool_create", host.network, "corosync")
        assert facts(host, cluster) == (2, 2, 2, True)
        assert await host.refused("Cluster.destroy", cluster) == ["CLUSTER_DOES_NOT_HAVE_ONE_NODE", "2"]
        first, last = await host.call("Cluster.get_cluster_hosts", cluster)
        await host.call("Cluster_host.disable", last)
        assert (facts(host, cluster), await host.call("Cluster_host.get_allowed_operations", last)) == (
            (1, 2, 2, False),
            ["enable", "destroy"],
        )
        assert await host.refused("Cluster_host.destroy", last) == ["CLUSTERING_DISABLED", last]
        assert await host.refused("Cluster.pool_destroy", cluster) == ["CLUSTERING_DISABLED", last]
        await host.call("Cluster_host.enable", last)
        await host.call("Cluster_host.destroy", last)
        assert facts(host, cluster) == (1, 1, 1, True)
        await host.call("Cluster.pool_resync", cluster)
        assert facts(host, cluster) == (2, 2, 2, True)
        (last,) = set(await host.call("Cluster.get_cluster_hosts", cluster)) - {first}
        await host.call("Cluster_host.disable", first)
        await host.call("Cluster_host.forget", last)
        assert host.row(cluster)["pending_forget"] == ("10.0.0.1",)
        refusal = await host.refused("Cluster_host.create", cluster, other, second)
        assert refusal == ["NO_CLUSTER_HOSTS_REACHABLE", cluster]
        await host.call("Cluster_host.enable", first)
        assert await host.call("Cluster_host.create", cluster, other, second) in await host.call("Cluster.get_cluster_hosts", cluster)
        await host.call("Cluster.pool_destroy", cluster)
        assert await host.call("Cluster_host.get_all") == []

    over_host(body)


def test_a_cluster_ends_with_its_last_member() -> None:
    async def body(host: Host) -> None:
        cluster = await host.call("Cluster.create", pif_of(host, host.host), "corosync", False)
        (member,) = await host.call("Cluster.get_cluster_hosts", cluster)
        await host.call("Cluster_host.disable", member)
        await host.call("Cluster_host.force_destroy", member)
        assert await host.call("Cluster.get_all") == []

    over_host(body)


@pytest.mark.parametrize(
    ("fields", "params", "refusal"),
    [
        ({}, ("pacemaker", True), ["INVALID_CLUSTER_STACK", "pacemaker"]),
        ({}, ("corosync", True, 0.5), ["INVALID_VALUE", "token_timeout", "0.5"]),
        ({}, ("corosync", True, 20.0, 0.5), ["INVALID_VALUE", "token_timeout_coefficient", "0.5"]),
        ({"ip_configuration_mode": "None"}, ("corosync", True), ["INTERFACE_HAS_NO_IP", "pif"]),
        ({"currently_attached": False}, ("corosync", True), ["REQUIRED_PIF_IS_UNPLUGGED", "pif"]),
        ({"disallow_unplug": False}, ("corosync", True), ["PIF_ALLOWS_UNPLUG", "pif"]),
    ],
)
def test_clusters_that_are_refused(fields: dict[str, Any], params: tuple[Any, ...], refusal: list[str]) -> None:
    async def body(host: Host) -> None:
        pif = pif_of(host, host.host, **fields)
        assert await host.refused("Cluster.create", pif, *params) == [refusal[0], *(pif if one == "pif" else one for one in refusal[1:])]
        assert await host.call("Cluster.get_all") == []

    over_host(body)


def test_one_cluster_for_a_pool_and_a_licence_for_it() -> None:
    async def body(host: Host) -> None:
        pif = pif_of(host, host.host)
        cluster = await host.call("Cluster.create", pif, "corosync", True)
        assert await host.refused("Cluster.create", pif, "corosync", True) == ["CLUSTER_ALREADY_EXISTS"]
        other = add_host(host)
        assert await host.refused("Cluster_host.create", cluster, other, pif) == ["PIF_NOT_ATTACHED_TO_HOST", pif, other]
        host.set(pool(host), restrictions={"restrict_corosync": "true"})
        assert await host.refused("Cluster.create", pif, "corosync", True) == ["LICENCE_RESTRICTION", "Corosync"]

    over_host(body)


def test_storage_keeps_its_cluster() -> None:
    async def body(host: Host) -> None:
        cluster = await host.call("Cluster.create", pif_of(host, host.host), "corosync", True)
        (member,) = await host.call("Cluster.get_cluster_hosts", cluster)
        host.set(host.sr, type="gfs2")
        refusal = ["CLUSTER_STACK_IN_USE", "corosync"]
        for method, one in (("Cluster.destroy", cluster), ("Cluster.pool_destroy", cluster), ("Cluster_host.disable", member)):
            assert await host.refused(method, one) == refusal
        assert await host.refused("Cluster_host.force_destroy", member) == refusal
        await host.call("Cluster.pool_force_destroy", cluster)
        assert await host.call("Cluster.get_all") == []

    over_host(body)


def test_all_hosts_or_none() -> None:
    async def body(host: Host) -> None:
        other = add_host(host)
        pif_of(host, host.host)
        unfit = pif_of(host, other, disallow_unplug=False)
        assert await host.refused("Cluster.pool_create", host.network, "corosync") == ["PIF_ALLOWS_UNPLUG", unfit]
        assert await host.call("Cluster.get_all") == await host.call("Cluster_host.get_all") == []
        with host.world.edit() as edit:
            edit.destroy(host.id(unfit))
        assert await host.refused("Cluster.pool_create", host.network, "corosync") == ["NO_COMPATIBLE_CLUSTER_HOST", other]

    over_host(body)
