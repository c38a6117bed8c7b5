"""What a host reports to whoever diagnoses it: the kernel's messages, XAPI's log, the contents of a bug report."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.hosts import dom0_files

READ_SO_FAR = "/var/log/dmesg-cleared"
CAPABILITIES: Mapping[str, tuple[int, int]] = {
    "blobs": (0, 52_428_800),
    "boot-loader": (0, 16_384),
    "device-model": (0, 5_242_880),
    "disk-info": (0, 51_200),
    "firstboot": (0, 1_048_576),
    "hardware-info": (0, 1_048_576),
    "high-availability": (0, 5_242_880),
    "host-crashdump-logs": (0, 16_777_216),
    "kernel-info": (0, 1_048_576),
    "loopback-devices": (0, 51_200),
    "multipath": (0, 1_048_576),
    "network-status": (0, 5_242_880),
    "pam": (0, 51_200),
    "process-list": (0, 131_072),
    "system-logs": (0, 52_428_800),
    "tapdisk-logs": (0, 65_536),
    "vncterm": (0, 1_048_576),
    "xapi-clusterd": (0, 5_242_880),
    "xapi-subprocess": (0, 5_242_880),
    "xen-info": (0, 65_536),
    "xenserver-install": (0, 1_048_576),
    "xenserver-logs": (0, 52_428_800),
}
"""The possible contents of a bug report, with their minimum and maximum size in bytes."""


def dmesg(call: Call, host: Id) -> str:
    """Xen's messages since the host was booted, or since they were last cleared."""
    lines = _kernel_lines(call.world, host)
    return "".join(lines[int(dom0_files.read(call.world, READ_SO_FAR, host) or 0) :])


def dmesg_clear(call: Call, host: Id) -> str:
    """The same, then clear them."""
    told = dmesg(call, host)
    with call.world.edit() as edit:
        dom0_files.write(call.world, edit, READ_SO_FAR, str(len(_kernel_lines(call.world, host))), host)
    return told


def _kernel_lines(world: World, host: Id) -> list[str]:
    row = world[host]
    software, cpu, metrics = row["software_version"], row["cpu_info"], world.get(row["metrics"])
    memory = metrics["memory_total"] if metrics is not None else 0
    guests = sorted(world[vm]["domid"] for vm in row["resident_VMs"] if world[vm]["domid"] > 0)
    return [
        f"(XEN) Xen version {software.get('xen', '')}\n",
        f"(XEN) System RAM: {memory >> 20}MB ({memory >> 10}kB)\n",
        f"(XEN) Brought up {cpu.get('cpu_count', '1')} CPUs\n",
        f"(XEN) Dom0 Linux {software.get('linux', '')}\n",
        *(f"(XEN) d{domid} created\n" for domid in guests),
    ]


def get_log(call: Call, host: Id) -> str:
    """The host's log: the events for which XAPI made messages, oldest first."""
    rows = [call.world[one] for one in sorted(call.world.ids("message"))]
    return "".join(f"{row['timestamp']} {call.world[host]['hostname']} xapi: [{row['name']}] {row['body']}\n" for row in rows)


def get_capabilities(call: Call, host: Id) -> str:
    """The possible contents of a bug report, as XML."""
    entries = "".join(
        f'<capability content-type="text/plain" default-checked="yes" key="{key}" max-size="{most}" max-time="-1" min-size="{least}" '
        'min-time="-1" pii="maybe"/>'
        for key, (least, most) in CAPABILITIES.items()
    )
    return f'<?xml version="1.0" ?><system-status-capabilities>{entries}</system-status-capabilities>'


def get_thread_diagnostics(call: Call, host: Id) -> str:
    """What XAPI is busy with: one line for each task under way."""
    rows = [(task, row) for task, row in sorted(call.world.rows("task")) if row["status"] == "pending"]
    return "".join(f"{call.world.uuid(task)} {row['name_label']}\n" for task, row in rows)


def get_timing_stats(call: Call, host: Id, counts: bool = False) -> dict[str, str]:  # counts are newer than the releases of 2012
    """How long operations took: nothing is measured, since the profile decides how long they take."""
    return {}


def db_stats(call: Call) -> dict[str, str]:
    """How often the database was locked, and for how many seconds: nobody ever waits for it."""
    return {"n": str(call.world.generation), "avgtime": "0.", "mintime": "0.", "maxtime": "0."}


def gc_compact(call: Call, host: Id) -> None:
    """Accept the request that a host's XAPI compact its memory, which has no visible effect."""


VERBS: Mapping[str, Verb] = {
    "host.dmesg": dmesg,
    "host.dmesg_clear": dmesg_clear,
    "host.get_log": get_log,
    "host.get_system_status_capabilities": get_capabilities,
    "host.get_thread_diagnostics": get_thread_diagnostics,
    "host.get_diagnostic_timing_stats": get_timing_stats,
    "Diagnostics.db_stats": db_stats,
    "Diagnostics.gc_compact": gc_compact,
}
