"""The life of a server through API cell, compute cell and agent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from compute_core.cells.settings import ApiCellSettings, ComputeCellSettings
from compute_core.model.errors import Conflict, Forbidden, Invalid, NotFound
from compute_core.model.instances import PAUSED, RUNNING, SHUTDOWN, Fault
from compute_core.model.limits import Limits, QuotaLimits, Usage
from compute_core.model.requests import ServerFilters
from fake_xapi.engine.virtual_time import run_virtual
from tests.compute_core.cells.cloud import ADMIN, OTHER, USER, Cloud, cloud, is_at_rest
from tests.compute_core.cells.running import Within


def test_a_server_is_built_on_a_host_and_both_databases_say_so(within: Within) -> None:
    async def body(it: Cloud) -> None:
        agent = await it.add_host("host1")
        created = await it.create(metadata={"role": "web"})
        assert (created.vm_state, created.task_state, created.cell, created.update_seq) == ("building", "scheduling", "api!cell1", 0)
        active = await it.until(created.uuid, is_at_rest)
        assert active == replace(
            created,
            vm_state="active",
            task_state=None,
            power_state=RUNNING,
            progress=100,
            host="host1",
            hypervisor_hostname="host1.example",
            availability_zone="nova",
            launched_at="2012-08-01T00:00:01Z",
            updated_at="2012-08-01T00:00:01Z",
            vifs=active.vifs,
            update_seq=4,
        )
        assert [(vif.ip, vif.mac, vif.bridge, vif.network_label) for vif in active.vifs] == [
            ("10.0.0.10", "00:16:3e:00:00:00", "xenbr0", "private")
        ]
        assert agent.vms == {created.uuid: RUNNING}
        assert agent.passwords == {created.uuid: "secret"}
        assert await it.claims() == {created.uuid: "host1"}
        assert await it.api.get_server(USER, created.uuid) == active

    within(body)


def test_servers_of_one_request_spread_over_the_hosts(within: Within) -> None:
    async def body(it: Cloud) -> None:
        for number in range(3):
            await it.add_host(f"host{number}")
        created = await it.api.create_servers(USER, it.request(min_count=6, max_count=6))
        assert [(server.name, server.launch_index) for server in created] == [(f"web-{n + 1}", n) for n in range(6)]
        assert len({server.reservation_id for server in created}) == 1
        active = [await it.until(server.uuid, is_at_rest) for server in created]
        assert sorted(server.host or "" for server in active) == ["host0", "host0", "host1", "host1", "host2", "host2"]

    within(body)


def test_a_failed_build_is_tried_on_another_host(within: Within) -> None:
    async def body(it: Cloud) -> None:
        bad = await it.add_host("bad", memory_mb=32768, fails_with="no room in the SR")
        good = await it.add_host("good")
        active = await it.active()
        assert (active.vm_state, active.host) == ("active", "good")
        assert (bad.attempts, good.attempts) == ([(active.uuid, 1)], [(active.uuid, 2)])
        assert await it.claims() == {active.uuid: "good"}

    within(body)


def test_at_most_three_hosts_are_tried(within: Within) -> None:
    async def body(it: Cloud) -> None:
        for number in range(5):
            await it.add_host(f"host{number}", fails_with="no")
        ended = await it.active()
        assert (ended.vm_state, ended.host) == ("error", None)
        assert ended.fault == Fault(500, "Exceeded the number of attempts: no", ended.updated_at, kind="NoValidHost")
        assert sum(len(agent.attempts) for agent in it.agents.values()) == 3
        assert await it.claims() == {}

    within(body)


def test_where_the_only_hosts_have_been_tried_the_fault_says_what_the_last_one_said(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await it.add_host("host1", fails_with="no room in the SR")
        ended = await it.active()
        words = "No valid host was found: of 1 hosts 1 have been tried before. The last one said: no room in the SR"
        assert ended.fault == Fault(500, words, ended.updated_at, kind="NoValidHost")

    within(body)


def test_a_failure_that_is_the_same_everywhere_is_not_tried_again(within: Within) -> None:
    async def body(it: Cloud) -> None:
        for number in range(2):
            await it.add_host(f"host{number}", fails_with="the image is corrupt", is_retryable=False)
        ended = await it.active()
        assert ended.fault == Fault(500, "the image is corrupt", ended.updated_at, kind="BuildFailed")
        assert sum(len(agent.attempts) for agent in it.agents.values()) == 1

    within(body)


def test_where_no_host_fits_the_fault_counts_the_reasons(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await it.add_host("small", memory_mb=2048)
        disabled = await it.add_host("disabled", memory_mb=32768)
        service = next(each for each in await it.api.list_services(ADMIN) if each.host == disabled.host)
        await it.api.set_service(ADMIN, service.uuid, is_enabled=False, disabled_reason="broken fan")
        ended = await it.active()
        assert ended.fault is not None
        assert ended.fault.message == "No valid host was found: of 2 hosts 1 are disabled; 1 lack memory."

    within(body)


@pytest.mark.parametrize(
    ("action", "states", "power"),
    [
        (["stop"], "stopped", SHUTDOWN),
        (["stop", "start"], "active", RUNNING),
        (["pause"], "paused", PAUSED),
        (["suspend", "resume"], "active", RUNNING),
        (["reboot_soft"], "active", RUNNING),
    ],
)
def test_actions_reach_the_vm_and_come_back(within: Within, action: list[str], states: str, power: int) -> None:
    async def body(it: Cloud) -> None:
        agent = await it.add_host("host1")
        server = await it.active()
        for each in action:
            await it.api.act(USER, server.uuid, each)
            await it.until(server.uuid, is_at_rest)
        ended = await it.api.get_server(USER, server.uuid)
        assert (ended.vm_state, ended.power_state, agent.vms[server.uuid]) == (states, power, power)

    within(body)


def test_an_action_that_the_state_forbids_is_a_conflict(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await it.add_host("host1")
        server = await it.active()
        with pytest.raises(Conflict, match=r"Cannot 'start' instance .* while it is in vm_state active"):
            await it.api.act(USER, server.uuid, "start")

    within(body)


def test_a_failed_action_leaves_the_server_as_its_vm_is(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await it.add_host("host1", action_error="VM_BAD_POWER_STATE")
        server = await it.active()
        await it.api.act(USER, server.uuid, "stop")
        ended = await it.until(server.uuid, is_at_rest)
        assert (ended.vm_state, ended.power_state) == ("active", RUNNING)
        assert ended.fault is not None
        assert ended.fault.message == "stop failed: VM_BAD_POWER_STATE"

    within(body)


def test_a_guest_that_halts_itself_is_a_stopped_server(within: Within) -> None:
    async def body(it: Cloud) -> None:
        agent = await it.add_host("host1")
        server = await it.active()
        await agent.tell("power_state_changed", uuid=server.uuid, power_state=SHUTDOWN)
        stopped = await it.until(server.uuid, lambda now: now.vm_state == "stopped")
        assert stopped.power_state == SHUTDOWN

    within(body)


def test_a_snapshot_becomes_an_image_of_the_project(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await it.add_host("host1")
        server = await it.active()
        image_id = await it.api.create_image(USER, server.uuid, "backup", {"why": "upgrade"})
        image = await it.images.get(image_id)
        assert (image.name, image.status, image.owner, image.disk_format, image.min_disk_gb) == ("backup", "queued", "project-1", "vhd", 20)
        assert image.properties == {
            "image_type": "snapshot",
            "instance_uuid": server.uuid,
            "base_image_ref": it.image.id,
            "user_id": "user-1",
            "why": "upgrade",
        }
        assert (await it.until(server.uuid, is_at_rest)).vm_state == "active"

    within(body)


def test_console_output_comes_from_the_agent(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await it.add_host("host1")
        server = await it.active()
        assert await it.api.query(USER, server.uuid, "console_output", length=2) == "two\nthree"

    within(body)


def test_a_server_is_changed_where_it_lives(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await it.add_host("host1")
        server = await it.active(metadata={"a": "1"})
        assert (await it.api.update_server(USER, server.uuid, name="db", description="new")).name == "db"
        assert await it.api.set_metadata(USER, server.uuid, {"b": "2"}, replace=False) == {"a": "1", "b": "2"}
        assert await it.api.set_metadata(USER, server.uuid, {"c": "3"}, replace=True) == {"c": "3"}
        with pytest.raises(NotFound, match="Metadata item b was not found"):
            await it.api.delete_metadata(USER, server.uuid, "b")
        await it.api.delete_metadata(USER, server.uuid, "c")
        changed = await it.api.get_server(USER, server.uuid)
        assert (changed.name, changed.description, changed.metadata) == ("db", "new", {})

    within(body)


def test_servers_of_other_projects_do_not_exist(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await it.add_host("host1")
        server = await it.active()
        with pytest.raises(NotFound, match=f"Instance {server.uuid} could not be found"):
            await it.api.get_server(OTHER, server.uuid)
        with pytest.raises(NotFound):
            await it.api.act(OTHER, server.uuid, "stop")
        with pytest.raises(NotFound):
            await it.api.delete_server(OTHER, server.uuid)
        assert await it.api.list_servers(OTHER, ServerFilters()) == ()
        assert await it.api.list_servers(OTHER, ServerFilters(project_id="project-1")) == ()
        assert await it.api.list_servers(ADMIN, ServerFilters()) == (server,)

    within(body)


def test_what_only_admins_may_do_is_forbidden_to_others(within: Within) -> None:
    async def body(it: Cloud) -> None:
        for forbidden in (it.api.list_services, it.api.list_hosts):
            with pytest.raises(Forbidden):
                await forbidden(USER)
        assert [zone.hosts for zone in await it.api.availability_zones(USER)] == []

    within(body)


def test_requests_that_cannot_be_meant_are_refused(within: Within) -> None:
    async def body(it: Cloud) -> None:
        for wrong, words in (
            ({"flavor_id": "17"}, "Flavor 17 could not be found"),
            ({"image_ref": "nothing"}, "nothing"),
            ({"key_name": "lost"}, "Keypair lost not found"),
        ):
            with pytest.raises(Invalid, match=words):
                await it.create(**wrong)
        queued = await it.images.create("empty", "project-1")
        with pytest.raises(Invalid, match="is not active"):
            await it.create(image_ref=queued.id)

    within(body)


def test_quotas_hold_and_are_given_back_once(within: Within) -> None:
    quotas = QuotaLimits(instances=3, cores=10, memory_mb=5000)

    async def body(it: Cloud) -> None:
        await it.add_host("host1")
        servers = await it.api.create_servers(USER, it.request(min_count=1, max_count=5))
        assert len(servers) == 2  # memory for two
        with pytest.raises(Forbidden, match="Quota exceeded"):
            await it.create()
        assert await it.api.limits(USER) == Limits(quotas, Usage(2, 2, 4096))
        await it.until(servers[0].uuid, is_at_rest)
        await it.api.delete_server(USER, servers[0].uuid)
        await it.api.delete_server(USER, servers[0].uuid)
        await it.gone(servers[0].uuid)
        assert await it.api.limits(USER) == Limits(quotas, Usage(1, 1, 2048))

    within(body, api_settings=ApiCellSettings(quotas=quotas))


def test_a_key_goes_along_with_the_server(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await it.add_host("host1")
        pair, private = await it.api.create_keypair(USER, "mine")
        assert private is not None
        assert private.startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
        server = await it.active(key_name="mine")
        assert (server.key_name, server.key_data) == ("mine", pair.public_key)
        again, none = await it.api.create_keypair(USER, "same", pair.public_key)
        assert (again.fingerprint, none) == (pair.fingerprint, None)
        with pytest.raises(Conflict, match="'mine' already exists"):
            await it.api.create_keypair(USER, "mine")
        with pytest.raises(Invalid):
            await it.api.create_keypair(USER, "bad", "ssh-rsa nonsense")

    within(body)


def test_a_locked_server_moves_for_admins_only(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await it.add_host("host1")
        server = await it.active()
        await it.api.lock_server(USER, server.uuid, None)
        with pytest.raises(Conflict, match="is locked"):
            await it.api.act(USER, server.uuid, "stop")
        with pytest.raises(Conflict, match="is locked"):
            await it.api.delete_server(USER, server.uuid)
        await it.api.act(ADMIN, server.uuid, "stop")

    within(body)


def test_the_same_seed_gives_the_same_cloud(tmp_path: Path) -> None:
    def story(name: str) -> list[tuple[str, str | None, str | None]]:
        ends: list[tuple[str, str | None, str | None]] = []

        async def main() -> None:
            async with cloud(tmp_path / name, cell_settings=ComputeCellSettings()) as it:
                for number in range(4):
                    await it.add_host(f"host{number}", fails_with="no" if number == 2 else None)
                created = await it.api.create_servers(USER, it.request(min_count=8, max_count=8))
                for server in created:
                    ended = await it.until(server.uuid, is_at_rest)
                    ends.append((ended.uuid, ended.host, ended.launched_at))

        run_virtual(main(), limit_s=7200)
        return ends

    assert story("one") == story("two")
