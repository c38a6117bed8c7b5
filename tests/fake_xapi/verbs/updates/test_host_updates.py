"""Updates from repositories: synchronised, applied to hosts, and what remains to be done."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fake_xapi.engine.rewinding import replace_world
from fake_xapi.verbs.hosts import dom0_files
from fake_xapi.verbs.updates import guidance, host_updates, repositories
from tests.fake_xapi.verbs.kit.hosts import Host, add_host, over_host
from tests.fake_xapi.verbs.kit.repodata import files, hash_of, update

FIRST = update("U-1", mandatory="RestartToolstack", recommended="RebootHost", full="RestartVM")
LATER = update("U-2", mandatory="RebootHost")


def pool(host: Host) -> str:
    return host.world.ref(next(host.world.ids("pool")))


def bring(host: Host, *updates: str) -> None:
    """Put a bundle where an upload puts it."""
    text = f"<updates>{''.join(updates)}</updates>"
    with host.world.edit() as edit:
        dom0_files.write(host.world, edit, repositories.BUNDLE, text)
        dom0_files.write(host.world, edit, repositories.BUNDLE_HASH, hash_of(*updates))


async def with_bundle(host: Host, *updates: str) -> str:
    """The enabled repository of a bundle, synchronised."""
    one = await host.call("Repository.introduce_bundle", "bundle", "")
    await host.call("pool.set_repositories", pool(host), [one])
    bring(host, *updates)
    await host.call("pool.sync_updates", pool(host), False, "", "")
    return str(one)


def test_a_host_gets_what_was_synchronised_and_is_told_what_to_do() -> None:
    async def body(host: Host) -> None:
        repository = await with_bundle(host, FIRST)
        assert await host.call("Repository.get_hash", repository) == hash_of(FIRST)
        assert await host.call("Repository.get_up_to_date", repository) is False
        assert host.row(pool(host))["last_update_sync"] == "20120801T00:00:00Z"
        assert await host.call("host.get_latest_synced_updates_applied", host.host) == "no"
        vm, *_ = await host.server()
        await host.call("VM.start", vm, False, False)
        assert await host.refused("host.apply_updates", host.host, hash_of(FIRST)) == ["HOST_NOT_DISABLED"]
        await host.call("host.disable", host.host)
        assert await host.call("host.apply_updates", host.host, hash_of(FIRST)) == []
        row = host.row(host.host)
        assert (row["pending_guidances"], row["pending_guidances_recommended"], row["pending_guidances_full"]) == (
            ("restart_toolstack",),
            ("reboot_host",),
            (),
        )
        assert host.row(vm)["pending_guidances_full"] == ("restart_vm",)
        assert (row["last_update_hash"], row["last_software_update"]) == (hash_of(FIRST), "20120801T00:00:00Z")
        assert row["latest_synced_updates_applied"] == "yes"
        assert await host.call("Repository.get_up_to_date", repository) is True
        with host.world.edit() as edit:
            guidance.toolstack_restarted(edit, host.id(host.host))
            guidance.vm_restarted(edit, host.id(vm))
        assert (host.row(host.host)["pending_guidances"], host.row(vm)["pending_guidances_full"]) == ((), ())

    over_host(body)


def test_a_later_synchronisation_brings_only_what_is_new() -> None:
    async def body(host: Host) -> None:
        other = add_host(host)
        await with_bundle(host, FIRST)
        await host.call("host.disable", host.host)
        await host.call("host.apply_updates", host.host, hash_of(FIRST))
        bring(host, FIRST, LATER)
        assert await host.call("pool.sync_updates", pool(host), True) == hash_of(FIRST, LATER)
        state = [host.row(one)["latest_synced_updates_applied"] for one in (host.host, other)]
        assert state == ["no", "no"]
        pending = ["HOST_PENDING_MANDATORY_GUIDANCE_NOT_EMPTY", host.host]
        assert await host.refused("host.apply_updates", host.host, hash_of(FIRST, LATER)) == pending
        await host.call("host.emergency_clear_mandatory_guidance")
        await host.call("host.apply_updates", host.host, hash_of(FIRST, LATER))
        row = host.row(host.host)
        assert (row["pending_guidances"], row["pending_guidances_recommended"]) == (("reboot_host",), ("reboot_host",))
        with host.world.edit() as edit:
            guidance.host_rebooted(edit, host.id(host.host))
        row = host.row(host.host)
        assert (row["pending_guidances"], row["pending_guidances_recommended"]) == ((), ())

    over_host(body)


def test_a_host_must_be_evacuated_for_what_reboots_it() -> None:
    async def body(host: Host) -> None:
        await with_bundle(host, LATER)
        vm, *_ = await host.server()
        await host.call("VM.start", vm, False, False)
        await host.call("host.disable", host.host)
        assert await host.refused("host.apply_updates", host.host, hash_of(LATER)) == ["HOST_EVACUATION_IS_REQUIRED", host.host]
        await host.call("VM.hard_shutdown", vm)
        await host.call("host.apply_updates", host.host, hash_of(LATER))

    over_host(body)


@pytest.mark.parametrize("wrong", ["", "0" * 64])
def test_updates_of_another_synchronisation_are_refused(wrong: str) -> None:
    async def body(host: Host) -> list[str]:
        await with_bundle(host, FIRST)
        await host.call("host.disable", host.host)
        return await host.refused("host.apply_updates", host.host, wrong)

    assert over_host(body) == ["UPDATEINFO_HASH_MISMATCH"]


def test_no_updates_while_ha_is_on() -> None:
    async def body(host: Host) -> list[str]:
        await with_bundle(host, FIRST)
        await host.call("host.disable", host.host)
        host.set(pool(host), ha_enabled=True)
        return await host.refused("host.apply_updates", host.host, hash_of(FIRST))

    assert over_host(body) == ["HA_IS_ENABLED"]


REMOTE = ("https://repo.example.com/a", "https://repo.example.com/s")


@pytest.mark.parametrize(
    ("make", "refusal"),
    [
        ([], ["NO_REPOSITORIES_CONFIGURED"]),
        ([("introduce", "a", "", *REMOTE, False)], ["NO_REPOSITORY_ENABLED"]),
        ([("introduce", "a", "", *REMOTE, True), ("introduce_bundle", "b", "")], ["MULTIPLE_UPDATE_REPOSITORIES_ENABLED"]),
        ([("introduce", "a", "", *REMOTE, True)], ["REPOSYNC_FAILED"]),
        ([("introduce_bundle", "b", "")], ["REPOSYNC_FAILED"]),
        (
            [("introduce_remote_pool", "b", "", "https://1.2.3.4/repository/enabled", "")],
            ["UPDATE_SYNCING_REMOTE_POOL_COORDINATOR_CONNECTION_FAILED"],
        ),
    ],
)
def test_synchronisations_that_fail(make: list[tuple[Any, ...]], refusal: list[str]) -> None:
    async def body(host: Host) -> list[str]:
        made = [await host.call(f"Repository.{name}", *params) for name, *params in make]
        await host.call("pool.set_repositories", pool(host), made)
        return await host.refused("pool.sync_updates", pool(host), False)

    assert over_host(body) == refusal


def test_a_repository_out_of_use_is_known_no_more() -> None:
    async def body(host: Host) -> None:
        one = await with_bundle(host, FIRST)
        await host.call("pool.remove_repository", pool(host), one)
        assert (await host.call("Repository.get_hash", one), host.row(host.host)["latest_synced_updates_applied"]) == ("", "unknown")
        await host.call("pool.add_repository", pool(host), one)
        assert await host.refused("pool.sync_updates", pool(host), False) == ["REPOSYNC_FAILED"]

    over_host(body)


def test_readiness() -> None:
    async def body(host: Host) -> None:
        other = add_host(host)
        assert await host.call("pool.check_update_readiness", pool(host), True) == []
        vm, *_ = await host.server()
        await host.call("VM.start", vm, False, False)
        assert await host.call("pool.check_update_readiness", pool(host), True) == [["VM_REQUIRES_SR", vm, host.sr]]
        assert await host.call("pool.check_update_readiness", pool(host), False) == []
        host.set(pool(host), ha_enabled=True)
        with host.world.edit() as edit:
            edit.set(host.row(other)["metrics"], live=False)
        assert await host.call("pool.check_update_readiness", pool(host), False) == [["HA_IS_ENABLED"], ["HOST_OFFLINE", other]]

    over_host(body)


@pytest.mark.parametrize(("frequency", "day"), [("daily", 1), ("daily", -1), ("weekly", 7), ("weekly", -1)])
def test_days_that_are_none(frequency: str, day: int) -> None:
    async def body(host: Host) -> list[str]:
        return await host.refused("pool.configure_update_sync", pool(host), frequency, str(day))

    assert over_host(body) == ["INVALID_UPDATE_SYNC_DAY", str(day)]


@pytest.mark.parametrize(
    ("frequency", "day", "dates"),
    [
        ("daily", 0, ["20120802T00:00:00Z", "20120803T00:00:00Z"]),
        ("weekly", 0, ["20120805T00:00:00Z", "20120812T00:00:00Z"]),  # the simulation begins on a Wednesday
        ("weekly", 3, ["20120808T00:00:00Z", "20120815T00:00:00Z"]),
    ],
)
def test_updates_are_looked_for_by_the_schedule(frequency: str, day: int, dates: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    content = files(FIRST)

    async def fetched(url: str, most_bytes: int) -> bytes:
        return content[url.removeprefix("https://repo.example.com/a/")]

    async def body(host: Host) -> None:
        one = await host.call("Repository.introduce", "a", "", *REMOTE, True)
        await host.call("pool.set_repositories", pool(host), [one])
        await host.call("pool.configure_update_sync", pool(host), frequency, str(day))
        await host.call("pool.set_update_sync_enabled", pool(host), True)
        seen: list[str] = []
        while len(seen) < 2:
            await asyncio.sleep(3600)
            seen += [now for now in [host.row(pool(host))["last_update_sync"]] if now > "2012" and now not in seen]
        host.kit.session = await host.kit.raw("session.login_with_password", "root", "xenroot")
        await host.call("pool.set_update_sync_enabled", pool(host), False)
        assert host.row(host.world.ref(next(host.world.ids("Repository"))))["hash"] == hash_of(FIRST)
        await asyncio.sleep(30 * 86400)
        assert (seen, host.row(pool(host))["last_update_sync"]) == (dates, dates[-1])

    monkeypatch.setattr(host_updates, "fetch", fetched)
    over_host(body)


def test_a_schedule_that_fails_says_so_and_goes_on() -> None:
    async def body(host: Host) -> None:
        one = await host.call("Repository.introduce", "a", "", *REMOTE, True)
        await host.call("pool.set_repositories", pool(host), [one])
        await host.call("pool.set_update_sync_enabled", pool(host), True)
        await host.call("pool.configure_update_sync", pool(host), "daily", "0")
        await asyncio.sleep(2 * 86400 + 1)
        assert host.bodies() == ["PERIODIC_UPDATE_SYNC_FAILED"] * 2

    over_host(body)


def test_only_remote_repositories_are_looked_at_by_schedule() -> None:
    async def body(host: Host) -> None:
        assert await host.refused("pool.set_update_sync_enabled", pool(host), True) == ["NO_REPOSITORY_ENABLED"]
        one = await host.call("Repository.introduce_bundle", "bundle", "")
        await host.call("pool.set_repositories", pool(host), [one])
        assert await host.refused("pool.set_update_sync_enabled", pool(host), True) == ["CAN_NOT_PERIODIC_SYNC_UPDATES"]

    over_host(body)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        ({"repodata/repomd.xml": b"<a/>"}, "INVALID_REPOMD_XML"),
        ({"repodata/updateinfo.xml.gz": b"x"}, "UPDATEINFO_HASH_MISMATCH"),
    ],
)
def test_a_remote_repository_that_is_none(spoil: dict[str, bytes], code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = {**files(FIRST), **spoil}

    async def fetched(url: str, most_bytes: int) -> bytes:
        return content[url.removeprefix("https://repo.example.com/a/")]

    async def body(host: Host) -> list[str]:
        one = await host.call("Repository.introduce", "a", "", *REMOTE, True)
        await host.call("pool.set_repositories", pool(host), [one])
        return await host.refused("pool.sync_updates", pool(host), False)

    monkeypatch.setattr(host_updates, "fetch", fetched)
    assert over_host(body) == [code]


@pytest.mark.parametrize(
    ("verb", "left"),
    [("VM.hard_shutdown", ()), ("VM.hard_reboot", ()), ("VM.suspend", ("restart_device_model", "restart_vm"))],
)
def test_a_vm_that_begins_anew_has_done_what_updates_asked_of_it(verb: str, left: tuple[str, ...]) -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server()
        await host.call("VM.start", vm, False, False)
        await asyncio.sleep(60)
        host.set(vm, pending_guidances=("restart_device_model", "restart_vm"))
        await host.call(verb, vm)
        assert host.row(vm)["pending_guidances"] == left
        if verb == "VM.suspend":
            await host.call("VM.resume", vm, False, False)
            assert host.row(vm)["pending_guidances"] == ("restart_vm",)

    over_host(body)


def test_an_older_database_goes_on_with_its_schedule() -> None:
    async def body(host: Host) -> None:
        one = await host.call("Repository.introduce", "a", "", *REMOTE, True)
        await host.call("pool.set_repositories", pool(host), [one])
        await host.call("pool.configure_update_sync", pool(host), "daily", "0")
        await host.call("pool.set_update_sync_enabled", pool(host), True)
        value, disks = host.world.value, host.kit.xapi.disks.fork()
        await host.call("pool.set_update_sync_enabled", pool(host), False)
        await replace_world(host.kit.xapi, value, disks, host.world.personality.name)
        await asyncio.sleep(86_401)
        assert host.bodies() == ["PERIODIC_UPDATE_SYNC_FAILED"]

    over_host(body)
