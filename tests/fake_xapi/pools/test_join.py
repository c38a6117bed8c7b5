"""Hosts join pools and are ejected again: every refusal in its order, and what becomes of all that they have."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from fake_xapi.engine.durations import durations
from fake_xapi.engine.settings import Settings
from fake_xapi.engine.xapi import Xapi
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.edit import Edit
from fake_xapi.verbs.pools import pool_checks
from tests.fake_xapi.pools.fleets import SECOND, THIRD, Pool, at, logged_in, over_pool, refused
from tests.fake_xapi.verbs.kit.hosts import VM_RECORD

Change = Callable[[Edit, int], None]
"""``change(edit, host)``: something about a host's world."""
MIB = 1 << 20
ITSELF = 6
"""The place of the check that the host is not its own master: worlds that were forked have the same host."""


async def join(pool: Pool, joiner: str, *, method: str = "pool.join", address: str = "127.0.1.1", password: str = "xenroot") -> Any:
    """A host joins the first pool."""
    xapi = pool.fleet.hosts[joiner]
    return await at(xapi, method, await logged_in(xapi), address, "root", password)


async def join_refused(pool: Pool, joiner: str, **how: str) -> list[str]:
    """Why a host may not join."""
    xapi = pool.fleet.hosts[joiner]
    given = {"method": "pool.join", "address": "127.0.1.1", "password": "xenroot", **how}
    return await refused(xapi, given["method"], await logged_in(xapi), given["address"], "root", given["password"])


def _set_host(**fields: Any) -> Change:
    return lambda edit, host: edit.set(host, **fields)


def _set_pool(**fields: Any) -> Change:
    return lambda edit, _host: edit.set(POOL, **fields)


def _put_software(key: str, value: str) -> Change:
    return lambda edit, host: edit.put(host, "software_version", key, value)


def _make(cls: str, **fields: Any) -> Change:
    return lambda edit, _host: _ignore(edit.create(cls, **fields))


def _ignore(_made: int) -> None:
    """A change gives nothing."""


def _set_management(**fields: Any) -> Change:
    def change(edit: Edit, host: int) -> None:
        pif = next(pif for pif in edit[host]["PIFs"] if edit[pif]["management"])
        edit.set(pif, **fields)

    return change


def _make_vlan(edit: Edit, host: int) -> None:
    pif = edit.create("PIF", host=host, device="eth1", VLAN=7)
    edit.create("VLAN", tagged_PIF=edit[host]["PIFs"][1], untagged_PIF=pif, tag=7)


def _enforce_update(edit: Edit, host: int) -> None:
    edit.set(host, updates=(edit.create("pool_update", enforce_homogeneity=True),))


def _nothing(_edit: Edit, _host: int) -> None:
    """Leave it as it is."""


