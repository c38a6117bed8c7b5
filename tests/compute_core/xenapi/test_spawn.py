"""The recipe that builds a server: its calls, its result, and what is taken back when it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from compute_core.model.errors import BuildFailed
from compute_core.model.flavors import Flavor
from compute_core.xenapi.errors import ReplyLost
from tests.compute_core.rig import CONTENT, NOTHING, Rig, content_of, over_rig
from tests.compute_core.simulated import holds, is_dead, loses_reply, refuses
from tests.compute_core.values import UUID, a_vif, an_instance
from tests.compute_core.world import HOST

CACHED = [
    "VDI.get_all_records_where",
    "VDI.clone",
    "VDI.set_name_label",
    "VDI.set_other_config",
    "VDI.resize",
    "VM.create",
    "VBD.create",
    "VIF.create",
    "VM.start_on",
]
FETCH = [
    "VDI.create",
    "task.create",
    "PUT /import_raw_vdi",
    "task.get_record",
    "task.destroy",
    "VDI.get_record",
    "VDI.set_other_config",
]
UNCACHED = [CACHED[0], *FETCH, *CACHED[1:]]
OTHER = "6f70656e-7374-4163-8b00-696e6f766132"
STEPS = [pytest.param(number, id=f"{number}-{name}") for number, name in enumerate(UNCACHED, start=1)]
LABEL = "image 00000000-0000-4000-8000-000000000001"
UNNAMED: Mapping[str, dict[str, list[str]]] = {
    "VDI.create": {"VDI": [LABEL]},
    "task.create": {"task": [f"inova import of {LABEL} for {UUID}"]},
    "VDI.clone": {"VDI": [LABEL]},
    "VM.create": {"VM": [f"instance-{UUID}"]},
}
"""What a call has made whose answer never came: its ref was never known; agents find it later by its marks."""
ONE_SERVER = {
    "VM": [f"instance-{UUID}"],
    "VBD": ["0"],
    "VIF": ["fa:16:3e:00:00:01"],
    "VDI": [f"instance-{UUID}"],
    "task": [],
}


def test_a_server_takes_nine_calls_when_its_image_is_cached_and_sixteen_when_not(tmp_path: Path) -> None:
    async def body(rig: Rig) -> list[list[str]]:
        await rig.spawn(an_instance())
        first = rig.undisturbed()
        await rig.spawn(an_instance(OTHER, vifs=(a_vif(1),)))
        return [first, rig.undisturbed()]

    assert over_rig(tmp_path, body) == [UNCACHED, CACHED]


@pytest.mark.parametrize("release", ["boston", "tampa", "clearwater", "latest"])
def test_the_server_is_what_was_ordered(tmp_path: Path, release: str) -> None:
    async def body(rig: Rig) -> dict[str, Any]:
        vm = await rig.spawn(an_instance(metadata={"role": "web"}))
        record = await rig.session.call("VM.get_record", vm)
        vbd = await rig.session.call("VBD.get_record", record["VBDs"][0])
        vif = await rig.session.call("VIF.get_record", record["VIFs"][0])
        vdi = await rig.session.call("VDI.get_record", vbd["VDI"])
        return {
            "vm": (record["name_label"], record["power_state"], record["resident_on"], record["memory_static_max"], record["VCPUs_max"]),
            "told": record["xenstore_data"]["vm-data/user-metadata/role"],
            "owner": record["other_config"]["inova-instance-uuid"],
            "vbd": (vbd["userdevice"], vbd["bootable"], vbd["mode"], vbd["currently_attached"]),
            "vif": (vif["MAC"], vif["device"], vif["network"], vif["currently_attached"]),
            "vdi": (vdi["name_label"], vdi["virtual_size"], vdi["other_config"]),
            "content": content_of(rig, vbd["VDI"], len(CONTENT)) == CONTENT,
            "place": (rig.place.host, rig.place.networks["xenbr0"], rig.image.id),
        }

    got = over_rig(tmp_path, body, release)
    host, network, image = got.pop("place")

    assert got == {
        "vm": (f"instance-{UUID}", "Running", host, 512 << 20, 1),
        "told": '"web"',
        "owner": UUID,
        "vbd": ("0", True, "RW", True),
        "vif": ("fa:16:3e:00:00:01", "0", network, True),
        "vdi": (f"instance-{UUID}", 1 << 30, {"inova-instance-uuid": UUID, "inova-disk": "root", "inova-image-id": image}),
        "content": True,
    }


def test_servers_at_once_wait_for_one_fetch_of_their_image(tmp_path: Path) -> None:
    async def body(rig: Rig) -> tuple[int, list[str]]:
        servers = [an_instance(f"{UUID[:-1]}{number}", vifs=(a_vif(number),)) for number in range(4)]
        vms = await asyncio.gather(*(rig.spawn(server) for server in servers))
        states = [await rig.session.call("VM.get_power_state", vm) for vm in vms]
        return rig.undisturbed().count("PUT /import_raw_vdi"), states

    assert over_rig(tmp_path, body) == (1, ["Running"] * 4)


def test_a_disk_of_the_right_size_is_not_resized(tmp_path: Path) -> None:
    async def body(rig: Rig) -> int:
        await rig.spawn(an_instance(flavor=Flavor("0", "own", 512, 1, 0)))
        return rig.undisturbed().count("VDI.resize")

    assert over_rig(tmp_path, body) == 0


def _failure(tmp_path: Path, disturb: Callable[[Rig], None] = lambda _: None, **changes: Any) -> tuple[str, bool, dict[str, list[str]]]:
    """How a build failed, and what was left."""

    async def body(rig: Rig) -> tuple[str, bool, dict[str, list[str]]]:
        disturb(rig)
        with pytest.raises(BuildFailed) as failed:
            await rig.spawn(an_instance(**changes))
        return failed.value.message, failed.value.is_retryable, rig.left()

    return over_rig(tmp_path, body)


def test_a_corrupt_image_fails_for_good_and_leaves_no_vdi(tmp_path: Path) -> None:
    def corrupt(rig: Rig) -> None:
        path = rig.images.path(rig.image.id)
        assert path is not None
        content = bytearray(path.read_bytes())
        content[5000] ^= 1
        path.write_bytes(content)

    message, is_retryable, left = _failure(tmp_path, corrupt)

    assert "is damaged: its MD5 is" in message
    assert (is_retryable, left) == (False, NOTHING)


def test_a_truncated_image_fails_for_good_and_leaves_no_vdi(tmp_path: Path) -> None:
    def truncate(rig: Rig) -> None:
        path = rig.images.path(rig.image.id)
        assert path is not None
        path.write_bytes(path.read_bytes()[:-70_000])

    message, is_retryable, left = _failure(tmp_path, truncate)

    assert "where the image service says" in message
    assert (is_retryable, left) == (False, NOTHING)


def test_an_image_that_is_gone_fails_for_good(tmp_path: Path) -> None:
    async def body(rig: Rig) -> tuple[bool, dict[str, list[str]]]:
        await rig.images.delete(rig.image.id)
        with pytest.raises(BuildFailed, match="No image found with ID") as failed:
            await rig.spawn(an_instance())
        return failed.value.is_retryable, rig.left()

    assert over_rig(tmp_path, body) == (False, NOTHING)


def test_an_image_whose_bytes_cannot_be_read_may_be_readable_elsewhere(tmp_path: Path) -> None:
    def remove(rig: Rig) -> None:
        path = rig.images.path(rig.image.id)
        assert path is not None
        path.unlink()

    message, is_retryable, left = _failure(tmp_path, remove)

    assert message.startswith("xs1 ")
    assert (is_retryable, left) == (True, NOTHING)


def test_a_full_sr_sends_the_server_to_another_host(tmp_path: Path) -> None:
    def fill(rig: Rig) -> None:
        sr = rig.xapi.world.find_ref(rig.place.sr)
        with rig.xapi.world.edit() as edit:
            edit.set(sr, physical_size=4096)

    message, is_retryable, left = _failure(tmp_path, fill)

    assert "its SR is full" in message
    assert (is_retryable, left) == (True, NOTHING)


def test_a_host_without_the_bridge_is_not_even_asked(tmp_path: Path) -> None:
    message, is_retryable, left = _failure(tmp_path, vifs=(a_vif(bridge="xenbr9"),))

    assert message == f"{HOST} has no network on bridge xenbr9."
    assert (is_retryable, left) == (True, NOTHING)


def test_a_host_without_memory_sends_the_server_to_another(tmp_path: Path) -> None:
    message, is_retryable, left = _failure(tmp_path, flavor=Flavor("9", "huge", 1 << 20, 1, 1))

    assert "HOST_NOT_ENOUGH_FREE_MEMORY" in message
    assert (is_retryable, left) == (True, NOTHING)


@pytest.mark.parametrize("at", STEPS)
def test_a_lost_reply_leaves_the_whole_server_or_nothing(tmp_path: Path, at: int) -> None:
    async def body(rig: Rig) -> tuple[bool, dict[str, list[str]]]:
        rig.wire.after = loses_reply(at)
        outcomes = await asyncio.gather(rig.spawn(an_instance()), return_exceptions=True)
        return isinstance(outcomes[0], str), rig.left()

    is_built, left = over_rig(tmp_path, body)

    assert left == (ONE_SERVER if is_built else NOTHING)
    assert is_built == (UNCACHED[at - 1] != "PUT /import_raw_vdi")


@pytest.mark.parametrize("at", STEPS)
def test_a_refusal_of_any_call_leaves_nothing(tmp_path: Path, at: int) -> None:
    async def body(rig: Rig) -> dict[str, list[str]]:
        rig.wire.before = refuses(at, "INTERNAL_ERROR", "told to")
        with pytest.raises(BuildFailed, match=r"xs1 refused: INTERNAL_ERROR \[told to\]"):
            await rig.spawn(an_instance())
        return {cls: found for cls, found in rig.left().items() if cls != "task"}

    assert over_rig(tmp_path, body) == {cls: [] for cls in NOTHING if cls != "task"}


@pytest.mark.parametrize("at", STEPS)
def test_a_build_that_is_cancelled_anywhere_leaves_nothing(tmp_path: Path, at: int) -> None:
    async def body(rig: Rig) -> dict[str, list[str]]:
        arrived = asyncio.Event()
        rig.wire.after = holds(at, arrived)
        build = asyncio.create_task(rig.spawn(an_instance()))
        await arrived.wait()
        build.cancel()
        with pytest.raises(asyncio.CancelledError):
            await build
        return rig.left()

    left = over_rig(tmp_path, body)

    assert left == NOTHING | UNNAMED.get(UNCACHED[at - 1], {})


@pytest.mark.parametrize("at", STEPS)
def test_a_host_that_dies_fails_the_build_for_itself_alone(tmp_path: Path, at: int) -> None:
    async def body(rig: Rig) -> bool:
        rig.wire.before = is_dead(at)
        with pytest.raises(BuildFailed, match="xs1 did not") as failed:
            await rig.spawn(an_instance())
        return failed.value.is_retryable

    assert over_rig(tmp_path, body) is True


def test_a_lost_reply_is_looked_up_and_never_repeated(tmp_path: Path) -> None:
    async def body(rig: Rig) -> list[str]:
        rig.wire.after = loses_reply(UNCACHED.index("VM.create") + 1)
        await rig.spawn(an_instance())
        return [name for name in rig.undisturbed() if name.startswith("VM.")]

    assert over_rig(tmp_path, body) == ["VM.create", "VM.get_by_name_label", "VM.start_on"]


def test_a_request_that_was_never_done_is_not_taken_for_done(tmp_path: Path) -> None:
    async def body(rig: Rig) -> tuple[list[str], dict[str, list[str]]]:
        def lose_before(name: str, number: int) -> None:
            if number == UNCACHED.index("VM.create") + 1:
                raise ReplyLost(name, "lost on its way there")

        rig.wire.before = lose_before
        with pytest.raises(BuildFailed, match=r"xs1 did not answer VM\.create: lost on its way there"):
            await rig.spawn(an_instance())
        return [name for name in rig.undisturbed() if name.startswith("VM.")], rig.left()

    assert over_rig(tmp_path, body) == (["VM.create", *["VM.get_by_name_label"] * 3], NOTHING)
