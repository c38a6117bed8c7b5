"""VM groups: how anti-affinity influences a VM's placement, and the alert for a group whose VMs all run on one host."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from xml.sax.saxutils import escape

from fake_xapi.datamodel.failure import Failure
from fake_xapi.lifecycle.editions import is_restricted
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call, Verb

ALERT = "ALL_RUNNING_VMS_IN_ANTI_AFFINITY_GRP_ON_SINGLE_HOST"
_FEATURE = "VM_groups"


def set_groups(call: Call, vm: Id, groups: list[Id]) -> None:
    """Put a VM into a group, or take it out of all. TOO_MANY_GROUPS [] for more than one."""
    known = tuple(group for group in groups if call.world.get(group) is not None)
    if len(known) > 1:
        raise Failure("TOO_MANY_GROUPS")
    before = call.world[vm]["groups"]
    with call.world.edit() as edit:
        edit.set(vm, groups=known)
    for group in dict.fromkeys((*before, *known)):
        _tell(call, group)


def tell(call: Call, vm: Id) -> None:
    """Raise, renew or withdraw the alert of the VM's group: called by whatever has changed where the VM runs."""
    groups = call.world[vm]["groups"]
    if groups and not is_restricted(call.world, _FEATURE):
        for group in groups:
            _tell(call, group)


def _tell(call: Call, group: Id) -> None:
    host = _only_host(call.world, group)
    body = _body(call.world, group, host)
    mark = f"<VM_group>{escape(call.world.uuid(group))}</VM_group>"
    alerts = {alert: row["body"] for alert, row in call.world.rows("message") if row["name"] == ALERT and mark in row["body"]}
    with call.world.edit() as edit:
        for alert, said in alerts.items():
            if not host or said != body:
                edit.destroy(alert)
    if host and body not in alerts.values():
        call.announce(ALERT, POOL, body)


def _body(world: World, group: Id, host: Id) -> str:
    named = f"<VM_group>{world.uuid(group)}</VM_group><host>{world.uuid(host) if host else ''}</host>"
    return f"<body><message>Breach on VM anti-affinity rules</message>{named}</body>"


def _only_host(world: World, group: Id) -> Id:
    """The one host that runs all VMs of an anti-affinity group, if there are at least two; otherwise NULL."""
    row = world.get(group)
    if row is None or row["placement"] != "anti_affinity":
        return 0
    homes = [home for vm in row["VMs"] if world[vm]["power_state"] == "Running" and (home := world[vm]["resident_on"])]
    return homes[0] if len(homes) > 1 and len(set(homes)) == 1 else 0


def apart(world: World, vm: Id, hosts: list[Id]) -> list[Id]:
    """The hosts among those given that have, or will have, the fewest VMs of the VM's anti-affinity group; all when it is in none."""
    groups = (world[group] for group in world[vm]["groups"])
    group = next((row for row in groups if row["placement"] == "anti_affinity"), None)
    if group is None or is_restricted(world, _FEATURE):
        return hosts
    count = Counter(_homes(world, (other for other in group["VMs"] if other != vm)))
    fewest = min(count[host] for host in hosts)
    return [host for host in hosts if count[host] == fewest]


def _homes(world: World, vms: Iterable[Id]) -> Iterable[Id]:
    for vm in vms:
        row = world[vm]
        yield row["resident_on"] or row["scheduled_to_be_resident_on"]


VERBS: Mapping[str, Verb] = {"VM.set_groups": set_groups}