ROWS: tuple[tuple[Change, Change, list[str]], ...] = (
    (_set_host(license_params={"restrict_pooling": "true"}), _nothing, ["LICENCE_RESTRICTION", "Pooling"]),
    (_set_management(management=False), _nothing, ["HOST_STILL_BOOTING"]),
    (_set_pool(ha_enabled=True), _nothing, ["HA_IS_ENABLED"]),
    (_nothing, _set_pool(ha_enabled=True), ["HA_IS_ENABLED"]),
    (_make("Cluster"), _nothing, ["CLUSTER_ALREADY_EXISTS"]),
    (_nothing, _set_pool(other_config={"rolling_upgrade_in_progress": "true"}), ["NOT_SUPPORTED_DURING_UPGRADE"]),
    (_make("host"), _nothing, ["JOINING_HOST_CANNOT_BE_MASTER_OF_OTHER_HOSTS"]),
    (_make("VM", power_state="Running"), _nothing, ["JOINING_HOST_CANNOT_HAVE_RUNNING_VMS"]),
    (_make("VM", current_operations={"t": "start"}), _nothing, ["JOINING_HOST_CANNOT_HAVE_VMS_WITH_CURRENT_OPERATIONS"]),
    (_put_software("platform_version", "3.3.0"), _nothing, ["HOSTS_NOT_COMPATIBLE"]),
    (_put_software("git_id", "abc"), _nothing, ["HOSTS_NOT_HOMOGENEOUS", "Software version differs"]),
    (_set_host(cpu_info={"vendor": "AuthenticAMD"}), _nothing, ["HOSTS_NOT_HOMOGENEOUS", "CPUs differ"]),
    (_make("SR", shared=True), _nothing, ["JOINING_HOST_CANNOT_CONTAIN_SHARED_SRS"]),
    (_make("Bond"), _nothing, ["POOL_JOINING_HOST_HAS_BONDS"]),
    (_make("tunnel"), _nothing, ["POOL_JOINING_HOST_HAS_TUNNELS"]),
    (_make("network_sriov"), _nothing, ["POOL_JOINING_HOST_HAS_NETWORK_SRIOVS"]),
    (_make_vlan, _nothing, ["POOL_JOINING_HOST_HAS_NON_MANAGEMENT_VLANS"]),
    (_set_management(VLAN=5), _nothing, ["POOL_JOINING_HOST_MANAGEMENT_VLAN_DOES_NOT_MATCH", "5", "-1"]),
    (_nothing, _set_host(external_auth_type="AD"), ["POOL_JOINING_EXTERNAL_AUTH_MISMATCH"]),
    (
        _set_host(edition="per-socket"),
        _set_host(edition="free"),
        ["LICENSE_HOST_POOL_MISMATCH", 'host edition = "per-socket"', 'pool edition = "free"'],
    ),
    (_put_software("network_backend", "bridge"), _nothing, ["OPERATION_NOT_ALLOWED", "Network backends differ"]),
    (_set_host(API_version_minor=1), _set_host(API_version_minor=2), ["POOL_JOINING_HOST_MUST_HAVE_SAME_API_VERSION", "2.1", "2.2"]),
    (_put_software("db_schema", "1.1"), _put_software("db_schema", "1.2"), ["POOL_JOINING_HOST_MUST_HAVE_SAME_DB_SCHEMA", "1.1", "1.2"]),
    (_set_pool(tls_verification_enabled=True), _nothing, ["POOL_JOINING_HOST_TLS_VERIFICATION_MISMATCH"]),
    (_enforce_update, _nothing, ["HOSTS_NOT_HOMOGENEOUS", "Updates on local host xs00002 and pool host xs00001 differ"]),
    (_set_management(primary_address_type="IPv6"), _nothing, ["OPERATION_NOT_ALLOWED", "Primary address type differs"]),
    (
        _make("network", purpose=("nbd",)),
        _make("network", purpose=("insecure_nbd",)),
        ["OPERATION_NOT_ALLOWED", "Incompatible network purposes: nbd and insecure_nbd"],
    ),
)
"""A change of the joining host's world, one of the pool's, and the refusal; in XAPI's order."""


def _apply(pool: Pool, joiner: Change, master: Change) -> None:
    for name, change in ((SECOND, joiner), ("xs00001", master)):
        xapi = pool.fleet.hosts[name]
        with xapi.world.edit() as edit:
            change(edit, xapi.host)


@pytest.mark.parametrize(("joiner", "master", "refusal"), ROWS, ids=[f"{number} {row[2][0]}" for number, row in enumerate(ROWS)])
def test_a_host_is_not_taken(joiner: Change, master: Change, refusal: list[str]) -> None:
    async def body(pool: Pool) -> None:
        _apply(pool, joiner, master)
        assert await join_refused(pool, SECOND) == refusal
        assert pool.world.count("host") == 1

    over_pool(body, hosts=2, pool_size=1)


@pytest.mark.parametrize("guilty", [SECOND, "xs00001"])
def test_updates_that_are_half_applied_keep_a_host_out(guilty: str) -> None:
    async def body(pool: Pool) -> None:
        xapi = pool.fleet.hosts[guilty]
        with xapi.world.edit() as edit:
            edit.set(xapi.host, pending_guidances=("reboot_host",))
        assert await join_refused(pool, SECOND) == ["HOST_PENDING_MANDATORY_GUIDANCE_NOT_EMPTY", xapi.world.ref(xapi.host)]

    over_pool(body, hosts=2, pool_size=1)


