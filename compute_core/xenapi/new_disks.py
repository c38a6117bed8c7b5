"""What another size brings to a server's disks beside the root: a swap disk of its own size, and as many ephemeral ones as it has.

What is there is kept: an ephemeral disk grows as the root disk does, its file system being the guest's affair. Swap holds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from compute_core.images.blank_disks import parts_of
from compute_core.model.flavors import Flavor
from compute_core.model.instances import Instance
from compute_core.model.volumes import device_name
from compute_core.xenapi import marks
from compute_core.xenapi.parcel import Parcel, ParcelDisk
from compute_core.xenapi.records import GIB
from compute_core.xenapi.server_disks import FIRST_EPHEMERAL, ROOT, Blank, blanks_of

SWAP_DISK = "swap"


def without_old_swap(parcel: Parcel, instance: Instance, flavor: Flavor) -> Parcel:
    """The parcel without a swap disk that another one takes the place of, or none."""
    if flavor.swap_mb == instance.flavor.swap_mb:
        return parcel
    return replace(parcel, disks=tuple(disk for disk in parcel.disks if not _is_swap(disk)))


def _is_swap(disk: ParcelDisk) -> bool:
    return (disk.other_config or {}).get(marks.DISK) == SWAP_DISK


def sizes_of(flavor: Flavor) -> Mapping[str, int]:
    """What disks of a flavor have at least, in bytes, by their numbers in the VM."""
    parts = {str(FIRST_EPHEMERAL + number): size_gb * GIB for number, size_gb in enumerate(parts_of(flavor.ephemeral_gb))}
    return {ROOT: flavor.root_gb * GIB, **parts}


def missing(instance: Instance, flavor: Flavor, sent: Parcel) -> Sequence[Blank]:
    """The disks of a flavor that did not come with the server, and whose place no volume has."""
    there = {disk.userdevice for disk in sent.disks}
    volumes = {device.device for device in instance.block_devices}
    wanted = blanks_of(replace(instance, flavor=flavor, has_config_drive=False), "")
    return [blank for blank in wanted if blank.device not in there and device_name(int(blank.device)) not in volumes]
