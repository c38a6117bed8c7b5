"""The texts that guests print on their consoles: lines by the name of the text, made from the VM's rows at that time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from fake_xapi.guest.systems import system_of
from fake_xapi.lifecycle.guests import booted_domain_type
from fake_xapi.lifecycle.rules import AnyRow
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World

Lines = Callable[[World, AnyRow], Iterator[str]]
_MIB = 1 << 20
END = "\r\n"


def _loader(world: World, row: AnyRow) -> Iterator[str]:
    system = system_of(row, world.personality.era)
    yield f"[    0.000000] Linux version {system.uname} ({system.name})"
    yield f"[    0.000000] Command line: root=/dev/xvda1 ro console=hvc0 {row['PV_args']}".rstrip()


def _kernel(world: World, row: AnyRow) -> Iterator[str]:
    metrics = world.get(row["metrics"])
    memory = (metrics["memory_actual"] if metrics is not None else 0) or row["memory_target"]
    yield f"[    0.000000] Booting on Xen as a {booted_domain_type(world, row)} domain, {memory // _MIB} MiB"
    yield f"[    0.004000] smp: Brought up 1 node, {row['VCPUs_at_startup']} CPUs"
    for vbd in row["VBDs"]:
        device = world[vbd]
        if device["currently_attached"] and device["device"]:
            yield f"[    0.612000] blkfront: {device['device']}: barrier: enabled"
    for vif in row["VIFs"]:
        if world[vif]["currently_attached"]:
            yield f"[    0.804000] xen_netfront: eth{world[vif]['device']}: {world[vif]['MAC']}"


def _drivers(world: World, row: AnyRow) -> Iterator[str]:
    system = system_of(row, world.personality.era)
    guest = world.get(row["guest_metrics"])
    version = guest["PV_drivers_version"].get("major", "0") if guest is not None else "0"
    yield f"[    1.208000] {system.distro}: drivers {version} loaded, mounting root"


def _network(world: World, row: AnyRow) -> Iterator[str]:
    guest = world.get(row["guest_metrics"])
    for key, address in guest["networks"].items() if guest is not None else ():
        if key.endswith("/ip"):
            yield f"[    2.016000] eth{key.partition('/')[0]}: link up, address {address}"


def _login(world: World, row: AnyRow) -> Iterator[str]:
    yield ""
    yield f"{system_of(row, world.personality.era).name} {row['name_label']} hvc0"
    yield ""
    yield f"{row['name_label']} login: "


def _windows_up(world: World, row: AnyRow) -> Iterator[str]:
    yield "Computer is booting, SAC started and initialized."
    yield f"EVENT: The CMD command is now available on {row['name_label']}."


def _panic(world: World, row: AnyRow) -> Iterator[str]:
    yield "[    1.302000] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(202,1)"
    yield f"[    1.302000] CPU: 0 PID: 1 Comm: swapper/0 Not tainted {system_of(row, world.personality.era).uname}"


def _fixed(*lines: str) -> Lines:
    def text(world: World, row: AnyRow) -> Iterator[str]:
        return iter(lines)

    return text


PRINTS: Mapping[str, Lines] = {
    "loader": _loader,
    "kernel": _kernel,
    "drivers": _drivers,
    "network": _network,
    "login": _login,
    "windows-loader": _fixed("Windows Boot Manager"),
    "windows-up": _windows_up,
    "nothing-to-boot": _fixed("No bootable device."),
    "stuck": _fixed("[    0.912000] xenbus_probe_frontend: Waiting for devices to initialise: 25s...20s...15s...10s...5s...0s..."),
    "installed": _fixed("Installation complete, rebooting."),
    "panic": _panic,
    "halt": _fixed("[    9.999000] reboot: Power down"),
    "reboot": _fixed("[    9.999000] reboot: Restarting system"),
    "crash": _fixed("[    9.999000] Kernel panic - not syncing: sysrq triggered crash"),
}
"""Name -> lines."""


def printed(world: World, vm: Id, names: tuple[str, ...]) -> str:
    """The text for some names."""
    row = world[vm]
    return "".join(f"{line}{END}" for name in names for line in PRINTS[name](world, row))
