"""What a pool keeps on storage for itself; what crashes leave; disks for recovery."""

from __future__ import annotations

from typing import Any

import pytest

from fake_xapi.verbs.declined import DECLINED as DECLINED_FOR_GOOD
from tests.fake_xapi.verbs.kit.hosts import NULL, Host, add_host, over_host

UUID = "b0de1a5e-0000-4000-8000-000000000001"


def pool(host: Host) -> str:
    return host.world.ref(next(host.world.ids("pool")))


def test_the_redo_log_is_on_a_disk_that_stays() -> None:
    async def body(host: Host) -> None:
        await host.call("pool.enable_redo_log", host.sr)
        row = host.row(pool(host))
        vdi = host.world[row["redo_log_vdi"]]
        assert (row["redo_log_enabled"], vdi["type"], vdi["name_label"], vdi["virtual_size"]) == (
            True,
            "redo_log",
            "Metadata redo-log",
            256 << 20,
        )
        await host.call("pool.disable_redo_log")
        assert (host.row(pool(host))["redo_log_enabled"], host.row(pool(host))["redo_log_vdi"]) == (False, 0)
        await host.call("pool.enable_redo_log", host.sr)
        assert host.row(pool(host))["redo_log_vdi"] == row["redo_log_vdi"]

    over_host(body)


def test_a_redo_log_needs_room() -> None:
    async def body(host: Host) -> None:
        with host.world.edit() as edit:
            for pbd in host.row(host.sr)["PBDs"]:
                edit.set(pbd, currently_attached=False)
        told = "failed to create a VDI for the redo log on the SR with the given UUID."
        assert await host.refused("pool.enable_redo_log", host.sr) == ["CANNOT_ENABLE_REDO_LOG", told]
        assert host.row(pool(host))["redo_log_enabled"] is False

    over_host(body)


def test_hosts_keep_copies_on_local_storage_where_they_have_some() -> None:
    async def body(host: Host) -> None:
        await host.call("pool.enable_local_storage_caching", pool(host))
        assert host.row(host.host)["local_cache_sr"] == host.id(host.sr)
        await host.call("pool.disable_local_storage_caching", pool(host))
        assert host.row(host.host)["local_cache_sr"] == 0
        other = add_host(host)
        refusal = await host.refused("pool.enable_local_storage_caching", pool(host))
        assert refusal == ["HOSTS_FAILED_TO_ENABLE_CACHING", other]
        assert host.row(host.host)["local_cache_sr"] == host.id(host.sr)
        host.set(pool(host), restrictions={"restrict_intellicache": "true"})
        assert await host.refused("pool.enable_local_storage_caching", pool(host)) == ["LICENCE_RESTRICTION", "IntelliCache"]

    over_host(body)


def test_what_lies_on_the_storage_of_a_lost_pool_is_here_until_the_recovery_ends() -> None:
    async def body(host: Host) -> None:
        config = {"target": "10.0.0.9"}
        task = await host.call("DR_task.create", "lvmoiscsi", config, [UUID, UUID])
        (sr,) = await host.call("DR_task.get_introduced_SRs", task)
        row = host.row(sr)
        assert (row["type"], row["shared"], host.world.uuid(host.id(sr))) == ("lvmoiscsi", True, UUID)
        assert [(host.world[pbd]["device_config"], host.world[pbd]["currently_attached"]) for pbd in row["PBDs"]] == [(config, True)]
        assert await host.refused("DR_task.create", "nfs", {}, [UUID]) == ["SR_UUID_EXISTS", UUID]
        await host.call("DR_task.destroy", task)
        assert await host.refused("SR.get_by_uuid", UUID) == ["UUID_INVALID", "SR", UUID]
        assert await host.refused("DR_task.create", "ext", {}, []) == ["SR_UNKNOWN_DRIVER", "ext"]
        host.set(pool(host), restrictions={"restrict_dr": "true"})
        assert await host.refused("DR_task.create", "nfs", {}, []) == ["LICENCE_RESTRICTION", "DR"]

    over_host(body)


def test_what_crashes_have_left_is_deleted() -> None:
    async def body(host: Host) -> Any:
        vm, vdi, *_ = await host.server()
        dump = host.kit.make("crashdump", VM=host.id(vm), VDI=host.id(vdi))
        bare = host.kit.make("crashdump", VM=host.id(vm))
        of_host = host.kit.make("host_crashdump", host=host.id(host.host), filename="20120801-000000-UTC")
        for name, one in (("crashdump", dump), ("crashdump", bare), ("host_crashdump", of_host)):
            await host.call(f"{name}.destroy", one)
        assert await host.call("VM.get_crash_dumps", vm) == await host.call("host.get_crashdumps", host.host) == []
        return await host.refused("VDI.get_uuid", vdi), vdi

    told, vdi = over_host(body)
    assert told == ["HANDLE_INVALID", "VDI", vdi]


def test_no_such_crash_dump() -> None:
    async def body(host: Host) -> list[str]:
        return await host.refused("crashdump.destroy", NULL)

    assert over_host(body) == ["HANDLE_INVALID", "crashdump", NULL]


DECLINED: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("host_crashdump.upload", ("{dump}", "ftp://example.com/", {})),
    ("host.bugreport_upload", ("{host}", "ftp://example.com/", {})),
    ("host.get_tracked_user_agents", ("{host}",)),
    ("pool.test_archive_target", ("{pool}", {})),
    ("pool.sync_trusted_certificates_from", ("{pool}", "10.0.0.9", "{session}", "", True)),
    ("Diagnostics.gc_stats", ("{host}",)),
    ("Diagnostics.network_stats", ("{host}", {})),
    ("Caller.query_token_usage", ("{caller}",)),
    ("Caller.query_call_count", ("{caller}",)),
    ("Caller.query_group_token_usage", ("night",)),
    ("Caller.query_group_call_count", ("night",)),
    ("Caller.query_all_usage", ()),
)


@pytest.mark.parametrize(("method", "params"), DECLINED)
def test_what_nobody_here_could_know_or_reach_is_declined(method: str, params: tuple[Any, ...]) -> None:
    async def body(host: Host) -> list[str]:
        known = {
            "dump": host.kit.make("host_crashdump", host=host.id(host.host)),
            "host": host.host,
            "pool": pool(host),
            "session": host.kit.session,
            "caller": host.kit.make("Caller"),
        }
        asked = [param.format(**known) if isinstance(param, str) else param for param in params]
        return await host.refused(method, *asked)

    assert over_host(body) == ["NOT_IMPLEMENTED", method]
    assert DECLINED_FOR_GOOD[method].reason
