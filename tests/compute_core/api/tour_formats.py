"""A chapter of the tour: servers from images of every format, with all disks that a flavor can give, and an image that is refused."""

from __future__ import annotations

from pathlib import Path

from compute_core.images import config_drive
from tests.compute_core.api.tour import Step, state
from tests.compute_core.dom0.vhds import archived, chain, numbered

MIB = 1 << 20

FORMATS: tuple[Step, ...] = (
    Step("image create chain --disk-format vhd --container-format ovf --file chain.tar.gz -c status", "active"),
    Step("image create raw --disk-format raw --container-format bare --file disk.raw -c status", "active"),
    Step("image create setup --disk-format iso --container-format bare --file setup.iso -c status", "active"),
    Step("image create evil --disk-format vhd --container-format ovf --file evil.tar -c status", "active"),
    Step("flavor create m1.disks --ram 256 --disk 1 --vcpus 1 --swap 64 --ephemeral 1 -c swap -c OS-FLV-EXT-DATA:ephemeral", "64"),
    Step("flavor create m1.bare --ram 256 --disk 1 --vcpus 1 -c name", "m1.bare"),
    Step(
        "server create all --image chain --flavor m1.disks --config-drive True --user-data hello.sh --wait -c status -c config_drive",
        "ACTIVE",
    ),
    Step("server create plain --image raw --flavor m1.bare --nic none --wait -c status", "ACTIVE"),
    Step("server create fresh --image setup --flavor m1.bare --nic none --wait -c status", "ACTIVE"),
    Step("server create broken --image evil --flavor m1.bare --nic none -c name", "broken"),
    state("broken", "ERROR"),
    Step("server show broken -c fault -f value", "has no place in an image of VHDs"),
    Step("server delete all plain fresh broken --wait"),
)
"""Each step with what it must show."""


def write_images(folder: Path) -> None:
    """The files that the steps name: real ones, and one whose tar leads out of its folder."""
    (folder / "chain.tar.gz").write_bytes(archived(numbered(chain())))
    (folder / "disk.raw").write_bytes(b"raw disk" * (MIB // 8))
    (folder / "hello.sh").write_text("#!/bin/sh\necho hello\n")
    (folder / "evil.tar").write_bytes(archived({"../../etc/0.vhd": chain()[-1]}, is_packed=False))
    config_drive.write(folder / "setup.iso", {"setup/install.sh": b"#!/bin/sh\n"})
