"""A host as a whole: in and out of use, booted, off and on, with answers lost and requests refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from compute_core.model.errors import Conflict
from compute_core.xenapi import host_life
from compute_core.xenapi.errors import ReplyLost, XenApiFailure
from compute_core.xenapi.place import learn
from fake_xapi.engine.virtual_time import run_virtual
from fake_xapi.fleet.fleet import Fleet, Order
from tests.compute_core.rig import Rig, over_rig
from tests.compute_core.simulated import Wire, loses_reply, refuses, session_over

BOOT_S = 600.0


async def state(rig: Rig) -> host_life.HostState:
    return await host_life.state_of(rig.session, rig.place.host)


def test_a_host_is_put_out_of_use_and_back_by_one_call_each(tmp_path: Path) -> None:
    async def body(rig: Rig) -> Any:
        await host_life.disable(rig.session, rig.place.host)
        disabled = (await state(rig)).is_enabled
        await host_life.enable(rig.session, rig.place.host)
        return disabled, (await state(rig)).is_enabled, [name for name in rig.undisturbed() if ".get_" not in name]

    assert over_rig(tmp_path, body) == (False, True, ["host.disable", "host.enable"])


Change = Callable[[Rig], Awaitable[None]]


@pytest.mark.parametrize(
    ("change", "is_enabled"),
    [
        (lambda rig: host_life.disable(rig.session, rig.place.host), False),
        (lambda rig: host_life.enable(rig.session, rig.place.host), True),
    ],
)
def test_an_answer_that_is_lost_is_looked_up(tmp_path: Path, change: Change, is_enabled: bool) -> None:
    async def body(rig: Rig) -> Any:
        rig.wire.after = loses_reply(1)
        await change(rig)
        return (await state(rig)).is_enabled

    assert over_rig(tmp_path, body) is is_enabled


def test_what_was_not_done_when_its_answer_was_lost_is_told(tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        def lose(name: str, number: int) -> None:
            if number == 1:
                raise ReplyLost(name, "on the way there")

        rig.wire.before = lose
        with pytest.raises(ReplyLost):
            await host_life.disable(rig.session, rig.place.host)
        assert (await state(rig)).is_enabled

    over_rig(tmp_path, body)


def test_a_host_boots_once_however_often_it_is_asked(tmp_path: Path) -> None:
    async def body(rig: Rig) -> Any:
        await asyncio.sleep(BOOT_S)
        before = await state(rig)
        await host_life.reboot(rig.session, rig.place.host, before.boot_time)
        await asyncio.sleep(BOOT_S)
        after = await state(rig)
        rig.undisturbed()
        await host_life.reboot(rig.session, rig.place.host, before.boot_time)
        await asyncio.sleep(BOOT_S)
        return before.boot_time != after.boot_time, after.is_live, after.is_enabled, "host.reboot" in rig.undisturbed()

    assert over_rig(tmp_path, body) == (True, True, True, False)


def test_a_reboot_whose_answer_is_lost_is_asked_for_again_and_happens_once(tmp_path: Path) -> None:
    async def body(rig: Rig) -> Any:
        await asyncio.sleep(BOOT_S)
        before = await state(rig)
        rig.undisturbed()

        def lose(name: str, _: int) -> None:
            if name == "host.reboot":
                raise ReplyLost(name, "lost by the test")

        rig.wire.after = lose
        with pytest.raises(ReplyLost):
            await host_life.reboot(rig.session, rig.place.host, before.boot_time)
        rig.undisturbed()
        await host_life.reboot(rig.session, rig.place.host, before.boot_time)
        await asyncio.sleep(BOOT_S)
        after = await state(rig)
        await asyncio.sleep(BOOT_S)
        return after.boot_time not in {before.boot_time, ""}, await state(rig) == after

    assert over_rig(tmp_path, body) == (True, True)


def test_a_host_that_runs_a_vm_does_not_go_down(tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        from tests.compute_core.values import an_instance

        vm = await rig.spawn(an_instance())
        boot_time = (await state(rig)).boot_time
        with pytest.raises(XenApiFailure) as refusal:
            await host_life.shutdown(rig.session, rig.place.host, boot_time)
        assert refusal.value.details == ("HOST_IN_USE", rig.place.host, "VM", vm)

    over_rig(tmp_path, body)


def test_a_member_of_a_pool_is_switched_on_by_a_neighbour_once_somebody_has_said_how() -> None:
    async def main() -> None:
        fleet = Fleet(Order(hosts=2, pool_size=2))
        master = fleet.hosts["xs00001"]
        session = session_over(Wire(master))
        place = await learn(session, "http://127.0.1.1")
        assert (place.is_master, place.is_alone) == (True, False)
        (other,) = [ref for ref in await session.call("host.get_all") if ref != place.host]
        uuid = await session.call("host.get_uuid", other)
        await host_life.power_on(session, uuid)
        await host_life.shutdown(session, other, (await host_life.state_of(session, other)).boot_time)
        await asyncio.sleep(BOOT_S)
        assert not (await host_life.state_of(session, other)).is_live
        with pytest.raises(Conflict, match="has no power_on_mode"):
            await host_life.power_on(session, uuid)
        await session.call("host.set_power_on_mode", other, "own-script", {})
        with pytest.raises(Conflict, match="no script for the power_on_mode own-script"):
            await host_life.power_on(session, uuid)
        await session.call("host.set_power_on_mode", other, "wake-on-lan", {})
        await host_life.power_on(session, uuid)
        assert (await host_life.state_of(session, other)).is_live
        await session.close()
        await fleet.close()

    run_virtual(main())


def test_another_refusal_goes_through(tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        rig.wire.before = refuses(1, "HOST_STILL_BOOTING")
        with pytest.raises(XenApiFailure, match="HOST_STILL_BOOTING"):
            await host_life.enable(rig.session, rig.place.host)

    over_rig(tmp_path, body)
