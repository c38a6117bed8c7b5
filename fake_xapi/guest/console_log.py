"""What a guest wrote on its text console: told by its VM's rows, so that nothing has to be kept for a text that is seldom read."""

from __future__ import annotations

from collections.abc import Iterator

from fake_xapi.guest.systems import system_of
from fake_xapi.lifecycle.guests import booted_domain_type
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World

_MIB = 1 << 20


def console_text(world: World, vm: Id) -> str:
    """The console of the VM's present domain, or of its last one when it is halted."""
    return "".join(f"{line}\r\n" for line in _lines(world, vm))


def _lines(world: World, vm: Id) -> Iterator[str]:
    row = world[vm]
    system = system_of(row, world.personality.era)
    guest = world.get(row["guest_metrics"])
    kernel = system.uname or "windows"
    yield f"[    0.000000] Linux version {kernel} ({system.name})"
    yield f"[    0.000000] Command line: root=/dev/xvda1 ro console=hvc0 {row['PV_args']}".rstrip()
    yield f"[    0.000000] Booting on Xen as a {booted_domain_type(world, row)} domain, {row['memory_target'] // _MIB} MiB"
    yield f"[    0.004000] smp: Brought up 1 node, {row['VCPUs_at_startup']} CPUs"
    for vbd in row["VBDs"]:
        device = world[vbd]["device"]
        if device:
            yield f"[    0.612000] blkfront: {device}: barrier: enabled"
    if guest is None:
        return
    yield f"[    1.208000] {system.distro}: drivers {guest['PV_drivers_version'].get('major', '0')} loaded, mounting root"
    for key, address in guest["networks"].items():
        if key.endswith("/ip"):
            yield f"[    2.016000] eth{key.partition('/')[0]}: link up, address {address}"
    if guest["live"]:
        yield ""
        yield f"{system.name} {row['name_label']} hvc0"
        yield ""
        yield f"{row['name_label']} login: "
    if row["power_state"] == "Halted":
        yield "[    9.999000] reboot: Power down"
