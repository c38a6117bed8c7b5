"""The checklist of 2012, in eleven steps: from a VM that runs on a Xen host to its copy that runs on a XenServer host.

Each row has its undo beside it. Steps look before they act, since a crash may have cut them off anywhere; and each of them makes sure
of what it stands on, since the machines that it works on may have been started anew meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compute_core.firstgen.guests import inspect, is_running
from compute_core.firstgen.move import Move, Step
from compute_core.firstgen.pools import disk_bytes
from compute_core.model.errors import Conflict
from compute_core.model.json import to_json

LIVE, FINAL = "live", "final"
"""The two snapshots: of the VM that runs, and of the one that is off."""
Facts = Mapping[str, Any]
NOTHING: Facts = {}


async def pick(move: Move) -> Facts:
    """Look at the VM and choose its host."""
    guest = await inspect(move.means.shell, move.source, move.name)
    destination = await move.means.placing.place(guest, move.journal.story.fact("wanted", ""))
    return {"guest": to_json(guest), "destination": destination, "size_bytes": disk_bytes(guest, move.means.generations)}


async def create(move: Move) -> Facts:
    """Make the VDI."""
    copy = await move.copy()
    vdi = await copy.disk(move.journal.story.fact("size_bytes"))
    return {"vdi": vdi, "VDI": await copy.uuid("VDI", vdi)}


async def destroy(move: Move) -> None:
    """Destroy the VDI."""
    await (await move.copy()).remove_disk()


async def attach(move: Move) -> Facts:
    """Bring the disk to where it can be written."""
    return {"disk": await (await move.site()).attach()}


async def release(move: Move) -> None:
    """Take the disk away from there; and the last of what this move had on the bench."""
    if move.journal.story.fact("vdi"):
        await (await move.site()).release()
    await (await move.bench()).clear()


async def make_file_system(move: Move) -> Facts:
    """Partition the disk, make a file system as the original's, mount it."""
    bench = await move.bench()
    await bench.format(move.guest)
    await bench.mount()
    return NOTHING


async def unmount(move: Move) -> None:
    """Unmount the new file system."""
    await (await move.bench()).unmount()


async def snapshot(move: Move) -> Facts:
    """Take a snapshot of the VM as it runs and mount it."""
    await move.original.show(move.original.view(LIVE))
    return NOTHING


async def drop_snapshot(move: Move) -> None:
    """Take the snapshot away."""
    await move.original.hide(move.original.view(LIVE))


async def copy_most(move: Move) -> Facts:
    """Copy what the snapshot holds, while the VM goes on."""
    return {"copied_bytes": await _pulled(move, LIVE)}


async def stop(move: Move) -> Facts:
    """Power the original off and show its disk. From here on, its users wait."""
    await move.original.hide(move.original.view(LIVE))
    move.journal.write("stop", "noted", powers_off=move.guest.is_running)
    await move.original.power_off()
    if await is_running(move.means.shell, move.source, move.name):
        raise Conflict(f"{move.name} still runs on {move.source.ssh.name}.")
    await move.original.show(move.original.view(FINAL))
    return NOTHING


async def go_on(move: Move) -> None:
    """Let the original run as it did."""
    await move.original.power_on()
    await move.original.hide(move.original.view(FINAL))


async def catch_up(move: Move) -> Facts:
    """Copy what has changed since the snapshot."""
    return {"caught_up_bytes": await _pulled(move, FINAL)}


async def unpack(move: Move) -> Facts:
    """Lay kernel, ramdisk and agent over the copied system."""
    bench = await move.bench()
    await bench.mount()
    await bench.unpack(move.means.kit, move.guest)
    return NOTHING


async def detach(move: Move) -> Facts:
    """Unmount the disk and give it to its SR."""
    await (await move.bench()).unmount()
    return {"imported_bytes": await (await move.site()).detach()}


async def start(move: Move) -> Facts:
    """Make the VM with its disk and interfaces, and start it when the original ran."""
    copy = await move.copy()
    vm = await copy.vm(move.journal.story.fact("vdi"), await move.interfaces())
    move.journal.write("start", "noted", VM=await copy.uuid("VM", vm))
    if move.guest.is_running:
        await copy.start(vm)
    move.journal.write("start", "noted", runs=move.guest.is_running)
    await _tidy(move)
    return NOTHING


async def remove_copy(move: Move) -> None:
    """Stop and destroy the VM."""
    await (await move.copy()).remove_vm()


async def nothing(_: Move) -> None:
    """Take nothing back: what was done is within what an earlier step takes away."""


STEPS: tuple[Step, ...] = (
    Step("pick", "pick a host", pick, nothing),
    Step("create", "create the VDI", create, destroy),
    Step("attach", "attach it to where it is filled", attach, release),
    Step("format", "partition it, make a file system, mount it", make_file_system, unmount),
    Step("snapshot", "take an LVM snapshot of the running VM, mount it", snapshot, drop_snapshot),
    Step("copy", "copy the snapshot by rsync", copy_most, nothing),
    Step("stop", "power the original off, mount its disk", stop, go_on),
    Step("catch-up", "rsync again what has changed since", catch_up, nothing),
    Step("unpack", "unpack kernel, ramdisk and agent", unpack, nothing),
    Step("detach", "unmount and detach the disk", detach, nothing),
    Step("start", "create the VM record, attach the disk, start", start, remove_copy),
)


async def remove_original(move: Move) -> Facts:
    """Destroy the original's volume and file, once the copy does what the original did. What ends a move that is confirmed."""
    state = await (await move.copy()).power_state()
    if not state or (move.guest.is_running and state != "Running"):
        raise Conflict(f"The copy of {move.name} is {state or 'gone'}, so the original stays. Cure: start the copy, or `abandon` the move.")
    if await is_running(move.means.shell, move.source, move.name):
        raise Conflict(f"The original of {move.name} runs again on {move.source.ssh.name}. Cure: shut it down, or `abandon` the move.")
    await move.original.hide(move.original.view(FINAL))
    await move.original.remove()
    return NOTHING


async def _pulled(move: Move, view: str) -> int:
    """Bring a snapshot over. Both sides are made sure of first."""
    original, bench = move.original, await move.bench()
    await (await move.site()).attach()
    await bench.mount()
    await original.show(original.view(view))
    return await bench.pull(move.source, original.view(view).folder, move.means.pace.bwlimit_kib)


async def _tidy(move: Move) -> None:
    """Free both sides of what the copy no longer needs. A host that cannot be reached now is tidied by the end of the move."""
    await (await move.site()).release()
    await (await move.bench()).clear()
    await move.original.hide(move.original.view(FINAL))
