"""A VM on its way from a Xen host to a XenServer: whole moves with the real tools over a real sshd."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from compute_core.firstgen.journal import Line
from compute_core.firstgen.mover import Order, Outcome
from compute_core.firstgen.shell import SshHost
from tests.compute_core.firstgen.landing import AGENT, KERNEL, RAMDISK, Landing, landing
from tests.compute_core.firstgen.sshd import Keys
from tests.compute_core.firstgen.xen_host import XenHost, mac_of

pytestmark = pytest.mark.firstgen
T = TypeVar("T")
WEB = Order("xen01", "web")
MENU = (
    "default 0\ntimeout 1\n\ntitle vmlinuz-6.1\nroot (hd0,0)\n"
    "kernel /boot/vmlinuz-6.1 root=/dev/xvda1 ro console=hvc0\ninitrd /boot/initrd.img-6.1\n\n"
)


class Site:
    """Everything that a test needs to land a VM."""

    def __init__(self, folder: Path, keys: Keys, xen: XenHost, bench: SshHost) -> None:
        self.folder, self.keys, self.xen, self.bench = folder, keys, xen, bench

    def land(self, body: Callable[[Landing], Awaitable[T]], *, is_plugged: bool = False) -> T:
        async def main() -> T:
            async with landing(self.folder, self.keys, self.xen, self.bench, is_plugged=is_plugged) as there:
                return await body(there)

        return asyncio.run(main())


@pytest.fixture
def site(tmp_path: Path, keys: Keys, xen: XenHost, bench: SshHost) -> Site:
    return Site(tmp_path, keys, xen, bench)


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("is_plugged", [False, True], ids=["streamed", "plugged"])
def test_a_vm_arrives_whole_and_boots(site: Site, is_plugged: bool) -> None:
    site.xen.add_guest("web")

    def changes_while_copied(_: Order, line: Line) -> None:
        """The VM goes on working between the snapshot and its end."""
        if (line.step, line.event) == ("copy", "done"):
            root = site.xen.root_of("web")
            (root / "var/www/index.html").unlink()
            (root / "var/www/late.html").write_bytes(b"written after the snapshot")

    async def body(there: Landing) -> Any:
        async with there.mover(told=changes_while_copied) as mover:
            assert await mover.move([WEB]) == [Outcome(WEB, "arrived")]
        record = await there.vm("web")
        vif = await there.session.call("VIF.get_record", record["VIFs"][0])
        console = await there.console("web")
        return record, vif["MAC"], console, await there.files("web")

    record, mac, console, files = site.land(body, is_plugged=is_plugged)
    assert (record["power_state"], record["memory_static_max"], record["VCPUs_max"], mac) == ("Running", 128 << 20, 2, mac_of("web"))
    assert "login" in console
    assert (site.xen.is_running("web"), site.xen.starts_with_host("web"), site.xen.volumes()) == (False, False, ["web"])

    original = site.xen.files("web")
    kit = {"boot/vmlinuz-6.1": KERNEL, "boot/initrd.img-6.1": RAMDISK, "usr/sbin/agent": AGENT, "boot/grub/menu.lst": MENU.encode()}
    assert {name: files[name][4] for name in kit} == {name: sha(content) for name, content in kit.items()}
    assert files["etc/fstab"][4] == sha(b"/dev/xvda1 / ext3 defaults 1 1\nproc /proc proc defaults 0 0\n")
    new = {*kit, "usr", "usr/sbin", "etc/fstab", "boot", "boot/grub", "etc"}
    assert {name: facts for name, facts in files.items() if name not in new} == {n: f for n, f in original.items() if n not in new}
    assert original["var/www/late.html"][4] == sha(b"written after the snapshot")
