"""Whether VMs may start on a host: enabled and disabled by hand, and what survives a reboot of that."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.hosts import dom0_files
from fake_xapi.verbs.pools import ha_admission
from fake_xapi.verbs.vms import placement

UNTIL_REBOOT = "/var/lib/xcp/local.db/host_disabled_until_reboot"
NO_AUTO_ENABLE = "/var/lib/xcp/local.db/host_no_auto_enable"
"""Keys in the host's own database: it is about to go down; a reboot is not to enable it."""


def disable(call: Call, host: Id, auto_enable: bool = True) -> None:  # absent before 2020
    """Let no more VMs start there; running ones stay. HA_OPERATION_WOULD_BREAK_FAILOVER_PLAN while HA needs the host."""
    ha_admission.assert_host_can_be_disabled(call.world, host)
    with call.world.edit() as edit:
        edit.set(host, enabled=False)
        if not auto_enable:
            dom0_files.write(call.world, edit, NO_AUTO_ENABLE, "true", host)
    ha_admission.plan_anew(call)


def enable(call: Call, host: Id) -> None:
    """Let VMs start there again. HOST_STILL_BOOTING [], HOST_DISABLED_UNTIL_REBOOT [host]."""
    if not placement.is_live(call.world, call.world[host]):
        raise Failure("HOST_STILL_BOOTING")
    if dom0_files.find(call.world, UNTIL_REBOOT, host):
        raise Failure("HOST_DISABLED_UNTIL_REBOOT", Handle(host))
    with call.world.edit() as edit:
        dom0_files.remove(call.world, edit, NO_AUTO_ENABLE, host)
        edit.set(host, enabled=True)
    ha_admission.plan_anew(call)


def disable_until_reboot(world: World, edit: Edit, host: Id) -> None:
    """Disable a host that is about to go down."""
    dom0_files.write(world, edit, UNTIL_REBOOT, "true", host)


def enable_after_boot(world: World, edit: Edit, host: Id) -> None:
    """Enable a host that has booted, unless somebody decided that a reboot should not do that."""
    dom0_files.remove(world, edit, UNTIL_REBOOT, host)
    edit.set(host, enabled=not dom0_files.find(world, NO_AUTO_ENABLE, host))


VERBS: Mapping[str, Verb] = {"host.disable": disable, "host.enable": enable}
