"""What an agent does about its host as a whole, as its cell asks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from compute_core.compute.host_life import HOST_REQUESTS
from compute_core.model.errors import Conflict, HostUnreachable
from tests.compute_core.compute.agent_site import Site, on_site
from tests.compute_core.simulated import is_dead


async def tend(site: Site, request: str, **arguments: Any) -> Any:
    return (await site.bus.call("compute.xs1", "tend", {"request": request, "arguments": arguments}, 60.0))["answer"]


def test_a_host_tells_how_it_is_and_is_put_out_of_use(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        before = await tend(site, "state")
        await tend(site, "disable")
        assert await tend(site, "state") == {**before, "is_enabled": False}
        await tend(site, "enable")
        assert await tend(site, "state") == before
        assert set(before) == {"is_enabled", "is_live", "boot_time", "pool"}

    on_site(tmp_path, body)


def test_a_refusal_reaches_the_cell_in_the_hosts_words(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        await site.operator("host.get_all")
        with pytest.raises(Conflict, match=r"xs1: power_on is refused: UUID_INVALID \[host, nowhere\]"):
            await tend(site, "power_on", uuid="nowhere")
        site.wire.before = is_dead(0)
        with pytest.raises(HostUnreachable, match="xs1 did not answer disable"):
            await tend(site, "disable")
        site.wire.before = None

    on_site(tmp_path, body)


def test_requests_are_those_that_the_cell_makes() -> None:
    assert set(HOST_REQUESTS) >= {"state", "disable", "enable", "reboot", "shutdown", "power_on"}
