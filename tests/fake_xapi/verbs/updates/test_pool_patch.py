"""pool_patch and host_patch of the releases that had them alone: up to Dundee."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fake_xapi.verbs.kit.hosts import Host, add_host, over_host
from tests.fake_xapi.verbs.kit.updates import OTHER, PATCH, patch

OLD = ("boston", "tampa", "clearwater", "dundee")


def uploaded(host: Host, content: bytes, uuid: str = PATCH) -> str:
    """A patch as the handler of uploads leaves it."""
    made = host.kit.made("pool_patch", uuid=uuid, filename=f"/var/patch/{uuid}", size=len(content), after_apply_guidance=("restartHost",))
    host.kit.xapi.disks.create(made, len(content))
    host.kit.xapi.disks.write(made, 0, content)
    return host.world.ref(made)


@pytest.mark.parametrize("release", OLD)
def test_a_patch_is_applied_once_to_each_host(release: str) -> None:
    async def body(host: Host) -> None:
        other = add_host(host)
        one = uploaded(host, patch("<output>done well</output>"))
        assert await host.call("pool_patch.precheck", one, host.host) == ""
        assert await host.call("pool_patch.apply", one, host.host) == "done well"
        (row,) = await host.call("host.get_patches", host.host)
        record = (await host.call("host_patch.get_record", row)).value()
        assert (record["applied"], record["pool_patch"], record["timestamp_applied"]) == (True, one, "20120801T00:00:00Z")
        assert await host.refused("pool_patch.apply", one, host.host) == ["PATCH_ALREADY_APPLIED", one]
        assert await host.refused("pool_patch.destroy", one) == ["PATCH_IS_APPLIED"]
        assert await host.refused("host_patch.destroy", row) == ["PATCH_IS_APPLIED"]
        assert await host.refused("host_patch.apply", row) == ["PATCH_ALREADY_APPLIED", one]
        assert await host.call("pool_patch.get_pool_applied", one) is False
        await host.call("pool_patch.pool_apply", one)
        assert len(await host.call("host.get_patches", other)) == 1
        assert await host.call("pool_patch.get_pool_applied", one) is True
        await host.call("pool_patch.pool_apply", one)

    over_host(body, release)


def test_a_host_patch_that_was_only_brought_there_is_applied_or_forgotten() -> None:
    async def body(host: Host) -> None:
        one = uploaded(host, patch())
        brought = host.kit.make("host_patch", host=host.id(host.host), pool_patch=host.id(one))
        assert await host.call("host_patch.apply", brought) == "Patch applied."
        assert await host.call("host_patch.get_applied", brought) is True
        orphan = host.kit.make("host_patch", host=host.id(host.host))
        assert await host.refused("host_patch.apply", orphan) == ["CANNOT_FIND_PATCH"]
        await host.call("host_patch.destroy", orphan)
        assert await host.call("host_patch.get_all") == [brought]

    over_host(body, "clearwater")


def test_a_cleaned_patch_has_no_file_left() -> None:
    async def body(host: Host) -> None:
        other = add_host(host)
        one = uploaded(host, patch())
        await host.call("pool_patch.clean_on_host", one, other)
        assert await host.call("pool_patch.precheck", one, host.host) == ""
        await host.call("pool_patch.clean_on_host", one, host.host)
        await host.call("pool_patch.clean", one)
        assert host.row(one)["filename"] == f"/var/patch/{PATCH}"
        await host.call("pool_patch.pool_clean", one)
        assert host.row(one)["filename"] == ""
        assert await host.refused("pool_patch.apply", one, host.host) == ["CANNOT_FIND_PATCH"]
        assert await host.refused("pool_patch.precheck", one, host.host) == ["CANNOT_FIND_PATCH"]
        await host.call("pool_patch.destroy", one)
        assert await host.call("pool_patch.get_all") == []

    over_host(body, "clearwater")


@pytest.mark.parametrize(
    ("inside", "refusal"),
    [
        ("<check-fails>no luck</check-fails>", ["UNKNOWN_ERROR", "no luck"]),
        ("<required-version>^6\\.1</required-version>", ["WRONG_SERVER_VERSION", "6.2.0", "^6\\.1"]),
        ("<required-build>^5[pc]$</required-build>", ["WRONG_SERVER_BUILD", "70446c", "^5[pc]$"]),
        (f'<prerequisite uuid="{OTHER}"/><prerequisite uuid="x"/>', ["PREREQUISITE_MISSING", f"{OTHER};x"]),
        (f"<required-space>{3 << 30}</required-space>", ["OUT_OF_SPACE", str(2 << 30), str(3 << 30)]),
        ("<no-tools-iso/>", ["ISO_MOUNTED"]),
        ("<no-running-vms/>", ["VM_RUNNING"]),
    ],
)
def test_prechecks(inside: str, refusal: list[str]) -> None:
    async def body(host: Host) -> None:
        host.set(host.host, software_version={"product_version": "6.2.0", "build_number": "70446c"})
        vm, *_ = await host.server()
        drive = await host.drive(vm)
        tools = await host.disk(is_tools_iso=False)
        host.set(tools, is_tools_iso=True)
        host.set(drive, VDI=host.id(tools), empty=False)
        await host.call("VM.start", vm, False, False)
        one = uploaded(host, patch(inside))
        told = [f"PATCH_PRECHECK_FAILED_{refusal[0]}", one, *refusal[1:]]
        assert await host.refused("pool_patch.precheck", one, host.host) == told
        assert await host.refused("pool_patch.apply", one, host.host) == told
        assert await host.refused("pool_patch.pool_apply", one) == told
        assert await host.call("host.get_patches", host.host) == []

    over_host(body, "clearwater")


def test_a_prerequisite_is_looked_for_on_the_host() -> None:
    async def body(host: Host) -> None:
        first = uploaded(host, patch(uuid=OTHER), OTHER)
        later = uploaded(host, patch(f'<prerequisite uuid="{OTHER}"/><no-running-vms/><no-tools-iso/>'))
        await host.call("pool_patch.apply", first, host.host)
        await host.call("pool_patch.apply", later, host.host)
        applied = [await host.call("host_patch.get_pool_patch", one) for one in await host.call("host.get_patches", host.host)]
        assert sorted(applied) == sorted([first, later])

    over_host(body, "clearwater")


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (patch("<apply-fails>disk on fire</apply-fails>"), ["PATCH_APPLY_FAILED", "disk on fire"]),
        (b"not a patch", ["INVALID_PATCH_WITH_LOG", "no <info> found in the patch"]),
        (patch(guidance="restartNothing"), ["INVALID_PATCH_WITH_LOG", "'restartNothing' is no guidance"]),
    ],
)
def test_a_patch_that_fails(content: bytes, refusal: list[str]) -> None:
    async def body(host: Host) -> Any:
        return await host.refused("pool_patch.apply", uploaded(host, content), host.host)

    assert over_host(body, "tampa") == refusal
