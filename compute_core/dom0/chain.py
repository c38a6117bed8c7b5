"""Chains of VHD files: ``0.vhd`` is the leaf, ``1.vhd`` its parent and so on; checked as a whole, and laid into an SR all or none."""

import contextlib
import fcntl
import os
import shutil
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence

from compute_core.dom0 import vhd
from compute_core.dom0.machine import Machine
from compute_core.dom0.refusal import BAD_ARGUMENTS, NOT_FOUND, RETRYABLE, Refusal, bad_image

MOST_LINKS = 30
"""XenServer's own limit on the length of a chain."""
DRIVERS_LOCKS = "/var/lock/sm"
"""Where XenServer's storage managers have a folder with a lock for each SR."""
STAGING = ".inova-staging"
Described = Dict[str, Any]


class Link(NamedTuple):
    """One file of a chain."""

    path: str
    vhd: vhd.Vhd


def name_of(place: int) -> str:
    """What a file of a chain is called on its way."""
    return f"{place}.vhd"


def require_sr(machine: Machine, uuid: str) -> str:
    """The folder of an SR; Refusal NOT_FOUND when it is not mounted here as files."""
    folder = machine.sr(uuid)
    if not os.path.isdir(folder):
        raise Refusal(NOT_FOUND, f"the SR {uuid} is no folder of this host: is it plugged, and of type ext, nfs or file?")
    return folder


@contextlib.contextmanager
def staging(folder: str, label: str) -> Iterator[str]:
    """An empty folder inside an SR's, on the same file system, which ends with the block; those that a crash left are removed.

    Refusal RETRYABLE when another call works there under the same label.
    """
    outer = os.path.join(folder, STAGING)
    os.makedirs(outer, mode=0o700, exist_ok=True)
    here = os.path.join(outer, label)
    held = _begun(outer, here)
    try:
        yield here
    finally:
        shutil.rmtree(here, ignore_errors=True)
        os.close(held)


def _begun(outer: str, here: str) -> int:
    """Make a folder and hold it, while nobody else looks for what is left over. Returns what holds it."""
    door = os.open(outer, os.O_RDONLY)
    try:
        fcntl.flock(door, fcntl.LOCK_EX)
        _sweep(outer)
        os.mkdir(here, 0o700)
        return _hold(here)
    except FileExistsError:
        raise Refusal(RETRYABLE, f"{os.path.basename(here)} is under way already") from None
    finally:
        os.close(door)


def _sweep(outer: str) -> None:
    for name in os.listdir(outer):
        path = os.path.join(outer, name)
        with contextlib.suppress(OSError):  # whoever holds it is at work
            held = _hold(path)
            shutil.rmtree(path, ignore_errors=True)
            os.close(held)


def _hold(path: str) -> int:
    """Hold a folder as this process's until it is closed; BlockingIOError when another has it."""
    file = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise
    return file


def is_free(path: str) -> bool:
    """Whether nobody works in a folder."""
    try:
        os.close(_hold(path))
    except OSError:
        return False
    return True


# ---- checks ----------------------------------------------------------------------------------------------------------------------


def read(folder: str, count: int, most_virtual_bytes: int) -> List[Link]:
    """The chain of ``count`` files in a folder, the leaf first. Refusal BAD_IMAGE when they are none."""
    links = []
    for place in range(count):
        path = os.path.join(folder, name_of(place))
        with open(path, "rb") as file:
            links.append(Link(path, vhd.read(file, name_of(place))))
    check(links, most_virtual_bytes)
    return links


def check(links: Sequence[Link], most_virtual_bytes: int = vhd.MAX_DISK_BYTES) -> None:
    """Each file is made on the next one, the last one on none, and no disk is too large."""
    if not 0 < len(links) <= MOST_LINKS:
        raise bad_image(f"a chain of {len(links)} disks; there may be 1 to {MOST_LINKS}")
    if len({link.vhd.uuid for link in links}) < len(links):
        raise bad_image("the chain loops: two of its disks have one uuid")
    for place, link in enumerate(links):
        if link.vhd.size_bytes > most_virtual_bytes:
            raise bad_image(f"{name_of(place)} is a disk of {link.vhd.size_bytes} bytes; {most_virtual_bytes} are allowed")
        _check_parent(links, place)


