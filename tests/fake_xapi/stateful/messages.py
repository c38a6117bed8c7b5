"""The calls that clients of a pool make in any order: what each message takes beside the session, drawn from what is there."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from tests.fake_xapi.stateful.side import NULL, Side

GIB = 1 << 30
QOS: dict[str, Any] = {"other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {}}
NAMED = {"name_label": "made", "name_description": ""}
WISHES = ("sim.halt-after", "sim.reboot-after", "sim.crash-after", "sim.shutdown", "sim.suspend", "sim.balloon", "sim.hotplug", "sim.boot")
WISHED = ("0", "2", "40", "hang", "ignore", "stuck", "refuse:not now", "nonsense")
BLOCKED = ("start", "destroy", "pool_migrate", "snapshot", "hard_shutdown", "clone", "migrate_send")
Params = Callable[["Draw"], list[Any]]


class Draw:
    """What a call is about, drawn from what a pool has."""

    def __init__(self, side: Side, pick: random.Random) -> None:
        self.side = side
        self.pick = pick

    def any(self, cls: str) -> str:
        """Any object of a class."""
        return self.side.any(self.pick, cls)

    @property
    def vm(self) -> str:
        """Any VM, template or snapshot that is not of the product's own."""
        return self.side.any(self.pick, "VM", lambda row: not row["is_default_template"])

    @property
    def guest(self) -> str:
        """Any VM that is no template and no control domain."""
        return self.side.any(self.pick, "VM", lambda row: not row["is_a_template"] and not row["is_control_domain"])

    @property
    def member(self) -> str:
        """Any host of the pool but its master."""
        master = self.side.world[next(self.side.world.ids("pool"))]["master"]
        hosts = sorted(host for host in self.side.world.ids("host") if host != master)
        return self.side.world.ref(self.pick.choice(hosts)) if hosts else NULL

    def one_of(self, *values: Any) -> Any:
        """Any of them."""
        return self.pick.choice(values)


def _disk(draw: Draw) -> list[Any]:
    more = {"virtual_size": str(GIB), "type": "user", "sharable": draw.one_of(True, False), "read_only": False, "other_config": {}}
    return [{**NAMED, "SR": draw.any("SR"), **more}]


def _drive(draw: Draw) -> list[Any]:
    of_kind = draw.one_of({"type": "Disk", "mode": "RW"}, {"type": "Disk", "mode": "RO"}, {"type": "CD", "mode": "RO"})
    device = draw.one_of("autodetect", "0", "1", "5")
    return [
        {"VM": draw.guest, "VDI": draw.any("VDI"), "userdevice": device, "bootable": False, "empty": False, "unpluggable": True}
        | of_kind
        | QOS
    ]


def _card(draw: Draw) -> list[Any]:
    return [{"VM": draw.guest, "network": draw.any("network"), "device": draw.one_of("0", "1", "2"), "MAC": "", "MTU": "1500", **QOS}]


def _sr(draw: Draw) -> list[Any]:
    kind, config = draw.one_of(("dummy", {}), ("ext", {"device": "/dev/sdz"}), ("nonsense", {}))
    return [draw.any("host"), config, "0", "made", "", kind, "", draw.one_of(True, False), {}]


def _schedule(_draw: Draw) -> list[Any]:
    when = {"schedule": {"min": "0"}, "frequency": "hourly", "type": "snapshot", "retained_snapshots": "2"}
    return [{**NAMED, "enabled": True, **when}]


