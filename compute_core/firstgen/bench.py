"""The bench: the Linux machine in which a new disk is partitioned, filled and looked after, be the disk a device there or a file.

What is copied is a customer's: nothing of it is run, and no link in it is followed when something is written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from compute_core.firstgen.fleet import Destination, Source
from compute_core.firstgen.guests import Guest
from compute_core.firstgen.kit import Kit, fitted_fstab
from compute_core.firstgen.shell import CommandFailed, Shell, as_lines, script

PARTITION_START_BYTES = 1 << 20
ORPHAN_S = 120
"""How long a copy waits for one that a crash has left behind to end."""

FORMAT = as_lines(
    "disk=$1 root=$2 type=$3 uuid=$4 label=$5 start=$6 size=$7",
    'if mountpoint -q "$root"; then umount "$root"; fi',
    "printf '%s,,83,*\\n' $((start / 512)) | sfdisk --force --quiet \"$disk\" >&2",
    'mke2fs -q -F -t "$type" -U "$uuid" -L "$label" -E offset="$start" "$disk" "${size}k"',
)
MOUNT = as_lines(
    "disk=$1 root=$2 start=$3 size=$4",
    'mkdir -p "$root"',
    'mountpoint -q "$root" || mount -o "loop,offset=$start,sizelimit=$size,nosuid,nodev,noexec" "$disk" "$root"',
)
UNMOUNT = as_lines(
    'if mountpoint -q "$2"; then umount "$2"; fi', 'if [ -b "$1" ]; then blockdev --flushbufs "$1"; elif [ -e "$1" ]; then sync "$1"; fi'
)
PREPARE = as_lines('mkdir -p "$(dirname "$1")"', 'printf "%s\\n" "$2" >"$1"', "rsync --version")
PULL = as_lines("root=$1", "shift", 'rsync "$@" "$root/"', 'sync -f "$root" 2>/dev/null || sync')
READ_FSTAB = 'cd "$1" && if [ ! -L etc ] && [ ! -L etc/fstab ] && [ -f etc/fstab ]; then head -c 65536 etc/fstab; fi'
STAGE = as_lines('rm -rf "$1"', 'mkdir -p "$1"', 'chmod 755 "$1"')
ADD = as_lines('mkdir -p "$(dirname "$1/$2")"', 'printf "%s\\n" "$3" >"$1/$2"')
LAY_OVER = as_lines('rsync --archive --hard-links --numeric-ids "$1/" "$2/"', 'rm -rf "$1"', 'sync -f "$2" 2>/dev/null || sync')
RSYNC = ("--archive", "--hard-links", "--numeric-ids", "--one-file-system", "--delete", "--stats")
_ATTRIBUTES = {"--acls": re.compile(r"(?<!no )\bACLs"), "--xattrs": re.compile(r"(?<!no )\bxattrs")}
_MOVED = re.compile(r"^Total bytes (?:sent|received): ([\d,.]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Bench:
    """The bench of one move. ``disk`` is a path there, of ``size_bytes``."""

    shell: Shell
    destination: Destination
    move: str
    disk: str
    size_bytes: int

    @property
    def folder(self) -> str:
        """Where everything of this move is on the bench."""
        return f"{self.destination.work}/{self.move}"

    @property
    def root(self) -> str:
        """Where the new file system is mounted."""
        return f"{self.folder}/root"

    async def format(self, guest: Guest) -> None:
        """Partition the disk, make a file system as the original's is, with its UUID and label. What was there is lost."""
        size_kib = str((self.size_bytes - PARTITION_START_BYTES) >> 10)
        facts = (guest.file_system, guest.fs_uuid, guest.fs_label, str(PARTITION_START_BYTES), size_kib)
        await self._run(script(FORMAT, self.disk, self.root, *facts))

    async def mount(self) -> None:
        """Mount the file system, where that has not been done."""
        size = str(self.size_bytes - PARTITION_START_BYTES)
        await self._run(script(MOUNT, self.disk, self.root, str(PARTITION_START_BYTES), size))

    async def unmount(self) -> None:
        """Every byte is on the disk, and nothing holds it."""
        await self._run(script(UNMOUNT, self.disk, self.root))

    async def clear(self) -> None:
        """Leave nothing of the move on the bench; what is mounted stays, and is an error."""
        await self.unmount()
        await self._run(("rm", "-rf", "--one-file-system", self.folder))

    async def pull(self, source: Source, folder: str, bwlimit_kib: int) -> int:
        """Make the new file system what a folder of the Xen host is; the bytes that this took on the network.

        ``bwlimit_kib`` a second at most, 0 for as many as will go.
        """
        known_hosts = f"{self.folder}/known_hosts"
        version = await self._run(script(PREPARE, known_hosts, await self.shell.identity(source.ssh)))
        versions = (version, await self.shell.run(source.ssh, "rsync", "--version"))
        address = f"[{source.ssh.address}]" if ":" in source.ssh.address else source.ssh.address
        options = (*RSYNC, *attributes(versions), f"--bwlimit={bwlimit_kib}", f"--rsh={_hop(source, known_hosts)}")
        copy = script(PULL, self.root, *options, f"{source.ssh.user}@{address}:{folder}/")
        return moved_bytes(await self._run(("flock", "--wait", str(ORPHAN_S), f"{self.folder}/lock", *copy)))

    async def unpack(self, kit: Kit, guest: Guest) -> None:
        """Lay kernel, ramdisk and agent over the copied system, tell the boot loader, and mend the name of the root's device.

        It goes through a folder aside: tar would follow the system's own links out of it, rsync replaces them.
        """
        stage = f"{self.folder}/stage"
        await self._run(script(STAGE, stage))
        unpack = ("tar", "--extract", "--numeric-owner", "--same-permissions", "--directory", stage, *kit.flags, "--file", "-")
        await self.shell.feed(self.destination.ssh, kit.path, *unpack)
        if not kit.has_menu:
            await self._run(script(ADD, stage, "boot/grub/menu.lst", kit.menu()))
        fstab = await self._run(script(READ_FSTAB, self.root))
        if fstab:
            await self._run(script(ADD, stage, "etc/fstab", fitted_fstab(fstab, guest.config.device)))
        await self._run(script(LAY_OVER, stage, self.root))

    async def _run(self, command: tuple[str, ...]) -> str:
        return await self.shell.run(self.destination.ssh, *command)


