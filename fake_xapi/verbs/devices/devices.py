"""The numbers of a VM's devices: which names are valid, which are taken, which are free."""

from __future__ import annotations

import functools
import re

from fake_xapi.datamodel.digits import whole
from fake_xapi.datamodel.failure import Failure
from fake_xapi.lifecycle.guests import configured_domain_type, has_driver_version
from fake_xapi.state.row import Row
from fake_xapi.state.world import World

_DISK_NAME = re.compile(r"(?:xvd|sd|hd)([a-z]{1,4})\d*")
_FLOPPY = re.compile(r"fd[ab]")
_MODERN_DISKS = 255
_CONTROL_DOMAIN_DISKS = 256
_MODERN_VIFS = 16


def disk_number(device: str) -> int | None:
    """The number of a userdevice: 0 for "0", "xvda", "sda" and "hda"; None for a text that is not a disk's name."""
    number = whole(device)
    if number is not None:
        return number
    named = _DISK_NAME.fullmatch(device)
    return None if named is None else functools.reduce(lambda place, letter: place * 26 + ord(letter) - ord("a") + 1, named[1], 0) - 1


def is_disk_name(device: str, *, is_hvm: bool) -> bool:
    """Whether a VBD may have that userdevice."""
    return device == "autodetect" or disk_number(device) is not None or (is_hvm and _FLOPPY.fullmatch(device) is not None)


def is_hvm(vm: Row) -> bool:
    """Whether a VM boots as HVM."""
    return configured_domain_type(vm) == "hvm"


def free_disks(world: World, vm: Row) -> list[str]:
    """The numbers that are free for a VM's VBDs, as texts."""
    taken = {disk_number(world[vbd]["userdevice"]) for vbd in vm["VBDs"]}
    return [str(number) for number in range(_disk_count(world, vm)) if number not in taken]


def _disk_count(world: World, vm: Row) -> int:
    if vm["is_control_domain"]:
        return _CONTROL_DOMAIN_DISKS
    if world.personality.era == "modern":
        return _MODERN_DISKS
    return 4 if is_hvm(vm) and not _has_drivers(world, vm) else 16


def free_vifs(world: World, vm: Row) -> list[str]:
    """The numbers that are free for a VM's VIFs, as texts."""
    taken = {world[vif]["device"] for vif in vm["VIFs"]}
    return [text for number in range(vif_count(world, vm)) if (text := str(number)) not in taken]


def vif_count(world: World, vm: Row) -> int:
    """How many VIFs a VM may have."""
    if world.personality.era == "modern":
        return _MODERN_VIFS
    return 4 if is_hvm(vm) and not _has_drivers(world, vm) else 7


def _has_drivers(world: World, vm: Row) -> bool:
    metrics = world.get(vm["guest_metrics"])
    return metrics is not None and has_driver_version(metrics)


def claim_disk(world: World, vm: Row, device: str) -> str:
    """The userdevice for a new VBD; Failures INVALID_DEVICE, DEVICE_ALREADY_EXISTS."""
    if not is_disk_name(device, is_hvm=is_hvm(vm)):
        raise Failure("INVALID_DEVICE", device)
    if device == "autodetect":
        free = free_disks(world, vm)
        if not free:
            raise Failure("INVALID_DEVICE", device)
        return free[0]
    number = disk_number(device)
    taken = (world[vbd]["userdevice"] for vbd in vm["VBDs"])
    if any(other == device or (number is not None and disk_number(other) == number) for other in taken):
        raise Failure("DEVICE_ALREADY_EXISTS", device)
    return device


def check_vif(world: World, vm: Row, device: str) -> None:
    """Raise INVALID_DEVICE [device] for an impossible VIF number."""
    number = whole(device)
    if number is None or number >= vif_count(world, vm):
        raise Failure("INVALID_DEVICE", device)


def assert_vif_is_free(world: World, vm: Row, device: str) -> None:
    """Raise DEVICE_ALREADY_EXISTS [device] for a number that is taken."""
    if any(world[vif]["device"] == device for vif in vm["VIFs"]):
        raise Failure("DEVICE_ALREADY_EXISTS", device)
