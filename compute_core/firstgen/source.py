"""What is done on a Xen host of the first generation: snapshots that are mounted, power, and the removal of what has been moved.

The volume of a VM is never mounted itself, which would write into it: a snapshot of it is, while the VM runs and after it is off.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from compute_core.firstgen.fleet import Source
from compute_core.firstgen.guests import Guest, is_running
from compute_core.firstgen.shell import CommandFailed, Shell, as_lines, script

SNAPSHOT_SHARE = 10
"""A snapshot has room for changes of a tenth of its volume."""
LEAST_SNAPSHOT_KIB = 16 << 10

MOUNT = as_lines(
    "volume=$1 snapshot=$2 size=$3 folder=$4",
    'state=$(lvs --noheadings -o lv_attr "$snapshot" 2>/dev/null || true)',
    "# A snapshot that has run full can no longer be read.",
    'case "$state" in *[sS]???[IS]*) umount "$folder" 2>/dev/null || true; lvremove -f "$snapshot"; state="";; esac',
    'if [ -z "$state" ]; then lvcreate --snapshot --size "${size}k" --name "$(basename "$snapshot")" "$volume"; fi',
    'mkdir -p "$folder"',
    'mountpoint -q "$folder" || mount -o ro,nosuid,nodev,noexec "$snapshot" "$folder"',
)
DROP = as_lines(
    "snapshot=$1 folder=$2",
    'if mountpoint -q "$folder"; then umount "$folder"; fi',
    'if lvs "$snapshot" >/dev/null 2>&1; then lvremove -f "$snapshot"; fi',
    'if [ -d "$folder" ]; then rmdir "$folder"; fi',
    'rmdir "$(dirname "$folder")" 2>/dev/null || true',
)
HOLD_BACK = 'if [ -e "$1" ] || [ -L "$1" ]; then mv "$1" "$2"; fi'
REMOVE = as_lines(
    'if lvs "$1" >/dev/null 2>&1; then lvremove -f "$1"; fi',
    'rm -f "$2" "$3"',
)


@dataclass(frozen=True, slots=True)
class View:
    """A snapshot of a VM's volume, mounted: ``snapshot`` is its device, ``folder`` where what it holds is seen."""

    snapshot: str
    folder: str


@dataclass(frozen=True, slots=True)
class Original:
    """The VM that is moved, on its host. ``move`` is the id of the move, which names what it makes there."""

    shell: Shell
    source: Source
    guest: Guest
    move: str
    patience_s: float = 300.0

    def view(self, name: str) -> View:
        """Where the snapshot of that name is, or would be."""
        group = self.guest.config.volume.rpartition("/")[0]
        return View(f"{group}/inova-{name}-{self.move}", f"{self.source.work}/{self.move}/{name}")

    async def show(self, view: View) -> None:
        """Take the snapshot and mount it, where that has not been done; one that has run full is taken anew."""
        size_kib = max(self.guest.size_bytes * SNAPSHOT_SHARE // 100 >> 10, LEAST_SNAPSHOT_KIB)
        await self._run(MOUNT, self.guest.config.volume, view.snapshot, str(size_kib), view.folder)

    async def hide(self, view: View) -> None:
        """Take away what ``show`` made, if anything."""
        await self._run(DROP, view.snapshot, view.folder)

    async def power_off(self) -> None:
        """Shut the VM down, hard when it will not in time; and let no reboot of the host start it again."""
        await self._run(HOLD_BACK, *self._start_links())
        if not await is_running(self.shell, self.source, self.guest.name):
            return
        try:
            async with asyncio.timeout(self.patience_s):
                await self.shell.run(self.source.ssh, "xm", "shutdown", "-w", self.guest.name)
        except (TimeoutError, CommandFailed):
            if await is_running(self.shell, self.source, self.guest.name):
                await self.shell.run(self.source.ssh, "xm", "destroy", self.guest.name)

    async def power_on(self) -> None:
        """Take ``power_off`` back: the VM runs when it ran before."""
        await self._run(HOLD_BACK, *reversed(self._start_links()))
        if self.guest.is_running and not await is_running(self.shell, self.source, self.guest.name):
            await self.shell.run(self.source.ssh, "xm", "create", self.guest.path)

    async def remove(self) -> None:
        """Destroy the VM's volume and its file. For good."""
        await self._run(REMOVE, self.guest.config.volume, self.guest.path, self._start_links()[1])

    def _start_links(self) -> tuple[str, str]:
        """The link by which the host starts the VM when it boots, and where it is kept meanwhile."""
        return f"{self.source.configs}/auto/{self.guest.name}", f"{self.source.configs}/.{self.guest.name}.moved-{self.move}"

    async def _run(self, text: str, *arguments: str) -> None:
        await self.shell.run(self.source.ssh, *script(text, *arguments))
