"""Passwords of servers between the cells: what hosts say of them, who may forget them, and what is noted of an agent that is mute."""

from __future__ import annotations

from pathlib import Path

import pytest

from compute_core.model.errors import NotFound
from compute_core.model.instances import RUNNING
from compute_core.store import instances
from fake_xapi.engine.virtual_time import run_virtual
from tests.compute_core.cells.cloud import OTHER, USER, cloud, is_at_rest


def test_a_build_tells_the_sealed_password_and_what_its_guest_was_not_told(tmp_path: Path) -> None:
    note = "The guest was not told: version: no answer from the agent within 300 seconds"

    async def main() -> None:
        async with cloud(tmp_path) as it:
            host = await it.add_host("host1", build_s=50)
            created = await it.create()
            await it.until(created.uuid, lambda now: now.task_state == "spawning")
            await host.tell(
                "build_succeeded", uuid=created.uuid, power_state=RUNNING, changes={"encrypted_password": "c2Vh"}, note=note
            )  # fmt: skip
            active = await it.until(created.uuid, is_at_rest)
            [action] = await it.api.list_actions(USER, created.uuid)
            assert (active.vm_state, active.encrypted_password, action.events[-1].details) == ("active", "c2Vh", note)
            with pytest.raises(NotFound):
                await it.api.forget_password(OTHER, created.uuid)
            await it.api.forget_password(USER, created.uuid)
            assert (await it.api.get_server(USER, created.uuid)).encrypted_password == ""
            assert (await it.top.run(instances.get, created.uuid)).encrypted_password == ""

    run_virtual(main(), limit_s=7200)
