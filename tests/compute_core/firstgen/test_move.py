"""A VM on its way from a Xen host to a XenServer: whole moves with the real tools over a real sshd."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from compute_core.firstgen.journal import Line, read
from compute_core.firstgen.move import Pace
from compute_core.firstgen.mover import Order, Outcome, journal_path
from compute_core.firstgen.report import row_of
from tests.compute_core.firstgen.landing import AGENT, KERNEL, RAMDISK, Landing
from tests.compute_core.firstgen.site import WEB, Site
from tests.compute_core.firstgen.xen_host import mac_of

pytestmark = pytest.mark.firstgen
MENU = (
    "default 0\ntimeout 1\n\ntitle vmlinuz-6.1\nroot (hd0,0)\n"
    "kernel /boot/vmlinuz-6.1 root=/dev/xvda1 ro console=hvc0\ninitrd /boot/initrd.img-6.1\n\n"
)


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


def test_the_report_tells_the_downtime_and_the_bytes_of_a_move_and_only_confirmation_touches_the_original(site: Site) -> None:
    site.xen.add_guest("web")
    seen: dict[str, Any] = {}

    def looks(_: Order, line: Line) -> None:
        if (line.step, line.event) == ("stop", "done"):
            seen["stopped"] = site.xen.checksum("web")

    async def body(there: Landing) -> Any:
        async with there.mover(Pace(bwlimit_kib=200), looks) as mover:
            assert await mover.move([WEB]) == [Outcome(WEB, "arrived")]
            seen["arrived"] = site.xen.checksum("web")
            [vm] = await there.session.call("VM.get_by_name_label", "web")
            await there.session.call("VM.hard_shutdown", vm)
            [refused] = await mover.confirm([WEB])
            seen["volumes"] = site.xen.volumes()
            await there.session.call("VM.set_name_label", vm, "renamed")
            await there.session.call("VM.start", vm, False, False)
            confirmed = await mover.confirm([WEB])
            [again] = await mover.abandon([WEB])
        return refused, confirmed, again, row_of("xen01", "web", read(journal_path(there.journals, WEB))), await there.vm("renamed")

    refused, confirmed, again, row, record = site.land(body)
    cure = "Cure: start the copy, or `abandon` the move."
    assert refused == Outcome(WEB, "confirming", f"web stopped at confirm: The copy of web is Halted, so the original stays. {cure}")
    assert confirmed == [Outcome(WEB, "confirmed")]
    assert again == Outcome(WEB, "confirmed", "web is confirmed: there is no way back from there.")
    assert (seen["stopped"], seen["volumes"]) == (seen["arrived"], ["web"])
    assert (site.xen.volumes(), sorted(path.name for path in Path(site.xen.source.configs).iterdir())) == ([], ["auto"])
    assert (row.destination, row.state, row.was_running, row.disk_bytes, row.problem) == ("xs1", "confirmed", True, 34 << 20, "")
    assert row.copied_bytes > 2_300_000 > row.caught_up_bytes > 0
    assert row.imported_bytes > 2_300_000
    assert row.moved_bytes == row.copied_bytes + row.caught_up_bytes + row.imported_bytes
    assert row.downtime_s is not None
    assert row.downtime_s > 0
    assert record["power_state"] == "Running"


def test_a_vm_that_is_off_arrives_off_and_one_that_does_not_listen_is_destroyed(site: Site) -> None:
    site.xen.add_guest("off", is_running=False)
    site.xen.add_guest("deaf")
    (site.xen.folder / "deaf/deaf").touch()

    async def body(there: Landing) -> Any:
        async with there.mover(Pace(shutdown_s=1)) as mover:
            outcomes = await mover.move([Order("xen01", "off"), Order("xen01", "deaf")])
        rows = [row_of("xen01", each.order.name, read(journal_path(there.journals, each.order))) for each in outcomes]
        states = [(await there.vm(each.order.name))["power_state"] for each in outcomes]
        return [each.state for each in outcomes], states, [(row.was_running, row.downtime_s is None) for row in rows]

    assert site.land(body) == (["arrived", "arrived"], ["Halted", "Running"], [(False, True), (True, False)])
    assert "xm destroy deaf" in (site.xen.folder / "xm.log").read_text(encoding="utf-8")


def test_many_move_at_once_within_the_limits_and_one_that_cannot_stops_no_other(site: Site) -> None:
    for name in ("one", "two", "three"):
        site.xen.add_guest(name)
    site.xen.add_guest("bad", config="disk = ['file:/images/bad.img,sda1,w']\nmemory = 64\n", is_running=False)
    under_way: set[str] = set()
    peak = 0

    def counts(order: Order, line: Line) -> None:
        nonlocal peak
        if line.event == "begun" and line.step == "create":
            under_way.add(order.name)
        if line.event == "done" and line.step == "start":
            under_way.remove(order.name)
        peak = max(peak, len(under_way))

    async def body(there: Landing) -> Any:
        async with there.mover(Pace(per_source=4, per_destination=2), counts) as mover:
            return await mover.move(await mover.all_of("xen01"))

    outcomes = site.land(body)
    bad = "bad stopped at pick: bad: its disk 'file:/images/bad.img,sda1,w' is no LVM volume."
    assert {each.order.name: (each.state, each.problem) for each in outcomes} == {
        "bad": ("failed", bad),
        **dict.fromkeys(("one", "two", "three"), ("arrived", "")),
    }
    assert peak == 2
