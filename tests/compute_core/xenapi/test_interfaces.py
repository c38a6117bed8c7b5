"""Interfaces of a server's VM: plugged in and taken out while it runs, with few calls, whole or not at all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compute_core.model.errors import BuildFailed
from compute_core.model.flavors import Flavor
from compute_core.xenapi.errors import ReplyLost, Unanswered, XenApiFailure
from compute_core.xenapi.interfaces import attach, detach, put_back
from compute_core.xenapi.place import Place
from tests.compute_core.rig import Rig, over_rig
from tests.compute_core.simulated import Disturbance, is_dead, loses_reply, refuses
from tests.compute_core.values import a_vif, an_instance

SECOND = a_vif(1)
FLAVOR = an_instance().flavor
ATTACH = ["VIF.create", "VM.add_to_xenstore_data", "VIF.plug", "told"]
DETACH = ["VIF.unplug", "VIF.destroy", "VM.remove_from_xenstore_data", "told"]
KEY = f"vm-data/networking/{SECOND.mac.replace(':', '')}"


def steps(calls: list[str]) -> list[Any]:
    return [pytest.param(number, id=f"{number}-{name}") for number, name in enumerate(calls, start=1)]


class Told:
    """Stands for the one call to dom0."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig

    async def __call__(self) -> None:
        self.rig.wire.requests.append("told")


async def attached(rig: Rig, vm: str, *, runs: bool = True) -> str:
    return await attach(rig.session, rig.place, vm, SECOND, FLAVOR, Told(rig) if runs else None)


async def detached(rig: Rig, vm: str, ref: str = "", *, runs: bool = True) -> None:
    await detach(rig.session, vm, SECOND, Told(rig) if runs else None, ref)


async def told_of(rig: Rig, vm: str) -> list[str]:
    return [key for key in await rig.session.call("VM.get_xenstore_data", vm) if key.startswith("vm-data/networking/")]


def macs(rig: Rig) -> list[str]:
    return rig.left()["VIF"]