ANY: Mapping[str, Params] = {
    "VM.pool_migrate": lambda draw: [draw.guest, draw.any("host"), {"live": "true"}],
    "VM.start": lambda draw: [draw.guest, draw.one_of(True, False), False],
    "VM.start_on": lambda draw: [draw.guest, draw.any("host"), False, False],
    "VM.resume_on": lambda draw: [draw.guest, draw.any("host"), False, False],
    "VM.suspend": lambda draw: [draw.guest],
    "VM.hard_shutdown": lambda draw: [draw.guest],
    "VM.hard_reboot": lambda draw: [draw.guest],
    "VM.power_state_reset": lambda draw: [draw.guest],
    "VM.snapshot": lambda draw: [draw.guest, "kept"],
    "VM.checkpoint": lambda draw: [draw.guest, "kept"],
    "VM.revert": lambda draw: [draw.side.any(draw.pick, "VM", lambda row: row["is_a_snapshot"])],
    "VM.copy": lambda draw: [draw.vm, "copied", draw.one_of(NULL, draw.any("SR"))],
    "VM.clone": lambda draw: [draw.vm, "cloned"],
    "VM.destroy": lambda draw: [draw.vm],
    "VM.set_is_a_template": lambda draw: [draw.vm, draw.one_of(True, False)],
    "VM.set_memory_limits": lambda draw: [draw.guest, "0", str(GIB), str(draw.one_of(GIB, GIB // 2)), str(GIB)],
    "VM.set_VCPUs_number_live": lambda draw: [draw.guest, draw.one_of("1", "2", "99")],
    "VM.set_ha_restart_priority": lambda draw: [draw.guest, draw.one_of("", "restart", "best-effort")],
    "VM.set_appliance": lambda draw: [draw.guest, draw.one_of(NULL, draw.any("VM_appliance"))],
    "VM.add_to_blocked_operations": lambda draw: [draw.vm, draw.one_of(*BLOCKED), "kept"],
    "VM.remove_from_blocked_operations": lambda draw: [draw.vm, draw.one_of(*BLOCKED)],
    "VM.add_to_other_config": lambda draw: [draw.guest, draw.one_of(*WISHES), draw.one_of(*WISHED)],
    "VM.remove_from_other_config": lambda draw: [draw.guest, draw.one_of(*WISHES)],
    "VBD.create": _drive,
    "VBD.destroy": lambda draw: [draw.any("VBD")],
    "VBD.plug": lambda draw: [draw.any("VBD")],
    "VBD.unplug": lambda draw: [draw.any("VBD")],
    "VBD.insert": lambda draw: [draw.any("VBD"), draw.any("VDI")],
    "VBD.eject": lambda draw: [draw.any("VBD")],
    "VDI.create": _disk,
    "VDI.copy": lambda draw: [draw.any("VDI"), draw.any("SR")],
    "VDI.clone": lambda draw: [draw.any("VDI"), {}],
    "VDI.snapshot": lambda draw: [draw.any("VDI"), {}],
    "VDI.resize": lambda draw: [draw.any("VDI"), str(draw.one_of(GIB, 3 * GIB))],
    "VDI.destroy": lambda draw: [draw.any("VDI")],
    "VDI.forget": lambda draw: [draw.any("VDI")],
    "VDI.set_read_only": lambda draw: [draw.any("VDI"), draw.one_of(True, False)],
    "VDI.pool_migrate": lambda draw: [draw.any("VDI"), draw.any("SR"), {}],
    "SR.create": _sr,
    "SR.scan": lambda draw: [draw.any("SR")],
    "SR.forget": lambda draw: [draw.any("SR")],
    "SR.destroy": lambda draw: [draw.any("SR")],
    "PBD.plug": lambda draw: [draw.any("PBD")],
    "PBD.unplug": lambda draw: [draw.any("PBD")],
    "network.create": lambda _draw: [{**NAMED, "MTU": "1500", "other_config": {}, "tags": []}],
    "network.destroy": lambda draw: [draw.any("network")],
    "VLAN.create": lambda draw: [draw.any("PIF"), draw.one_of("7", "8", "5000"), draw.any("network")],
    "VLAN.destroy": lambda draw: [draw.any("VLAN")],
    "Bond.create": lambda draw: [draw.any("network"), [draw.any("PIF"), draw.any("PIF")], "", "balance-slb"],
    "Bond.destroy": lambda draw: [draw.any("Bond")],
    "PIF.plug": lambda draw: [draw.any("PIF")],
    "PIF.unplug": lambda draw: [draw.any("PIF")],
    "PIF.reconfigure_ip": lambda draw: [draw.any("PIF"), draw.one_of("DHCP", "None"), "", "", "", ""],
    "VIF.create": _card,
    "VIF.destroy": lambda draw: [draw.any("VIF")],
    "VIF.plug": lambda draw: [draw.any("VIF")],
    "VIF.unplug": lambda draw: [draw.any("VIF")],
    "host.disable": lambda draw: [draw.any("host")],
    "host.enable": lambda draw: [draw.any("host")],
    "host.evacuate": lambda draw: [draw.any("host")],
    "host.reboot": lambda draw: [draw.member],
    "VM_appliance.create": lambda _draw: [NAMED],
    "VM_appliance.destroy": lambda draw: [draw.any("VM_appliance")],
    "VM_appliance.start": lambda draw: [draw.any("VM_appliance"), False],
    "VM_appliance.shutdown": lambda draw: [draw.any("VM_appliance")],
    "pool.set_default_SR": lambda draw: [draw.any("pool"), draw.any("SR")],
}
"""A call of each release; more of them in ``MODERN``."""

MODERN: Mapping[str, Params] = {
    **ANY,
    "VM.shutdown": lambda draw: [draw.guest],
    "VIF.move": lambda draw: [draw.any("VIF"), draw.any("network")],
    "VTPM.create": lambda draw: [draw.guest, False],
    "VTPM.destroy": lambda draw: [draw.any("VTPM")],
    "VMSS.create": _schedule,
    "VMSS.destroy": lambda draw: [draw.any("VMSS")],
    "VMSS.snapshot_now": lambda draw: [draw.any("VMSS")],
    "VM.set_snapshot_schedule": lambda draw: [draw.guest, draw.one_of(NULL, draw.any("VMSS"))],
    "VM_group.create": lambda draw: [{**NAMED, "placement": draw.one_of("anti_affinity", "normal")}],
    "VM_group.destroy": lambda draw: [draw.any("VM_group")],
    "VM.set_groups": lambda draw: [draw.guest, [draw.any("VM_group")] if draw.side.world.count("VM_group") else []],
}
"""What today's release has beside them."""
