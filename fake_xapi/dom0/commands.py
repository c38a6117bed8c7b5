"""The commands of a simulated dom0 that scripts find: what each does to the host that it runs on.

``sleep`` takes the time of the simulator's own loop, so that a script that waits for a guest waits as long as the guest does. ``rsync``
copies between folders of this process whatever host it names, with the real program.
"""

from __future__ import annotations

import asyncio
import math
import re
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from fake_xapi.dom0 import xenstore
from fake_xapi.dom0.folders import MOUNTS
from fake_xapi.dom0.ionice import ionice
from fake_xapi.dom0.network_commands import NETWORK_COMMANDS
from fake_xapi.dom0.plugins.place import Dom0, PluginError
from fake_xapi.dom0.script_process import Asked, Reply
from fake_xapi.dom0.switch import ovs_ofctl
from fake_xapi.guest.watches import written_by_dom0
from fake_xapi.state.ids import Id

Words = list[str]
_DONE: Reply = (0, "", "")
_DOMAIN = re.compile(r"/local/domain/(\d+)(?:/(.*))?")
_REMOTE = re.compile(r"(?:[^@/]*@)?(\[[^\]]*\]|[^:/\[]+):(/.*)")
_LONGEST_S = 86_400.0


async def run(dom0: Dom0, top: Path, asked: Asked) -> Reply:
    """Do what a command does. Code 127 for one that this dom0 has not."""
    name, *words = asked.words or [""]
    if name in _LASTING:
        return await _LASTING[name](dom0, top, words, asked.folder)
    try:
        if name == "ovs-ofctl":
            return 0, ovs_ofctl(dom0, top, words), ""
        if name in _PLAIN:
            return 0, _PLAIN[name](dom0, words), ""
        if name in _XENSTORE:
            return 0, _XENSTORE[name](dom0, [word for word in words if word != "--"]), ""
    except PluginError as refusal:
        return (1 if str(refusal) else 2), "", str(refusal).removeprefix("command failed with code 1: ")
    return 127, "", f"{name}: command not found"


_PLAIN: Mapping[str, Callable[[Dom0, Words], str]] = {**NETWORK_COMMANDS, "ionice": ionice}
"""What takes no time, and no words but its own."""


# ---- xenstore --------------------------------------------------------------------------------------------------------------------


def _place(dom0: Dom0, path: str) -> tuple[Id, str]:
    """The domain that a path belongs to, and the path within it; dom0's own for a relative one."""
    found = _DOMAIN.fullmatch(path if path.startswith("/") else f"/local/domain/0/{path}")
    return (dom0.vm_of(found[1]), (found[2] or "").strip("/")) if found else (0, "")


def _value(dom0: Dom0, path: str) -> str | None:
    vm, inner = _place(dom0, path)
    return xenstore.read(dom0.world, vm, inner) if vm else None


def _read(dom0: Dom0, paths: Words) -> str:
    values = []
    for path in paths:
        value = _value(dom0, path)
        if value is None:
            raise PluginError(f"xenstore-read: couldn't read path {path}")
        values.append(f"{value}\n")
    return "".join(values)


def _write(dom0: Dom0, words: Words) -> str:
    for path, value in zip(words[::2], words[1::2], strict=True):
        vm, inner = _place(dom0, path)
        if not vm or not inner:
            raise PluginError(f"xenstore-write: could not write path {path}")
        written_by_dom0(dom0.call, vm, inner, value)
    return ""


def _remove(dom0: Dom0, paths: Words) -> str:
    for path in paths:
        vm, inner = _place(dom0, path)
        if not vm or not inner or not xenstore.remove(dom0.call, vm, inner):
            raise PluginError(f"xenstore-rm: could not remove path {path}")
    return ""


def _list(dom0: Dom0, paths: Words) -> str:
    names: Words = []
    for path in paths:
        vm, inner = _place(dom0, path)
        if not vm or xenstore.read(dom0.world, vm, inner) is None:
            raise PluginError(f"xenstore-list: could not list path {path}")
        names += xenstore.children(dom0.world, vm, inner)
    return "".join(f"{name}\n" for name in names)


