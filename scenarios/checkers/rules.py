"""The rules themselves. Each takes the views and yields what is wrong; a table lists them all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from scenarios.checkers.views import HostView, ServerView
from scenarios.figures import Finding

Rule = Callable[[Sequence[HostView], Sequence[ServerView]], Iterator[tuple[str, str]]]
END_STATES = frozenset({"ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED", "ERROR"})
POWER_NUMBERS = {"Running": 1, "Paused": 3, "Halted": 4, "Suspended": 7}
"""XenAPI's power states in the API's numbers."""


def no_vm_on_two_hosts(hosts: Sequence[HostView], servers: Sequence[ServerView]) -> Iterator[tuple[str, str]]:
    """A server has exactly one VM."""
    del servers
    places: dict[str, list[str]] = defaultdict(list)
    for host in hosts:
        for uuid, _ in host.servers:
            places[uuid].append(host.name)
    for uuid, found in sorted(places.items()):
        if len(found) > 1:
            yield uuid, f"has VMs on {', '.join(sorted(found))}"


def no_vdi_without_owner(hosts: Sequence[HostView], servers: Sequence[ServerView]) -> Iterator[tuple[str, str]]:
    """Every disk belongs to a VM or is an image of the cache."""
    del servers
    for host in hosts:
        for vdi in host.stray_vdis:
            yield f"{host.name}/{vdi.uuid}", f"VDI {vdi.name_label!r} of {vdi.virtual_size} bytes belongs to nobody"


def every_server_has_an_end_state(hosts: Sequence[HostView], servers: Sequence[ServerView]) -> Iterator[tuple[str, str]]:
    """Nothing is still under way."""
    del hosts
    for server in servers:
        if server.status not in END_STATES or server.task_state is not None:
            yield server.uuid, f"is {server.status} with task {server.task_state}"


def views_agree(hosts: Sequence[HostView], servers: Sequence[ServerView]) -> Iterator[tuple[str, str]]:
    """The database's state of a server matches XenAPI's state of its VM, and neither has one that the other lacks."""
    seen = {uuid: (host.name, power_state) for host in hosts for uuid, power_state in host.servers}
    for server in servers:
        found = seen.pop(server.uuid, None)
        yield from _disagreements(server, found)
    for uuid, (host, _) in sorted(seen.items()):
        yield uuid, f"has a VM on {host} and is unknown to the database"


def _disagreements(server: ServerView, found: tuple[str, str] | None) -> Iterator[tuple[str, str]]:
    if found is None:
        if server.status != "ERROR":
            yield server.uuid, f"is {server.status} on {server.host} and has no VM"
    elif found[0] != server.host:
        yield server.uuid, f"is on {found[0]} by XenAPI and on {server.host} by the database"
    elif POWER_NUMBERS[found[1]] != server.power_state and server.status != "ERROR":
        yield server.uuid, f"is {found[1]} by XenAPI and has power_state {server.power_state} in the database"


RULES: Mapping[str, Rule] = {
    "no VM on two hosts": no_vm_on_two_hosts,
    "no VDI without owner": no_vdi_without_owner,
    "no server without end state": every_server_has_an_end_state,
    "XenAPI's view equals the database's": views_agree,
}


def check_all(hosts: Sequence[HostView], servers: Sequence[ServerView]) -> list[Finding]:
    """The findings of all rules."""
    return [Finding(name, about, problem) for name, rule in RULES.items() for about, problem in rule(hosts, servers)]
