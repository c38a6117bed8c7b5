"""What the files of a Xen host say of its VMs, and what cannot be moved."""

from __future__ import annotations

import pytest

from compute_core.firstgen.guests import Config, GuestVif, Unmovable, parse

GOOD = """
# made by hand in 2008
kernel = "/boot/vmlinuz-2.6.18-xenU"
ramdisk = "/boot/initrd-2.6.18-xenU"
memory = '512'
name = "web"
vcpus = 2
disk = ["phy:xenvg/web,sda1,w"]
vif = ["mac=00:16:3E:AA:BB:01, bridge=xenbr1, ip=10.1.2.3", "mac=00:16:3e:aa:bb:02"]
root = "/dev/sda1 ro"
on_reboot = "restart"
"""


def with_line(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


def test_a_file_of_xm_is_read_and_not_run() -> None:
    vifs = (GuestVif("00:16:3e:aa:bb:01", "xenbr1", "10.1.2.3"), GuestVif("00:16:3e:aa:bb:02", "xenbr0"))
    assert parse(GOOD, "web") == Config("web", 512, 2, "/dev/xenvg/web", "sda1", vifs)


def test_what_a_file_does_not_say_is_what_xm_takes() -> None:
    assert parse("memory = 64\ndisk = ['phy:/dev/vg/x,hda1,w']\n", "x") == Config("x", 64, 1, "/dev/vg/x", "hda1", ())


DISKS = "VMs with one volume are moved. Cure: detach the others, move what they hold by itself."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (with_line("vcpus = 2", "vcpus = 1 + os.getpid()"), "web: line 7 of its file is no plain value. Cure: write what it comes to."),
        (with_line("vcpus = 2", "import os"), "web: line 7 of its file is no plain value. Cure: write what it comes to."),
        (with_line("vcpus = 2", "vcpus = ="), "web: line 7 of its file is not Python. Cure: correct it."),
        (with_line("vcpus = 2", "vcpus = 'many'"), "web: its file says no number of vcpus. Cure: add it."),
        (with_line("memory = '512'", ""), "web: its file says no number of memory. Cure: add it."),
        (with_line('name = "web"', 'name = "db"'), "web: its file says that it is db. Cure: name the file after the VM."),
        (with_line("disk = [", "disk = ['phy:vg/swap,sda2,w', "), f"web has 2 disks; {DISKS}"),
        (with_line("disk = [", "discs = ["), f"web has 0 disks; {DISKS}"),
        (with_line("phy:xenvg/web", "file:/img/web"), "web: its disk 'file:/img/web,sda1,w' is no LVM volume."),
        (with_line("phy:xenvg/web", "phy:../../etc/passwd"), "web: its disk 'phy:../../etc/passwd,sda1,w' is no LVM volume."),
        (with_line("phy:xenvg/web,sda1,w", "phy:xenvg/web"), "web: its disk 'phy:xenvg/web' is no LVM volume."),
        (
            with_line(', "mac=00:16:3e:aa:bb:02"', ', ""'),
            "web: an interface has no MAC, so that its copy would have another. Cure: write mac= into its file.",
        ),
    ],
)
def test_what_cannot_be_moved_is_refused_with_its_reason(text: str, message: str) -> None:
    with pytest.raises(Unmovable) as refused:
        parse(text, "web")
    assert str(refused.value) == message
