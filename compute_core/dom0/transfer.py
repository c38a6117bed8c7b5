"""Disks of a VM on their way from one host to another by rsync: a folder on the receiving SR takes them, then a chain is made of them.

prepare (there), send (here, as often as needed: parents while the VM runs, the leaf when it is off), receive (there).
"""

import os
import shutil
from typing import Any, Dict, List

from compute_core.dom0 import arguments, chain, vhd
from compute_core.dom0.machine import SR_MOUNTS, Machine
from compute_core.dom0.refusal import BAD_ARGUMENTS, DENIED, FULL, NOT_FOUND, RETRYABLE, Arguments, Refusal

INCOMING = ".inova-incoming"
_KINDS = {1: BAD_ARGUMENTS, 5: DENIED, 10: RETRYABLE, 11: RETRYABLE, 12: RETRYABLE, 23: NOT_FOUND, 30: RETRYABLE, 35: RETRYABLE}
_SAID = (
    ("No space left", FULL),
    ("Permission denied (", DENIED),
    ("verification failed", DENIED),
    ("No such file or directory", NOT_FOUND),
)
"""What rsync's exit codes mean, and first what it, or ssh, says."""


def prepare(machine: Machine, given: Arguments) -> Dict[str, Any]:
    """Make the folder ``label`` in the SR ``sr`` for what comes; one that is there is kept, with what has come before.

    Refusal FULL when the SR has not ``needed_bytes`` beside what has come. Returns ``{"free_bytes", "files"}``: the sizes of what is there.
    """
    folder = chain.require_sr(machine, arguments.uuid(given, "sr"))
    here = _incoming(folder, given)
    room = os.statvfs(folder)
    free, needed = room.f_bavail * room.f_frsize, arguments.number(given, "needed_bytes", 0)
    sizes = _sizes(here)
    if needed - sum(sizes.values()) > free:
        raise Refusal(FULL, f"{needed} bytes are needed, the SR has {free}")
    os.makedirs(here, mode=0o700, exist_ok=True)
    return {"free_bytes": free, "files": sizes}


def _sizes(folder: str) -> Dict[str, int]:
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return {name: os.path.getsize(os.path.join(folder, name)) for name in names}


def send(machine: Machine, given: Arguments) -> Dict[str, Any]:
    """Copy disks of the SR ``sr`` into the folder ``label`` of the SR ``target_sr`` of another host.

    ``disks``: maps of ``vdi`` and ``place``, its number in the chain. ``host``, ``user``, ``port``, ``identity_file``, and
    ``known_hosts_file``: how ssh gets there; it asks nobody, and goes to no host that it does not know. ``most_kib_s`` is a limit, 0 for
    none. What has come already is not sent again. Refusals NOT_FOUND, DENIED, RETRYABLE, FULL. Returns ``{"bytes", "files"}``.
    """
    folder = chain.require_sr(machine, arguments.uuid(given, "sr"))
    disks = [(arguments.uuid(disk, "vdi"), arguments.number(disk, "place")) for disk in arguments.maps(given, "disks")]
    limit_s = arguments.seconds(given, "timeout_s", 6 * 3600.0)
    options, target = _options(given), _target(given)
    with chain.staging(folder, f"{disks[0][0]}-out") as here:
        for vdi, place in disks:
            _hold(folder, here, vdi, place)
        names = [os.path.join(here, chain.name_of(place)) for _, place in disks]
        ran = machine.attempt("rsync", *options, "--", *names, target, limit_s=limit_s)
        if ran.code:
            said = (ran.err or ran.out).strip()
            raise Refusal(_kind(ran.code, said), f"rsync to {target} failed with code {ran.code}: {said}")
        return {"bytes": sum(os.path.getsize(name) for name in names), "files": len(names)}


def _hold(folder: str, here: str, vdi: str, place: int) -> None:
    path = os.path.join(folder, f"{vdi}.vhd")
    try:
        os.link(path, os.path.join(here, chain.name_of(place)))
    except FileNotFoundError:
        raise Refusal(NOT_FOUND, f"the disk {vdi} is not in the SR") from None
    except FileExistsError:
        raise arguments.bad("disks", f"has the place {place} twice") from None