def _check_parent(links: Sequence[Link], place: int) -> None:
    child, is_last = links[place].vhd, place + 1 == len(links)
    if child.parent is None and not is_last:
        raise bad_image(f"{name_of(place)} needs no parent, but {name_of(place + 1)} comes after it")
    if child.parent is None:
        return
    if is_last:
        loops = any(link.vhd.uuid == child.parent for link in links)
        raise bad_image("the chain loops" if loops else f"{name_of(place)} needs the parent {child.parent}, which is not there")
    if child.parent != links[place + 1].vhd.uuid:
        raise bad_image(f"{name_of(place)} was made on {child.parent}, and {name_of(place + 1)} is another disk")


# ---- into the SR -----------------------------------------------------------------------------------------------------------------


def lay(machine: Machine, sr_uuid: str, links: Sequence[Link], uuids: Sequence[str], now_s: float) -> List[Described]:
    """Make the files of a checked chain disks of an SR, the leaf as ``uuids[0]`` and so on. All or none; a name that is taken is kept.

    The leaf comes last, so that whoever sees it sees a whole chain. Returns the disks as ``describe`` does.
    """
    if len(uuids) < len(links):
        raise Refusal(BAD_ARGUMENTS, f"a chain of {len(links)} disks, and {len(uuids)} uuids for them")
    _relink(links, uuids, now_s)
    folder = machine.sr(sr_uuid)
    laid: List[str] = []
    with _driver_waits(machine, sr_uuid):
        try:
            for link, uuid in reversed(list(zip(links, uuids))):
                target = os.path.join(folder, f"{uuid}.vhd")
                os.link(link.path, target)
                laid.append(target)
        except OSError:
            for target in reversed(laid):
                os.unlink(target)
            raise
    _sync(folder)
    return describe(folder, uuids)


@contextlib.contextmanager
def _driver_waits(machine: Machine, sr_uuid: str) -> Iterator[None]:
    """Hold the lock that the SR's own driver takes: its collector of garbage would remove a parent whose child is yet to come."""
    locks = machine.path(DRIVERS_LOCKS)
    if not os.path.isdir(locks):
        yield
        return
    os.makedirs(os.path.join(locks, sr_uuid), exist_ok=True)
    with open(os.path.join(locks, sr_uuid, "sr"), "a") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        yield


def _relink(links: Sequence[Link], uuids: Sequence[str], now_s: float) -> None:
    """Write into each file the new name of its parent, and that all but the leaf are hidden."""
    for place, link in enumerate(links):
        with open(link.path, "r+b") as file:
            changed = link.vhd if link.vhd.parent is None else vhd.rename_parent(file, link.vhd, f"{uuids[place + 1]}.vhd")
            vhd.seal_footer(file, changed, now_s, is_hidden=place > 0)
            file.flush()
            os.fsync(file.fileno())


def _sync(folder: str) -> None:
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def is_laid(folder: str, uuids: Sequence[str]) -> bool:
    """Whether a chain of these names is in an SR already: the leaf is the last to come."""
    return os.path.exists(os.path.join(folder, f"{uuids[0]}.vhd"))


def describe(folder: str, uuids: Sequence[str]) -> List[Described]:
    """The disks of a chain in an SR, the leaf first, as XenAPI is told of them.

    ``{"uuid", "parent", "virtual_size", "physical_utilisation", "is_hidden"}``; the parent of the last one is "".
    """
    found = []
    for place, uuid in enumerate(uuids):
        path = os.path.join(folder, f"{uuid}.vhd")
        if not os.path.exists(path):
            break
        with open(path, "rb") as file:
            read_now = vhd.read(file, os.path.basename(path))
        parent = uuids[place + 1] if read_now.parent is not None and place + 1 < len(uuids) else ""
        sizes = {"virtual_size": read_now.size_bytes, "physical_utilisation": os.stat(path).st_blocks * 512}
        found.append({"uuid": uuid, "parent": parent, "is_hidden": read_now.is_hidden, **sizes})
        if not parent:
            break
    return found
