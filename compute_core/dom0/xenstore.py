"""Records of guests in xenstore, below ``/local/domain/N``: read, listed, and written or removed many at a time while the guest runs."""

import re
from typing import Dict, List, Optional, Tuple

from compute_core.dom0 import arguments
from compute_core.dom0.machine import COMMAND_LIMIT_S, Machine, Ran
from compute_core.dom0.refusal import FAILED, NOT_FOUND, Arguments, Refusal

_PATH = re.compile(r"[A-Za-z0-9_@:.-]+(/[A-Za-z0-9_@:.-]+)*")
_MOST_PATH = 1024
_MOST_VALUE = 2048
"""A message of xenstore has 4 KiB for path and value."""
_FIRST_AND_NEXT = 2
"""A watch tells of itself first."""
_TIMED_OUT = 124
"""The code of ``timeout``."""
_AWHILE_S = 0.5
_MISSING = re.compile(r"(could not|couldn.t) (read|reach|remove|list) path|not found|ENOENT", re.IGNORECASE)
"""What the commands of all releases say of a path that is not there."""


def read(machine: Machine, given: Arguments) -> Optional[str]:
    """The value at ``path`` of the domain ``domid``; null when there is none."""
    return value_at(machine, _absolute(arguments.number(given, "domid"), arguments.text(given, "path")))


def write(machine: Machine, given: Arguments) -> None:
    """Write ``values``, a map of paths to texts, to the domain ``domid``; null removes a path and all below it. One after the other."""
    domid, values = arguments.number(given, "domid"), given.get("values")
    if not isinstance(values, dict):
        raise arguments.bad("values", "is no map")
    changes = [_change(domid, path, value) for path, value in values.items()]
    require_domain(machine, domid)
    for path, value in changes:
        if value is None:
            remove(machine, path)
        else:
            put(machine, path, value)


def listed(machine: Machine, given: Arguments) -> Dict[str, str]:
    """All records below ``path`` of the domain ``domid`` that have a value, by their paths relative to it."""
    top = _absolute(arguments.number(given, "domid"), arguments.text(given, "path"))
    paths = list(_below(machine, top, ""))
    values = _values(machine, [f"{top}/{path}" for path in paths])
    return {path: value for path, value in zip(paths, values) if value}


def _change(domid: int, path: str, value: object) -> Tuple[str, Optional[str]]:
    if value is not None and not isinstance(value, str):
        raise arguments.bad("values", f"has no text at {path!r}")
    if value is not None and len(value.encode("utf-8")) > _MOST_VALUE:
        raise arguments.bad("values", f"has more than {_MOST_VALUE} bytes at {path!r}")
    return _absolute(domid, path), value


def _absolute(domid: int, path: str) -> str:
    if len(path) > _MOST_PATH or not _PATH.fullmatch(path) or ".." in path.split("/"):
        raise arguments.bad("path", f"is no path of xenstore: {path!r}")
    return f"/local/domain/{domid}/{path}"


# ---- the commands ----------------------------------------------------------------------------------------------------------------


def require_domain(machine: Machine, domid: int) -> None:
    """Refusal NOT_FOUND when there is no such domain."""
    if not is_domain(machine, domid):
        raise Refusal(NOT_FOUND, f"there is no domain {domid} on this host")


def is_domain(machine: Machine, domid: int) -> bool:
    """Whether a domain is there."""
    return value_at(machine, f"/local/domain/{domid}/domid") is not None


def value_at(machine: Machine, path: str) -> Optional[str]:
    """The value at an absolute path; None when there is none."""
    ran = machine.attempt("xenstore-read", "--", path)
    if ran.code:
        _raise_unless_missing("xenstore-read", ran)
        return None
    return ran.out[:-1] if ran.out.endswith("\n") else ran.out


def watched(machine: Machine, path: str, limit_s: float) -> float:
    """Wait until something happens at an absolute path, or its domain goes; how many seconds that counts for, ``limit_s`` at most.

    What happens counts for a while of its own, or a guest that does nothing else would never be given up.
    """
    ran = machine.attempt("timeout", f"{limit_s:g}", "xenstore-watch", "-n", str(_FIRST_AND_NEXT), path, limit_s=limit_s + COMMAND_LIMIT_S)
    if ran.code == _TIMED_OUT:
        return limit_s
    counted_s = min(_AWHILE_S, limit_s)
    if ran.code:  # there is no such command here
        machine.pauses(counted_s)
    return counted_s


def put(machine: Machine, path: str, value: str) -> None:
    """Write one record."""
    machine.run("xenstore-write", "--", path, value)


def remove(machine: Machine, path: str) -> None:
    """Remove a record and all below it; gone already is fine."""
    ran = machine.attempt("xenstore-rm", "--", path)
    if ran.code:
        _raise_unless_missing("xenstore-rm", ran)


def _below(machine: Machine, top: str, inner: str) -> List[str]:
    """The paths of all records, each before those inside it."""
    here = f"{top}/{inner}" if inner else top
    ran = machine.attempt("xenstore-list", "--", here)
    if ran.code:
        _raise_unless_missing("xenstore-list", ran)
        return []
    found: List[str] = []
    for name in ran.out.splitlines():
        path = f"{inner}/{name}" if inner else name
        found += [path, *_below(machine, top, path)]
    return found


def _values(machine: Machine, paths: List[str]) -> List[Optional[str]]:
    """The values at some paths: with one command, unless a value of several lines makes its output ambiguous."""
    ran = machine.attempt("xenstore-read", "--", *paths) if paths else Ran(0, "", "")
    lines = ran.out.splitlines()
    if not ran.code and len(lines) == len(paths):
        return list(lines)
    return [value_at(machine, path) for path in paths]


def _raise_unless_missing(command: str, ran: Ran) -> None:
    said = (ran.err or ran.out).strip()
    if not _MISSING.search(said):
        raise Refusal(FAILED, f"{command} failed with code {ran.code}: {said}")