def _hop(source: Source, known_hosts: str) -> str:
    """How the bench logs in to the Xen host: with the key that it is lent."""
    options = ("BatchMode=yes", "StrictHostKeyChecking=yes", f"UserKnownHostsFile={known_hosts}", "ServerAliveInterval=15")
    said = " ".join(f"-o {option}" for option in (*options, *source.ssh.options))
    return f"ssh -F none -T -p {source.ssh.port} {said}"


def attributes(versions: Sequence[str]) -> tuple[str, ...]:
    """Whether the rsyncs of all sides know ACLs and extended attributes, by what they say of themselves: that of 2006 did not."""
    return tuple(flag for flag, known in _ATTRIBUTES.items() if all(known.search(version) for version in versions))


def moved_bytes(stats: str) -> int:
    """What rsync says that it has sent and received; old ones group no digits."""
    return sum(int(re.sub(r"\D", "", count)) for count in _MOVED.findall(stats))


async def wait_for(shell: Shell, destination: Destination, device: str) -> None:
    """Until a device that has been plugged is there. CommandFailed after half a minute."""
    seconds = 'n=0; until [ -e "$1" ]; do n=$((n + 1)); if [ $n -gt 30 ]; then echo "$1 has not come" >&2; exit 1; fi; sleep 1; done'
    await shell.run(destination.ssh, *script(seconds, device))


async def size_of(shell: Shell, destination: Destination, file: str) -> int:
    """The size of a file on the bench, 0 for one that is not there."""
    try:
        return int(await shell.run(destination.ssh, "stat", "--format=%s", file))
    except CommandFailed:
        return 0
