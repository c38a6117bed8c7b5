"""Where the plugin stands on the hosts of a pool, as XenAPI tells it: each host is asked for the checksum of what it runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from compute_core.xenapi.errors import Unanswered, XenApiFailure
from compute_core.xenapi.plugins import Dom0, PluginMissing, PluginRefusal
from compute_core.xenapi.session import XenApi

State = Literal["right", "other", "missing", "failing"]


@dataclass(frozen=True, slots=True)
class Target:
    """A host of a pool."""

    ref: str
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Standing:
    """``right``: the plugin that we would install; ``other``: another build; ``failing``: it is there and does not answer."""

    host: str
    address: str
    state: State
    version: str = ""
    python: str = ""
    problem: str = ""

    def row(self) -> dict[str, Any]:
        """As a command shows it."""
        return asdict(self)


async def targets(xapi: XenApi) -> list[Target]:
    """The hosts of the pool, by name."""
    hosts = await xapi.call("host.get_all_records")
    found = [Target(ref, host["name_label"] or host["hostname"], host["address"]) for ref, host in hosts.items()]
    return sorted(found, key=lambda target: target.name)


async def standing(xapi: XenApi, target: Target, wanted: str) -> Standing:
    """Compare what a host runs with the checksum ``wanted``."""
    try:
        found = await Dom0(xapi, target.ref).version()
    except PluginMissing:
        return Standing(target.name, target.address, "missing")
    except (PluginRefusal, XenApiFailure, Unanswered) as problem:
        return Standing(target.name, target.address, "failing", problem=str(problem))
    state: State = "right" if found["sha256"] == wanted else "other"
    return Standing(target.name, target.address, state, found["version"], found["python"])
