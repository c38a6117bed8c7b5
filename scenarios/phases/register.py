"""Every host's agent registers with the cell."""

from __future__ import annotations

import asyncio

from scenarios.phases.stage import Stage

POLL_S = 1.0


async def register(stage: Stage) -> None:
    """Wait until every host is up in the service list; TimeoutError names how many are missing."""
    expected = set(stage.hosts)
    known: set[str] = set()
    try:
        async with asyncio.timeout(stage.scenario.register_limit_s):
            while True:
                up = {service["host"] for service in await stage.client.services() if service["state"] == "up"}
                for host in sorted(up - known):
                    stage.journal.note("host registered", host=host)
                known |= up
                if known >= expected:
                    break
                await asyncio.sleep(POLL_S)
    except TimeoutError as error:
        raise TimeoutError(f"{len(expected - known)} of {len(expected)} hosts did not register in time") from error
    stage.results.registered_s = stage.journal.now_s()
