"""Kernels and ramdisks of guests that have none of their own: files of dom0, from which XAPI boots them."""

import hashlib
import os
import re
from typing import Any, Dict, List

from compute_core.dom0 import arguments, chain, vhd
from compute_core.dom0.machine import Machine
from compute_core.dom0.refusal import NOT_FOUND, Arguments, Refusal, bad_image

FOLDER = "/boot/guest"
MOST_BYTES = 128 << 20
NAME = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
"""Of the files that are ours: an image's uuid."""


def keep(machine: Machine, given: Arguments) -> Dict[str, Any]:
    """Make a file of the first ``size`` bytes of the disk ``vdi`` of the SR ``sr``, called ``name``, which is a uuid.

    ``md5``, when it is given, is what they must be. Done once, it is found done: ``{"path"}``. Refusals NOT_FOUND, BAD_IMAGE.
    """
    name, size = arguments.uuid(given, "name"), arguments.number(given, "size")
    path = os.path.join(FOLDER, name)
    kept = machine.path(path)
    if not (os.path.exists(kept) and os.path.getsize(kept) == size):
        content = _content(machine, arguments.uuid(given, "sr"), arguments.uuid(given, "vdi"), size)
        _check(content, arguments.text(given, "md5", ""))
        _write(kept, content)
    os.utime(kept, (machine.now_s(), machine.now_s()))
    return {"path": path}


def listed(machine: Machine, given: Arguments) -> List[Dict[str, Any]]:
    """The kernels and ramdisks that are kept here: ``{"name", "size", "idle_s"}``, the last one since somebody asked for it."""
    del given
    return [described(machine, name) for name in _names(machine)]


def described(machine: Machine, name: str) -> Dict[str, Any]:
    """One of them."""
    status = os.stat(machine.path(os.path.join(FOLDER, name)))
    return {"name": name, "size": status.st_size, "idle_s": max(machine.now_s() - status.st_mtime, 0.0)}


def forget(machine: Machine, given: Arguments) -> List[str]:
    """Remove those of ``names`` that nobody has asked for within the last ``idle_s`` seconds; their names. Absent is fine."""
    idle_s, there = arguments.number(given, "idle_s"), _names(machine)
    gone = []
    for name in arguments.uuids(given, "names"):
        if name in there and described(machine, name)["idle_s"] >= idle_s:
            os.unlink(machine.path(os.path.join(FOLDER, name)))
            gone.append(name)
    return gone


def _names(machine: Machine) -> List[str]:
    folder = machine.path(FOLDER)
    return sorted(name for name in os.listdir(folder) if NAME.fullmatch(name)) if os.path.isdir(folder) else []


def _content(machine: Machine, sr: str, vdi: str, size: int) -> bytes:
    if not 0 < size <= MOST_BYTES:
        raise bad_image(f"a kernel of {size} bytes; up to {MOST_BYTES} are taken")
    path = os.path.join(chain.require_sr(machine, sr), f"{vdi}.vhd")
    if not os.path.exists(path):
        raise Refusal(NOT_FOUND, f"the SR {sr} has no disk {vdi}")
    with open(path, "rb") as file:
        return vhd.content(file, vhd.read(file, os.path.basename(path)), size)


def _check(content: bytes, md5: str) -> None:
    digest = hashlib.new("md5")
    digest.update(content)
    if md5 and digest.hexdigest() != md5:
        raise bad_image(f"the kernel's MD5 is {digest.hexdigest()} where {md5} was announced")


def _write(path: str, content: bytes) -> None:
    """A file is there under its name when it is whole."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    aside = f"{path}.{os.getpid()}"
    with open(aside, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.rename(aside, path)