def _exists(dom0: Dom0, paths: Words) -> str:
    if any(_value(dom0, path) is None for path in paths):
        raise PluginError("xenstore-exists: no such path")
    return ""


_XENSTORE: Mapping[str, Callable[[Dom0, Words], str]] = {
    "xenstore-read": _read,
    "xenstore-write": _write,
    "xenstore-rm": _remove,
    "xenstore-list": _list,
    "xenstore-exists": _exists,
}


# ---- what takes time -------------------------------------------------------------------------------------------------------------


async def _watch(dom0: Dom0, _: Path, words: Words, __: str) -> Reply:
    """``-n N PATH``: the path at once, and again whenever its value changes, or its domain goes; N lines in all."""
    match words:
        case ["-n", number, path] if number.isdecimal():
            count = int(number)
        case _:
            return 2, "", "Usage: xenstore-watch -n N PATH"
    lines, seen, changed = 1, (_place(dom0, path), _value(dom0, path)), asyncio.Event()

    def notice(_generation: int, _changes: object) -> None:
        changed.set()

    dom0.world.listeners.append(notice)
    try:
        while lines < count:
            await changed.wait()
            changed.clear()
            now = _place(dom0, path), _value(dom0, path)
            lines, seen = lines + (now != seen), now
    finally:
        dom0.world.listeners.remove(notice)
    return 0, f"{path}\n" * lines, ""


async def _timeout(dom0: Dom0, top: Path, words: Words, folder: str) -> Reply:
    """A command for so many seconds at most; 124 when it takes longer."""
    limit_s = _seconds(words[:1])
    if not 0 < limit_s <= _LONGEST_S:
        return 125, "", f"timeout: invalid time interval: {' '.join(words[:1])}"
    try:
        async with asyncio.timeout(limit_s):
            return await run(dom0, top, Asked(words[1:], folder))
    except TimeoutError:
        return 124, "", ""


def _seconds(words: Words) -> float:
    """Their sum; not a number for what is none."""
    try:
        return sum(float(word) for word in words)
    except ValueError:
        return math.nan


async def _sleep(_: Dom0, __: Path, words: Words, ___: str) -> Reply:
    seconds = _seconds(words)
    if not words or not 0 <= seconds <= _LONGEST_S:
        return 1, "", f"sleep: invalid time interval: {' '.join(words)}"
    await asyncio.sleep(seconds)
    return _DONE


async def _rsync(dom0: Dom0, top: Path, words: Words, folder: str) -> Reply:
    """Copy into or out of SRs; a host that is not in this process cannot be reached."""
    local = []
    for word in words:
        found = _REMOTE.fullmatch(word)
        if found is not None and not word.startswith("-"):
            if not _is_host(dom0, found[1].strip("[]")):
                return 255, "", f"ssh: connect to host {found[1]} port 22: No route to host"
            word = found[2]
        local.append(_within(top, word))
    if shutil.which("rsync") is None:
        return 127, "", "rsync: command not found"
    done = await asyncio.to_thread(subprocess.run, ["rsync", *local], capture_output=True, text=True, check=False, cwd=folder)
    return done.returncode, done.stdout, done.stderr


def _is_host(dom0: Dom0, address: str) -> bool:
    if dom0.call.machines.neighbour(address) is not None:
        return True
    return any(address in (row["address"], row["hostname"], row["name_label"]) for _, row in dom0.world.rows("host"))


def _within(top: Path, path: str) -> str:
    """Where the path of an SR is; options and other paths as they are."""
    for mounts in MOUNTS:
        if path.startswith(f"/{mounts}/"):
            return f"{top}/srs/{path.removeprefix(f'/{mounts}/')}"
    return path


_LASTING: Mapping[str, Callable[[Dom0, Path, Words, str], Awaitable[Reply]]] = {
    "sleep": _sleep,
    "rsync": _rsync,
    "timeout": _timeout,
    "xenstore-watch": _watch,
}

COMMANDS: tuple[str, ...] = (*_XENSTORE, *_PLAIN, "ovs-ofctl", "sleep", "rsync", "xenstore-watch")
"""All that scripts find in their PATH, before those of the system. ``timeout`` is the system's there: it kills what it has started."""