def test_an_interface_of_a_running_server_takes_four_calls_each_way(tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        vm = await rig.spawn(an_instance())
        rig.undisturbed()
        ref = await attached(rig, vm)
        assert rig.undisturbed() == ATTACH
        vif = await rig.session.call("VIF.get_record", ref)
        assert (vif["currently_attached"], vif["device"], vif["MAC"], vif["locking_mode"]) == (True, "1", SECOND.mac, "locked")
        assert (vif["ipv4_allowed"], vif["ipv6_allowed"]) == ([SECOND.ip], [])
        assert json.loads((await rig.session.call("VM.get_xenstore_data", vm))[KEY])["ips"][0]["ip"] == SECOND.ip
        rig.undisturbed()
        await detached(rig, vm, ref)
        assert rig.undisturbed() == DETACH
        assert (macs(rig), len(await told_of(rig, vm))) == ([a_vif().mac], 1)

    over_rig(tmp_path, body)


def test_a_halted_server_needs_two_calls_each_way(tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        vm = await rig.spawn(an_instance())
        await rig.session.call("VM.hard_shutdown", vm)
        rig.undisturbed()
        ref = await attached(rig, vm, runs=False)
        assert rig.undisturbed() == ATTACH[:2]
        await detached(rig, vm, ref, runs=False)
        assert rig.undisturbed() == DETACH[1:3]

    over_rig(tmp_path, body)


def test_an_interface_whose_ref_is_unknown_or_stale_is_found_by_its_port(tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        vm = await rig.spawn(an_instance())
        for stale in ("", "OpaqueRef:00000000-0000-4000-8000-000000000000"):
            await attached(rig, vm)
            rig.undisturbed()
            await detached(rig, vm, stale)
            found = ["VIF.get_all_records_where", *DETACH]
            assert rig.undisturbed() == (found if not stale else ["VIF.unplug", *found])
            assert macs(rig) == [a_vif().mac]

    over_rig(tmp_path, body)


def test_both_ways_twice_are_as_once(tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        vm = await rig.spawn(an_instance())
        first = await attached(rig, vm)
        assert await put_back(rig.session, rig.place, vm, SECOND, FLAVOR, Told(rig)) == first
        assert macs(rig) == sorted([a_vif().mac, SECOND.mac])
        for _ in range(2):
            await detached(rig, vm)
        assert macs(rig) == [a_vif().mac]

    over_rig(tmp_path, body)


@pytest.mark.parametrize("number", steps(ATTACH[:3]))
@pytest.mark.parametrize("disturbed", [lambda number: refuses(number, "INTERNAL_ERROR", "broken"), is_dead])
def test_what_fails_on_the_way_leaves_nothing(tmp_path: Path, number: int, disturbed: Callable[[int], Disturbance]) -> None:
    async def body(rig: Rig) -> None:
        vm = await rig.spawn(an_instance())
        rig.undisturbed()
        rig.wire.before = disturbed(number)
        with pytest.raises((XenApiFailure, Unanswered)):
            await attached(rig, vm)
        if disturbed is is_dead:
            rig.undisturbed()
            await detached(rig, vm)
        rig.undisturbed()
        assert (macs(rig), len(await told_of(rig, vm))) == ([a_vif().mac], 1)

    over_rig(tmp_path, body)


@pytest.mark.parametrize("number", steps(ATTACH[:3]))
def test_a_lost_answer_is_looked_up_when_an_interface_comes(tmp_path: Path, number: int) -> None:
    async def body(rig: Rig) -> None:
        vm = await rig.spawn(an_instance())
        rig.undisturbed()
        rig.wire.after = loses_reply(number)
        ref = await attached(rig, vm)
        asked = rig.undisturbed()
        assert [asked.count(name) for name in ATTACH] == [1] * 4
        assert await rig.session.call("VIF.get_currently_attached", ref)

    over_rig(tmp_path, body)


@pytest.mark.parametrize("number", steps(DETACH[:3]))
def test_a_lost_answer_is_looked_up_when_it_goes(tmp_path: Path, number: int) -> None:
    async def body(rig: Rig) -> None:
        vm = await rig.spawn(an_instance())
        ref = await attached(rig, vm)
        rig.undisturbed()
        rig.wire.after = loses_reply(number)
        await detached(rig, vm, ref)
        rig.undisturbed()
        assert (macs(rig), len(await told_of(rig, vm))) == ([a_vif().mac], 1)

    over_rig(tmp_path, body)


def test_dom0_that_cannot_be_told_leaves_no_interface(tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        vm = await rig.spawn(an_instance())

        async def deaf() -> None:
            raise ReplyLost("host.call_plugin", "lost by the test")

        with pytest.raises(ReplyLost):
            await attach(rig.session, rig.place, vm, SECOND, FLAVOR, deaf)
        assert (macs(rig), len(await told_of(rig, vm))) == ([a_vif().mac], 1)

    over_rig(tmp_path, body)


def test_a_number_that_somebody_elses_interface_has_is_refused(tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        vm = await rig.spawn(an_instance())
        with pytest.raises(XenApiFailure, match="DEVICE_ALREADY_EXISTS"):
            await attach(rig.session, rig.place, vm, replace(SECOND, device=0), FLAVOR, Told(rig))
        assert macs(rig) == [a_vif().mac]
        with pytest.raises(BuildFailed, match=r"has no network on bridge xenbr9\."):
            await attach(rig.session, rig.place, vm, replace(SECOND, bridge="xenbr9"), FLAVOR, Told(rig))

    over_rig(tmp_path, body)


# ---- locks and limits ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("release", "is_secured", "locks", "mode"),
    [
        ("latest", True, True, "locked"),
        ("latest", False, True, "network_default"),
        ("latest", True, False, "network_default"),
        ("tampa", True, False, "network_default"),
    ],
)
def test_interfaces_are_locked_to_their_address_where_host_and_port_say_so(
    tmp_path: Path, release: str, *, is_secured: bool, locks: bool, mode: str
) -> None:
    async def body(rig: Rig) -> None:
        place = replace(rig.place, locks_vifs=rig.place.locks_vifs and locks)
        vm = await rig.spawn(an_instance(vifs=()))
        ref = await attach(rig.session, place, vm, replace(SECOND, is_secured=is_secured), FLAVOR, None)
        record = await rig.session.call("VIF.get_record", ref)
        assert (record["locking_mode"], record["ipv4_allowed"]) == (mode, [SECOND.ip] if mode == "locked" else [])

    over_rig(tmp_path, body, release)


@pytest.mark.parametrize(
    ("flavor", "base_kib_s", "limit"),
    [
        (FLAVOR, 0, None),
        (replace(FLAVOR, rxtx_factor=2.0), 512, "1024"),
        (replace(FLAVOR, extra_specs={"quota:vif_outbound_average": "4096"}), 512, "4096"),
        (replace(FLAVOR, extra_specs={"quota:vif_outbound_average": "4096"}), 0, "4096"),
    ],
)
def test_a_flavor_limits_what_an_interface_sends(tmp_path: Path, flavor: Flavor, base_kib_s: int, limit: str | None) -> None:
    async def body(rig: Rig) -> None:
        rig.place = replace(rig.place, rxtx_base_kib_s=base_kib_s)
        vm = await rig.spawn(an_instance(flavor=flavor))
        (ref,) = await rig.session.call("VM.get_VIFs", vm)
        record = await rig.session.call("VIF.get_record", ref)
        wanted = ("", {}) if limit is None else ("ratelimit", {"kbps": limit})
        assert (record["qos_algorithm_type"], record["qos_algorithm_params"]) == wanted

    over_rig(tmp_path, body)


@pytest.mark.parametrize("said", ["0", "-1", "many", "1.5"])
def test_a_limit_that_is_none_is_refused(tmp_path: Path, said: str) -> None:
    async def body(rig: Rig) -> None:
        flavor = replace(FLAVOR, extra_specs={"quota:vif_outbound_average": said})
        with pytest.raises(
            BuildFailed, match=f"The flavor's quota:vif_outbound_average is '{said}', which is no number from 1 to 1073741824"
        ):
            await rig.spawn(an_instance(flavor=flavor))

    over_rig(tmp_path, body)


def test_a_host_says_whether_it_locks(tmp_path: Path) -> None:
    async def found(rig: Rig) -> Place:
        await asyncio.sleep(0)
        return rig.place

    assert [over_rig(tmp_path / name, found, name).locks_vifs for name in ("latest", "boston")] == [True, False]