def test_the_first_reason_in_the_order_is_told() -> None:
    """Every row's change at once, one taken back after the other."""

    async def body(pool: Pool) -> None:
        mine, theirs = (pool.fleet.hosts[name] for name in (SECOND, "xs00001"))
        _apply(pool, _make("VM", power_state="Running"), _nothing)
        _apply(pool, _make("SR", shared=True), _set_pool(ha_enabled=True))
        _apply(pool, _put_software("git_id", "abc"), _nothing)
        assert await join_refused(pool, SECOND) == ["HA_IS_ENABLED"]
        with theirs.world.edit() as edit:
            edit.set(POOL, ha_enabled=False)
        assert await join_refused(pool, SECOND) == ["JOINING_HOST_CANNOT_HAVE_RUNNING_VMS"]
        with mine.world.edit() as edit:
            for vm, row in mine.world.rows("VM"):
                if row["power_state"] == "Running" and not row["is_control_domain"]:
                    edit.destroy(vm)
        assert await join_refused(pool, SECOND) == ["HOSTS_NOT_HOMOGENEOUS", "Software version differs"]
        assert await join_refused(pool, SECOND, method="pool.join_force") == ["JOINING_HOST_CANNOT_CONTAIN_SHARED_SRS"]

    over_pool(body, hosts=2, pool_size=1)


def test_every_check_has_its_row_and_the_rows_are_in_the_order_of_the_checks() -> None:
    async def body(pool: Pool) -> list[int]:
        fired: list[int] = []
        for joiner, master, _ in ROWS:
            mine, theirs = (pool.fleet.hosts[name].world.fork() for name in (SECOND, "xs00001"))
            host = pool.xapi.host
            with mine.edit() as edit, theirs.edit() as other:
                joiner(edit, host)
                master(other, host)
            theirs_apart = pool_checks.Joining(mine, host, theirs, host)
            fired.append(next(place for place, check in enumerate(pool_checks.CHECKS) if place != ITSELF and check(theirs_apart)))
        return fired

    fired = over_pool(body, hosts=2, pool_size=1)
    assert fired == sorted(fired)
    elsewhere = {1, ITSELF, 10, 14}
    assert set(fired) | elsewhere == set(range(len(pool_checks.CHECKS)))


@pytest.mark.parametrize(
    ("how", "refusal"),
    [
        ({"password": "wrong"}, ["SESSION_AUTHENTICATION_FAILED", "root", "Authentication failure"]),
        ({"address": "10.99.0.1"}, ["JOINING_HOST_SERVICE_FAILED"]),
        ({"address": "127.0.1.3"}, ["JOINING_HOST_CONNECTION_FAILED"]),
        ({"address": "127.0.1.2"}, ["OPERATION_NOT_ALLOWED", "Host cannot become slave of itself"]),
    ],
)
def test_a_master_that_does_not_answer_or_does_not_know_the_caller(how: dict[str, str], refusal: list[str]) -> None:
    async def body(pool: Pool) -> None:
        pool.kill(THIRD)
        assert await join_refused(pool, SECOND, **how) == refusal

    over_pool(body, pool_size=1)


def test_a_member_sends_who_wants_to_join_to_its_master() -> None:
    async def body(pool: Pool) -> None:
        assert await join_refused(pool, THIRD, address="127.0.1.2") == ["HOST_IS_SLAVE", "127.0.1.1"]
        assert await refused(pool.xapi, "pool.join", pool.session, "127.0.1.1", "root", "xenroot") == [
            "OPERATION_NOT_ALLOWED",
            "Host is already part of a pool",
        ]

    over_pool(body, hosts=3, pool_size=2)


def test_a_pool_without_a_licence_has_three_hosts() -> None:
    async def body(pool: Pool) -> None:
        with pool.fleet.hosts["xs00004"].world.edit() as edit:
            edit.put(pool.fleet.hosts["xs00004"].host, "license_params", "restrict_pool_size", "true")
        assert await join_refused(pool, "xs00004") == ["LICENCE_RESTRICTION", "Pool_size"]

    over_pool(body, hosts=4, pool_size=3)


