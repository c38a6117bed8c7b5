"""A migration that is struck in each of its phases: the VM is where it was, or goes on when it is let go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fake_xapi.datamodel.failure import Failure
from fake_xapi.engine.virtual_time import run_virtual
from fake_xapi.faults.plain import rule_from
from fake_xapi.faults.rules import phases
from fake_xapi.fleet.fleet import Fleet, Order
from tests.fake_xapi.fleet.test_migration_in_pools import sides
from tests.fake_xapi.fleet.test_migration_over_http import Side, asked

PHASES = [phase for phase in phases() if phase.startswith(("VM.migrate.", "VDI.mirror"))]


def between(body: Callable[[Side, Side, str, list[Any]], Awaitable[None]]) -> None:
    """Run over two stand-alone hosts of a fleet; a VM runs on the first, and it is known how it would go to the second."""

    async def main() -> None:
        fleet = Fleet(Order(hosts=2, seed=3))
        here, there = await sides(fleet)
        vm = await here.running()
        try:
            await body(here, there, vm, await asked(here, there, vm))
        finally:
            await fleet.close()

    run_virtual(main())


def state(side: Side) -> set[tuple[str, str]]:
    """The VMs of a pool that are no templates, and their power states."""
    vms = (row for _, row in side.xapi.world.rows("VM") if not row["is_a_template"] and not row["is_control_domain"])
    return {(row["name_label"], row["power_state"]) for row in vms}


def test_migrations_have_phases() -> None:
    assert {"VM.migrate.prepare", "VDI.mirror", "VM.migrate.metadata", "VM.migrate.copy", "VM.migrate.finish"} <= set(PHASES)


@pytest.mark.parametrize("phase", PHASES)
def test_a_migration_that_fails_in_a_phase_leaves_the_vm_where_it_was(phase: str) -> None:
    async def body(here: Side, there: Side, vm: str, given: list[Any]) -> None:
        disks = there.xapi.world.count("VDI")
        plain = {"effect": {"kind": "refuse", "code": "INTERNAL_ERROR", "params": ["struck"]}, "message": "VM.migrate_send", "at": phase}
        handle = here.fleet.faults.add(rule_from(plain))
        with pytest.raises(Failure) as caught:
            await here.call("VM.migrate_send", *given)
        assert (caught.value.details, here.fleet.faults.hits(handle)) == (["INTERNAL_ERROR", "struck"], 1)
        assert (state(here), state(there)) == ({("web", "Running")}, set())
        assert there.xapi.world.count("VDI") == disks
        assert await here.call("VM.get_current_operations", vm) == {}
        here.fleet.faults.clear()
        await here.call("VM.migrate_send", *given)
        assert (state(here), state(there)) == (set(), {("web", "Running")})

    between(body)


@pytest.mark.parametrize("point", ["pause_storage_migrate", "pause_storage_migrate2"])
def test_a_migration_pauses_at_xapis_own_points_and_goes_on_when_released(point: str) -> None:
    async def body(here: Side, there: Side, vm: str, given: list[Any]) -> None:
        del vm
        handle = here.fleet.faults.add(rule_from({"fist": f"FIST_{point}"}))
        going = asyncio.create_task(here.call("VM.migrate_send", *given))
        await asyncio.sleep(3600)
        assert (going.done(), ("web", "Running") in state(here)) == (False, True)
        assert here.fleet.faults.release(handle) == 1
        await going
        assert (state(here), state(there)) == (set(), {("web", "Running")})

    between(body)


def test_a_paused_migration_can_be_cancelled() -> None:
    async def body(here: Side, there: Side, vm: str, given: list[Any]) -> None:
        del vm
        here.fleet.faults.add(rule_from({"fist": "pause_storage_migrate"}))
        task = await here.call("Async.VM.migrate_send", *given)
        await asyncio.sleep(3600)
        await here.call("task.cancel", task)
        await asyncio.sleep(60)
        assert await here.call("task.get_status", task) == "cancelled"
        assert (state(here), state(there)) == ({("web", "Running")}, set())

    between(body)
