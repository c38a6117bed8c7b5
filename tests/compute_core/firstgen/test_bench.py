"""The machine that fills disks: what a customer's file system may not do to it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from compute_core.firstgen.bench import Bench
from compute_core.firstgen.fleet import Destination
from compute_core.firstgen.guests import Config, Guest
from compute_core.firstgen.kit import look_into
from compute_core.firstgen.shell import CommandFailed, SshHost
from compute_core.firstgen.ssh import Ssh
from compute_core.settings import HostEntry
from tests.compute_core.firstgen.landing import KERNEL, make_kit
from tests.compute_core.firstgen.sshd import Keys
from tests.compute_core.firstgen.xen_host import MIB, mounts_below

pytestmark = [pytest.mark.firstgen, pytest.mark.usefixtures("volumes_can_be_mounted")]
GUEST = Guest(
    Config("evil", 64, 1, "/dev/vg/evil", "sda1", ()), "/etc/xen/evil", 8 * MIB, "ext4", "00000000-0000-4000-8000-000000000001", "", True
)


def a_bench(folder: Path, keys: Keys, host: SshHost, shell: Ssh) -> Bench:
    disk = folder / "disk.raw"
    with disk.open("wb") as file:
        file.truncate(16 * MIB)
    (folder / "work/move").mkdir(parents=True)
    return Bench(shell, Destination(HostEntry("xs1", "", "", ""), host, work=str(folder / "work")), "move", str(disk), 16 * MIB)


def test_links_in_a_copied_system_lead_nowhere_when_the_kit_is_unpacked(tmp_path: Path, keys: Keys, bench: SshHost) -> None:
    outside, secret = tmp_path / "outside", tmp_path / "secret"
    outside.mkdir()
    secret.write_text("/dev/sda1 secret\n", encoding="utf-8")

    async def main() -> dict[str, object]:
        async with Ssh(keys.known_hosts, keys.key) as shell:
            here = a_bench(tmp_path, keys, bench, shell)
            await here.format(GUEST)
            await here.mount()
            root = Path(here.root)
            (root / "boot").symlink_to(outside)
            (root / "etc").mkdir()
            (root / "etc/fstab").symlink_to(secret)
            (root / "usr").symlink_to("/proc/self/cwd")
            await here.unpack(look_into(make_kit(tmp_path)), GUEST)
            seen = {
                "kernel": (root / "boot/vmlinuz-6.1").read_bytes(),
                "boot is a link": (root / "boot").is_symlink(),
                "usr is a link": (root / "usr").is_symlink(),
                "fstab is": (root / "etc/fstab").readlink(),
                "left aside": [path.name for path in root.parent.iterdir()],
            }
            await here.clear()
            await here.clear()
        return seen

    seen = asyncio.run(main())
    assert seen == {"kernel": KERNEL, "boot is a link": False, "usr is a link": False, "fstab is": secret, "left aside": ["root"]}
    assert (list(outside.iterdir()), secret.read_text(encoding="utf-8")) == ([], "/dev/sda1 secret\n")
    assert (mounts_below(tmp_path), list((tmp_path / "work").iterdir())) == ([], [])


def test_a_bench_is_not_cleared_below_a_file_system_that_cannot_be_unmounted(tmp_path: Path, keys: Keys, bench: SshHost) -> None:
    async def main() -> bool:
        async with Ssh(keys.known_hosts, keys.key) as shell:
            here = a_bench(tmp_path, keys, bench, shell)
            await here.format(GUEST)
            await here.mount()
            kept = Path(here.root) / "kept"
            kept.touch()
            with kept.open("rb"), pytest.raises(CommandFailed, match="busy"):
                await here.clear()
            is_kept = kept.exists()
            await here.clear()
        return is_kept

    assert asyncio.run(main())
