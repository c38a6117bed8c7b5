"""Migrations to and from pools of several hosts, as a fleet places them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fake_xapi.datamodel.failure import Failure
from fake_xapi.engine.virtual_time import run_virtual
from fake_xapi.engine.xapi import Xapi
from fake_xapi.fleet.fleet import Fleet, Order
from tests.fake_xapi.fleet.test_migration_over_http import Side, asked


async def sides(fleet: Fleet) -> list[Side]:
    """The pools of a fleet by their masters, logged in."""
    masters: list[Xapi] = [xapi for xapi in fleet.hosts.values() if xapi.is_master]
    found = []
    for xapi in masters:
        answer = xapi.dispatch("session.login_with_password", ["root", "xenroot"])
        found.append(Side(fleet, xapi, await answer if asyncio.iscoroutine(answer) else answer))
    return found


def test_a_vm_goes_to_a_member_of_another_pool_and_on_to_its_neighbour() -> None:
    async def main() -> None:
        fleet = Fleet(Order(hosts=4, pool_size=2, seed=3))
        here, there = await sides(fleet)
        vm = await here.running()
        uuid = here.xapi.world.uuid(here.xapi.world.find_ref(vm))
        world = there.xapi.world
        member = next(host for host in world.ids("host") if host != there.xapi.host)
        given: list[Any] = await asked(here, there, vm)
        given[1] = await there.call("host.migrate_receive", world.ref(member), there.network, {})
        local = next(sr for sr, row in world.rows("SR") if row["type"] == "ext" and member in {world[pbd]["host"] for pbd in row["PBDs"]})
        given[3] = dict.fromkeys(given[3], world.ref(local))
        assert given[1]["master"] == f"http://{world[there.xapi.host]['address']}"
        assert given[1]["xenops"].startswith(f"http://{world[member]['address']}/")
        made = await here.call("VM.migrate_send", *given)
        row = world[world.find_ref(made)]
        assert (world.uuid(world.find_ref(made)), row["power_state"], row["resident_on"]) == (uuid, "Running", member)
        with pytest.raises(Failure) as caught:
            await there.call("VM.pool_migrate", made, world.ref(there.xapi.host), {})
        assert caught.value.details == ["VM_REQUIRES_SR", made, world.ref(local)]
        dest = await there.call("host.migrate_receive", world.ref(there.xapi.host), there.network, {})
        vdis = {world.ref(world[vbd]["VDI"]): there.sr for vbd in row["VBDs"]}
        master_sr = next(sr for sr, sr_row in world.rows("SR") if sr_row["type"] == "ext" and sr != local)
        await there.call("VM.migrate_send", made, dest, True, dict.fromkeys(vdis, world.ref(master_sr)), {}, {})
        assert world[world.find_ref(made)]["resident_on"] == there.xapi.host
        assert there.content(made) == [b"content"]
        await fleet.close()

    run_virtual(main())