def _options(given: Arguments) -> List[str]:
    """rsync's: in place, so that a second run sends what has changed; without its own compression, since VHDs go over fast networks.

    Files are dated by when they come, and not as where they come from: by that it is seen whether a folder is a left-over.
    """
    most = arguments.number(given, "most_kib_s", 0)
    ssh = [
        "ssh", "-oBatchMode=yes", "-oStrictHostKeyChecking=yes", "-oConnectTimeout=20", "-oServerAliveInterval=15",
        "-oServerAliveCountMax=8", "-p{}".format(arguments.number(given, "port", 22)),
    ]  # fmt: skip
    for name, option in (("identity_file", "-i{}"), ("known_hosts_file", "-oUserKnownHostsFile={}")):
        if given.get(name):
            ssh.append(option.format(_plain_path(given, name)))
    return ["--inplace", "--timeout=120", f"--bwlimit={most}", "--rsh={}".format(" ".join(ssh))]


def _plain_path(given: Arguments, name: str) -> str:
    """A path that needs no quotes: rsync splits the command of its shell at spaces."""
    path = arguments.text(given, name)
    if not path.startswith("/") or not all(sign.isalnum() or sign in "/._-" for sign in path):
        raise arguments.bad(name, f"is no absolute path of plain characters: {path!r}")
    return path


def _target(given: Arguments) -> str:
    host, user = arguments.host(given, "host"), arguments.label({"user": given.get("user", "root")}, "user")
    folder = "{}/{}/{}/{}/".format(SR_MOUNTS, arguments.uuid(given, "target_sr"), INCOMING, arguments.label(given, "label"))
    return "{}@{}:{}".format(user, f"[{host}]" if ":" in host else host, folder)


def _kind(code: int, said: str) -> str:
    """What was said tells more than the code, which is the same for many things."""
    return next((kind for words, kind in _SAID if words in said), _KINDS.get(code, RETRYABLE))


def receive(machine: Machine, given: Arguments) -> Dict[str, Any]:
    """Make a chain of ``count`` disks of the SR ``sr`` of what has come into the folder ``label``, under ``uuids``, the leaf first.

    Done once, it does nothing but answer ``{"vhds": [as chain.describe]}``. The folder is gone afterwards. Refusals BAD_IMAGE, NOT_FOUND.
    """
    sr, uuids, count = arguments.uuid(given, "sr"), arguments.uuids(given, "uuids"), arguments.number(given, "count")
    folder = chain.require_sr(machine, sr)
    here = _incoming(folder, given)
    if chain.is_laid(folder, uuids):
        shutil.rmtree(here, ignore_errors=True)
        return {"vhds": chain.describe(folder, uuids)}
    missing = [chain.name_of(place) for place in range(count) if not os.path.exists(os.path.join(here, chain.name_of(place)))]
    if missing or not count:
        raise Refusal(NOT_FOUND, "{} of the disks have not come: {}".format(len(missing), ", ".join(missing)))
    links = chain.read(here, count, vhd.MAX_DISK_BYTES)
    laid = chain.lay(machine, sr, links, uuids, machine.now_s())
    shutil.rmtree(here, ignore_errors=True)
    return {"vhds": laid}


def forget(machine: Machine, given: Arguments) -> None:
    """Remove the folder ``label`` of the SR ``sr``, those called so with a dash behind it, and what has come; gone already is fine."""
    outer, label = os.path.split(_incoming(chain.require_sr(machine, arguments.uuid(given, "sr")), given))
    for name in os.listdir(outer) if os.path.isdir(outer) else ():
        if name == label or name.startswith(f"{label}-"):
            shutil.rmtree(os.path.join(outer, name), ignore_errors=True)


def _incoming(folder: str, given: Arguments) -> str:
    return os.path.join(folder, INCOMING, arguments.label(given, "label"))