async def _vm_with_disk(xapi: Xapi, session: str) -> tuple[str, str]:
    """A halted VM with a disk that has bytes, and a NIC: uuids of VM and VDI."""
    world = xapi.world
    vm = await at(xapi, "VM.create", session, {**VM_RECORD, "name_label": "mine"})
    sr = world.ref(world[POOL]["default_SR"])
    record = {"name_label": "d", "name_description": "", "SR": sr, "virtual_size": str(8 * MIB), "type": "user", "sharable": False}
    vdi = await at(xapi, "VDI.create", session, {**record, "read_only": False, "other_config": {}})
    qos: dict[str, Any] = {"other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {}}
    vbd = {"VM": vm, "VDI": vdi, "userdevice": "0", "bootable": True, "mode": "RW", "type": "Disk", "empty": False, "unpluggable": True}
    await at(xapi, "VBD.create", session, {**vbd, **qos})
    network = next(ref for ref in (world.ref(network) for network in world.ids("network")) if world[world.find_ref(ref)]["PIFs"])
    await at(xapi, "VIF.create", session, {"VM": vm, "network": network, "device": "0", "MAC": "", "MTU": "1500", **qos})
    xapi.disks.write(world.find_ref(vdi), 0, b"bytes of mine")
    return world.uuid(world.find_ref(vm)), world.uuid(world.find_ref(vdi))


def test_what_a_host_has_comes_with_it_and_keeps_its_uuids() -> None:
    async def body(pool: Pool) -> None:
        joiner = pool.fleet.hosts[SECOND]
        before, uuid = joiner.world, joiner.world.uuid(joiner.host)
        vm_uuid, vdi_uuid = await _vm_with_disk(joiner, await logged_in(joiner))
        templates = {row["name_label"] for _, row in before.rows("VM") if row["is_default_template"]}
        await join(pool, SECOND)
        await asyncio.sleep(1)
        world = pool.world
        host = world.by_uuid("host", uuid)
        vm, vdi = world.by_uuid("VM", vm_uuid), world.by_uuid("VDI", vdi_uuid)
        assert (world.count("host"), world.count("pool"), world[host]["name_label"]) == (2, 1, SECOND)
        assert [world[vbd]["VDI"] for vbd in world[vm]["VBDs"]] == [vdi]
        assert pool.xapi.disks.read(vdi, 0, 13) == b"bytes of mine"
        assert {world[pbd]["host"] for pbd in world[world[vdi]["SR"]]["PBDs"]} == {host}
        assert next(world[vif]["network"] for vif in world[vm]["VIFs"]) in {world[pif]["network"] for pif in world[host]["PIFs"]}
        assert len([row for _, row in world.rows("VM") if row["name_label"] in templates]) == len(templates)
        assert world[world[host]["control_domain"]]["resident_on"] == host
        assert len(world[host]["host_CPUs"]) == 16
        assert (world.count("network"), world.count("SR")) == (3, 7)
        await pool.call("VM.start", world.ref(vm), False, False)
        assert world[vm]["resident_on"] == host

    over_pool(body, hosts=2, pool_size=1)


def test_nics_are_on_the_pools_networks_by_their_bridges_and_other_networks_are_made_anew() -> None:
    async def body(pool: Pool) -> None:
        joiner = pool.fleet.hosts[SECOND]
        with joiner.world.edit() as edit, pool.world.edit() as other:
            edit.create("network", name_label="private", bridge="xapi0")
            other.create("network", name_label="theirs", bridge="xapi0")
        await join(pool, SECOND)
        world = pool.world
        bridges = {row["name_label"]: row["bridge"] for _, row in world.rows("network")}
        assert (bridges["theirs"], bridges["private"]) == ("xapi0", "xapi1")
        second = world.by_uuid("host", joiner.world.uuid(joiner.host))
        assert {world[pif]["device"]: world[world[pif]["network"]]["bridge"] for pif in world[second]["PIFs"]} == {
            "eth0": "xenbr0",
            "eth1": "xenbr1",
        }

    over_pool(body, hosts=2, pool_size=1)


def test_a_host_is_a_member_after_a_while_and_enabled_once_it_has_said_hello() -> None:
    async def body(pool: Pool) -> None:
        session = await logged_in(pool.fleet.hosts[SECOND])
        await join(pool, SECOND)
        second = pool.host(SECOND)
        assert (pool.row(second)["enabled"], pool.is_live(second)) == (False, False)
        await at(pool.fleet.hosts[SECOND], "host.get_all", session)
        await asyncio.sleep(11)
        assert await refused(pool.fleet.hosts[SECOND], "host.get_all", session) == ["HOST_IS_SLAVE", "127.0.1.1"]
        assert pool.row(second)["enabled"] is False
        await asyncio.sleep(60)
        assert (pool.row(second)["enabled"], pool.is_live(second)) == (True, True)
        assert all(pool.world[pbd]["currently_attached"] for pbd in pool.row(second)["PBDs"])
        assert {row["name"]: row["uuid"] for row in pool.fleet.inventory()}[SECOND] == pool.world.uuid(pool.id(second))

    over_pool(body, hosts=2, pool_size=1, settings=Settings(durations=durations("realistic")))


def test_join_works_in_the_releases_of_2012() -> None:
    async def body(pool: Pool) -> int:
        await join(pool, SECOND)
        await asyncio.sleep(1)
        return pool.world.count("host")

    assert [over_pool(body, hosts=2, pool_size=1, release=release) for release in ("boston", "tampa", "clearwater")] == [2, 2, 2]


@pytest.mark.parametrize(
    ("release", "change", "refusal"),
    [
        ("boston", _put_software("product_version", "6.0.2"), ["POOL_JOINING_HOST_MUST_HAVE_SAME_PRODUCT_VERSION"]),
        ("tampa", _put_software("platform_version", "1.6.9"), ["HOSTS_NOT_COMPATIBLE"]),
        ("tampa", _set_management(physical=False), ["POOL_JOINING_HOST_MUST_HAVE_PHYSICAL_MANAGEMENT_NIC"]),
    ],
)
def test_what_only_old_releases_look_at(release: str, change: Change, refusal: list[str]) -> None:
    async def body(pool: Pool) -> list[str]:
        _apply(pool, change, _nothing)
        return await join_refused(pool, SECOND)

    assert over_pool(body, hosts=2, pool_size=1, release=release) == refusal


def test_an_ejected_host_is_forgotten_and_begins_anew() -> None:
    async def body(pool: Pool) -> None:
        second, session = pool.host(SECOND), pool.session
        uuid = pool.world.uuid(pool.id(second))
        assert pool.fleet.hosts[SECOND].world is pool.world
        await pool.call("pool.eject", second)
        assert [pool.world[host]["name_label"] for host in sorted(pool.world.ids("host"))] == ["xs00001", THIRD]
        counts = {cls: pool.world.count(cls) for cls in ("SR", "PBD", "PIF", "host_cpu", "host_metrics", "PIF_metrics")}
        assert counts == {"SR": 7, "PBD": 8, "PIF": 4, "host_cpu": 32, "host_metrics": 2, "PIF_metrics": 4}
        await asyncio.sleep(1)
        alone = pool.fleet.hosts[SECOND]
        assert (alone.is_master, alone.world.count("host"), alone.world[alone.host]["address"]) == (True, 1, "127.0.1.2")
        assert alone.world.uuid(alone.host) != uuid
        assert await refused(alone, "host.get_all", session) == ["SESSION_INVALID", session]
        await logged_in(alone)
        await join(pool, SECOND)
        await asyncio.sleep(1)
        assert pool.world.count("host") == 3

    over_pool(body)


def test_an_ejected_host_is_away_while_it_reboots() -> None:
    async def body(pool: Pool) -> None:
        uuid = pool.world.uuid(pool.id(pool.host(SECOND)))
        await pool.call("pool.eject", pool.host(SECOND))
        assert await refused(pool.fleet.hosts[SECOND], "host.get_all", "x") == [
            "HOST_UNKNOWN_TO_MASTER",
            uuid,
        ]
        await asyncio.sleep(11)
        with pytest.raises(ConnectionRefusedError):
            pool.fleet.xapi_at("127.0.1.2", 80)
        await asyncio.sleep(200)
        assert pool.fleet.xapi_at("127.0.1.2", 80) is pool.fleet.hosts[SECOND]

    over_pool(body, settings=Settings(durations=durations("realistic")))


def test_who_may_not_be_ejected() -> None:
    async def body(pool: Pool) -> None:
        master, second = pool.host("xs00001"), pool.host(SECOND)
        assert await pool.refused("pool.eject", master) == ["INTERNAL_ERROR", "Xapi_pool.Cannot_eject_master"]
        with pool.world.edit() as edit:
            edit.create("VM", power_state="Running", resident_on=pool.id(second))
        assert await pool.refused("pool.eject", second) == ["OPERATION_NOT_ALLOWED", "VM resident on host"]
        with pool.world.edit() as edit:
            edit.set(POOL, ha_enabled=True)
        assert await pool.refused("pool.eject", second) == ["HA_IS_ENABLED"]

    over_pool(body)
