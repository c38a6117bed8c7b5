"""What is done on a Xen host: snapshots, power, and what is there to be moved."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from compute_core.firstgen.guests import Guest, Unmovable, inspect, names
from compute_core.firstgen.shell import CommandFailed
from compute_core.firstgen.source import Original
from compute_core.firstgen.ssh import Ssh
from tests.compute_core.firstgen.sshd import Keys
from tests.compute_core.firstgen.xen_host import MIB, XenHost, mac_of, manifest, mounts_below

pytestmark = pytest.mark.firstgen
T = TypeVar("T")


def over(keys: Keys, body: Callable[[Ssh], Awaitable[T]]) -> T:
    async def main() -> T:
        async with Ssh(keys.known_hosts, keys.key) as shell:
            return await body(shell)

    return asyncio.run(main())


def original(shell: Ssh, xen: XenHost, guest: Guest) -> Original:
    return Original(shell, xen.source, guest, "move-1", patience_s=20)


def test_the_vms_of_a_host_are_those_whose_files_give_a_disk(keys: Keys, xen: XenHost) -> None:
    configs = Path(xen.source.configs)
    for name, text in (("web", "disk = ['phy:vg/web,sda1,w']"), ("xend-config.sxp", "(xend-port 1)"), ("xmexample1", "disk = ['file:x']")):
        (configs / name).write_text(text, encoding="utf-8")
    (configs / "scripts").mkdir()
    assert over(keys, lambda shell: names(shell, xen.source)) == ["web"]


@pytest.mark.parametrize(("file_system", "is_running"), [("ext3", True), ("ext4", False)])
def test_a_vm_is_looked_at_as_it_is(keys: Keys, xen: XenHost, file_system: str, is_running: bool) -> None:
    xen.add_guest("web", file_system=file_system, is_running=is_running)
    guest = over(keys, lambda shell: inspect(shell, xen.source, "web"))
    assert (guest.file_system, guest.fs_label, len(guest.fs_uuid), guest.size_bytes) == (file_system, "root-of-web", 36, 24 * MIB)
    assert (guest.is_running, guest.config.memory_mib, guest.config.vifs[0].mac) == (is_running, 128, mac_of("web"))


def test_what_cannot_be_looked_at_is_told_with_its_reason(keys: Keys, xen: XenHost) -> None:
    xen.run("lvcreate", "--size", "16384k", "--name", "empty", xen.group.name)
    for name in ("empty", "gone"):
        (Path(xen.source.configs) / name).write_text(f"memory = 1\ndisk = ['phy:{xen.group}/{name},sda1,w']\n", encoding="utf-8")

    async def body(shell: Ssh) -> list[str]:
        said = []
        for name in ("empty", "gone", "absent", "../etc"):
            with pytest.raises(Unmovable) as refused:
                await inspect(shell, xen.source, name)
            said.append(str(refused.value))
        return said

    empty, gone, absent, outside = over(keys, body)
    assert empty == f"empty: {xen.group}/empty holds no file system; ext2, ext3 and ext4 are moved."
    assert gone == f"gone: {xen.group}/gone is no volume (it is not there)."
    assert "xen01 has no VM absent (cat: " in absent
    assert outside.startswith("'../etc' cannot be the name of a VM here")


def test_a_snapshot_stands_still_while_the_vm_goes_on_and_goes_without_a_trace(keys: Keys, xen: XenHost) -> None:
    xen.add_guest("web")

    async def body(shell: Ssh) -> tuple[bool, str]:
        here = original(shell, xen, await inspect(shell, xen.source, "web"))
        before, view = manifest(xen.root_of("web")), here.view("live")
        await here.show(view)
        (xen.root_of("web") / "etc/new").write_text("later", encoding="utf-8")
        await here.show(view)
        is_still = manifest(Path(view.folder)) == before
        await here.hide(view)
        await here.hide(view)
        return is_still, view.folder

    is_still, folder = over(keys, body)
    assert (is_still, Path(folder).exists(), xen.volumes()) == (True, False, ["web"])


@pytest.mark.skipif(Path("/dev/mapper/control").exists(), reason="a real snapshot runs full only when it is written so much")
def test_a_snapshot_that_has_run_full_is_taken_anew(keys: Keys, xen: XenHost) -> None:
    xen.add_guest("web")

    async def body(shell: Ssh) -> bool:
        here = original(shell, xen, await inspect(shell, xen.source, "web"))
        await here.show(here.view("live"))
        (xen.root_of("web") / "etc/new").write_text("later", encoding="utf-8")
        (xen.folder / "full").touch()
        await here.show(here.view("live"))
        is_new = (Path(here.view("live").folder) / "etc/new").exists()
        await here.hide(here.view("live"))
        return is_new

    assert over(keys, body)


def test_power_goes_and_comes_back_with_the_link_by_which_the_host_starts_the_vm(keys: Keys, xen: XenHost) -> None:
    xen.add_guest("web")

    def state() -> tuple[bool, bool]:
        return xen.is_running("web"), xen.starts_with_host("web")

    async def body(shell: Ssh) -> list[tuple[bool, bool]]:
        here = original(shell, xen, await inspect(shell, xen.source, "web"))
        states = [state()]
        for step in (here.power_off, here.power_off, here.power_on, here.power_on):
            await step()
            states.append(state())
        return states

    assert over(keys, body) == [(True, True), (False, False), (False, False), (True, True), (True, True)]
    assert mounts_below(xen.folder) == [str(xen.root_of("web"))]


def test_a_host_that_cannot_say_whether_a_vm_runs_is_not_taken_to_say_that_it_is_off(keys: Keys, xen: XenHost) -> None:
    xen.add_guest("web")

    async def body(shell: Ssh) -> None:
        here = original(shell, xen, await inspect(shell, xen.source, "web"))
        (xen.folder / "xend-is-down").touch()
        with pytest.raises(CommandFailed, match="Is xend running"):
            await here.power_off()

    over(keys, body)
    assert xen.is_running("web")
