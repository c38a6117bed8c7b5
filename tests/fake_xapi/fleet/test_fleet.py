"""Fleets: a fresh host looks like a fresh XenServer, hosts differ in every uuid, and a saved fleet comes back."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest

from fake_xapi.engine.clock import Clock
from fake_xapi.engine.virtual_time import run_virtual
from fake_xapi.fleet.addresses import MOST, address
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.fleet.golden import golden
from fake_xapi.state.world import World

RELEASES = ("boston", "tampa", "clearwater", "latest")


def _fleet(**order: object) -> Fleet:
    async def made() -> Fleet:
        return Fleet(Order(**order))  # type: ignore[arg-type]  # a test names what it needs

    return run_virtual(made())


def _world(release: str) -> World:
    return golden(release).world


@pytest.mark.parametrize("release", RELEASES)
def test_a_fresh_host_has_what_a_fresh_xenserver_has(release: str) -> None:
    world = _world(release)
    counts = {
        cls: world.count(cls) for cls in ("pool", "host", "host_metrics", "host_cpu", "PIF", "network", "PBD", "SR", "console", "user")
    }
    assert counts == {
        "pool": 1, "host": 1, "host_metrics": 1, "host_cpu": 16, "PIF": 2, "network": 3, "PBD": 4, "SR": 4, "console": 2, "user": 1,
    }  # fmt: skip
    assert sorted(row["name_label"] for _, row in world.rows("SR")) == [
        "DVD drives",
        "Local storage",
        "Removable storage",
        "XenServer Tools",
    ]


def test_fresh_hosts_have_booted_when_their_fleet_began() -> None:
    async def body() -> None:
        fleet = Fleet(Order(hosts=2), clock=Clock(datetime(2026, 11, 25, tzinfo=UTC)))
        told = [xapi.world[xapi.host]["other_config"] for xapi in fleet.hosts.values()]
        assert [(other["boot_time"], other["agent_start_time"]) for other in told] == [("1795564800.", "1795564800.")] * 2
        await fleet.close()

    run_virtual(body())


@pytest.mark.parametrize("release", RELEASES)
def test_the_pool_leads_to_its_host_and_its_storage(release: str) -> None:
    world = _world(release)
    ((_, pool),) = world.rows("pool")
    assert world[pool["master"]]["enabled"] is True
    assert world[pool["default_SR"]]["name_label"] == "Local storage"


@pytest.mark.parametrize("release", RELEASES)
def test_every_storage_is_plugged_and_every_nic_on_its_network(release: str) -> None:
    world = _world(release)
    assert all(row["currently_attached"] for _, row in world.rows("PBD"))
    assert {(row["device"], world[row["network"]]["bridge"]) for _, row in world.rows("PIF")} == {("eth0", "xenbr0"), ("eth1", "xenbr1")}
    assert [row["device"] for _, row in world.rows("PIF") if row["management"]] == ["eth0"]


@pytest.mark.parametrize("release", RELEASES)
def test_the_control_domain_runs_on_its_host(release: str) -> None:
    base = golden(release)
    domain = base.world[base.control_domain]
    assert (domain["power_state"], domain["domid"], domain["resident_on"], domain["is_control_domain"]) == ("Running", 0, base.host, True)
    assert base.world[base.host]["control_domain"] == base.control_domain


@pytest.mark.parametrize(
    ("release", "version", "pv_templates"),
    [("boston", "6.0.0", True), ("tampa", "6.1.0", True), ("clearwater", "6.2.0", True), ("latest", "8.4.0", False)],
)
def test_templates_and_versions_are_the_releases_own(release: str, version: str, *, pv_templates: bool) -> None:
    base = golden(release)
    assert base.world[base.host]["software_version"]["product_version"] == version
    templates = [row for _, row in base.world.rows("VM") if row["is_a_template"]]
    assert any(row["PV_bootloader"] for row in templates) is pv_templates
    assert "Other install media" in {row["name_label"] for row in templates}
    assert all("start" not in row["allowed_operations"] and "clone" in row["allowed_operations"] for row in templates)


def test_a_drivers_row_says_what_its_storage_can_do() -> None:
    rows = {row["type"]: row for _, row in _world("latest").rows("SM")}
    assert ("VDI_SNAPSHOT" in rows["ext"]["features"], "VDI_SNAPSHOT" in rows["iso"]["features"]) == (True, False)


def test_hosts_differ_in_name_address_macs_and_every_uuid() -> None:
    fleet = _fleet(hosts=3)
    worlds = [xapi.world for xapi in fleet.hosts.values()]
    hosts = [world[fleet.base.host] for world in worlds]
    assert [host["hostname"] for host in hosts] == ["xs00001", "xs00002", "xs00003"]
    assert [host["address"] for host in hosts] == ["127.0.1.1", "127.0.1.2", "127.0.1.3"]
    assert len({row["MAC"] for world in worlds for _, row in world.rows("PIF")}) == 6
    uuids = [{world.uuid(identity) for identity in world.ids("VM")} for world in worlds]
    assert not uuids[0] & uuids[1] | uuids[1] & uuids[2]


def test_the_inventory_lists_every_host() -> None:
    fleet = _fleet(hosts=2, port=8080)
    world = fleet.hosts["xs00002"].world
    assert fleet.inventory()[1] == {
        "name": "xs00002",
        "uuid": world.uuid(fleet.base.host),
        "url": "http://127.0.1.2:8080",
        "user": "root",
    }


def test_without_addresses_hosts_have_ports() -> None:
    fleet = _fleet(hosts=2, port=8080, has_own_addresses=False)
    assert [row["url"] for row in fleet.inventory()] == ["http://127.0.0.1:8080", "http://127.0.0.1:8081"]
    assert fleet.xapi_at("127.0.0.1", 8081) is fleet.hosts["xs00002"]
    assert fleet.xapi_at("127.0.0.1", 8082) is None


@pytest.mark.parametrize(("number", "where"), [(0, "127.0.1.1"), (254, "127.0.1.255"), (255, "127.0.2.0"), (10_000, "127.0.40.17")])
def test_addresses_go_up_from_127_0_1_1(number: int, where: str) -> None:
    assert address(number) == where


@pytest.mark.parametrize("number", [-1, MOST])
def test_there_is_no_address_beyond_the_loopback_net(number: int) -> None:
    with pytest.raises(ValueError, match="one too many"):
        address(number)


@pytest.mark.parametrize("release", RELEASES)
def test_roles_are_made_of_permissions_and_each_includes_the_lesser_ones(release: str) -> None:
    world = _world(release)
    roles = {row["name_label"]: row for _, row in world.rows("role")}
    order = ("read-only", "vm-operator", "vm-admin", "vm-power-admin", "pool-operator", "pool-admin")
    held = [set(roles[name]["subroles"]) for name in order]
    assert all(lesser < greater for lesser, greater in pairwise(held))
    names = {world[role]["name_label"] for role in held[2] - held[1]}
    assert {"vm.create", "vm.destroy"} <= names
    assert {"vm.start", "vm.get_record", "pool.join"} & names == set()


def test_roles_are_the_same_in_every_pool() -> None:
    worlds = [xapi.world for xapi in _fleet(hosts=2).hosts.values()]
    refs = [sorted(world.ref(role) for role in world.ids("role")) for world in worlds]
    assert refs[0] == refs[1]
    admin = worlds[0].by_uuid("role", "0165f154-ba3e-034e-6b27-5d271af109ba")
    assert worlds[0].ref(admin) == "OpaqueRef:0165f154-ba3e-034e-6b27-5d271af109ba"
