"""Doing one thing on every host of the pool: the error lists the refs of the hosts where it failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call, Verb


def is_live(world: World, host: Id) -> bool:
    """Whether a host answers."""
    metrics = world.get(world[host]["metrics"])
    return metrics is None or bool(metrics["live"])


def on_every_host(verb: Callable[..., None], failed: str) -> Verb:
    """Make a verb that applies ``verb`` to every live host of the pool; raises ``failed`` [hosts] for those where it fails."""

    def on_all(call: Call, pool: Id, *values: Any) -> None:
        hosts = sorted(call.world.ids("host"))
        dead = [host for host in hosts if not is_live(call.world, host)]
        for host in hosts:
            if host not in dead:
                verb(call, host, *values)
        if dead:
            raise Failure(failed, *map(Handle, dead))

    return on_all
