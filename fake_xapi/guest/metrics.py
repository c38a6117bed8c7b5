"""VM_guest_metrics and the part of xenstore that it comes from: ``fields_of`` reads the tree, ``keys_of`` is its inverse.

Paths are relative to the domain's own. Pure functions between texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fake_xapi.datamodel.digits import whole

Tree = Mapping[str, str]

_DRIVERS: Mapping[str, str] = {
    "drivers/xenevtchn": "xenevtchn",
    "drivers/xenvbd": "xenvbd",
    "drivers/xennet": "xennet",
    "attr/PVAddons/MajorVersion": "major",
    "attr/PVAddons/MinorVersion": "minor",
    "attr/PVAddons/MicroVersion": "micro",
    "attr/PVAddons/BuildVersion": "build",
    "attr/PVAddons/Application": "application",
}
_SYSTEM: Mapping[str, str] = {
    "data/os_name": "name",
    "data/os_uname": "uname",
    "data/os_distro": "distro",
    "data/os_majorver": "major",
    "data/os_minorver": "minor",
    "attr/os/spmajor": "spmajor",
    "attr/os/spminor": "spminor",
}
_TRISTATE: Mapping[str, str] = {"0": "no", "1": "yes"}
_NUMBERS: Mapping[str, str] = {word: digit for digit, word in _TRISTATE.items()}
_HOTPLUG: Mapping[str, str] = {"feature/hotplug/vbd": "can_use_hotplug_vbd", "feature/hotplug/vif": "can_use_hotplug_vif"}
_REASON = ("data/cant_suspend_reason", "data-cant-suspend-reason")
_DESKTOP = ("data/ts", "data-ts")
_SUSPEND = "control/feature-suspend"
UPDATED = "data/updated"
"""The agent writes it once everything else is written."""


def fields_of(tree: Tree, newest: Mapping[str, str]) -> dict[str, Any]:
    """The fields of VM_guest_metrics in a tree; memory is measured elsewhere. ``newest``: the drivers of the release."""
    drivers = _picked(tree, _DRIVERS)
    is_new = bool(drivers) and all(drivers.get(key) == newest[key] for key in ("major", "minor"))
    if drivers:
        drivers.setdefault("micro", "-1")
    return {
        "PV_drivers_version": drivers,
        "PV_drivers_detected": bool(drivers),
        "PV_drivers_up_to_date": is_new,
        "os_version": _picked(tree, _SYSTEM),
        "networks": _networks(tree),
        "other": _other(tree),
        "live": UPDATED in tree,
        **{field: _TRISTATE.get(tree.get(path, ""), "unspecified") for path, field in _HOTPLUG.items()},
    }


def _picked(tree: Tree, names: Mapping[str, str]) -> dict[str, str]:
    return {key: tree[path] for path, key in names.items() if path in tree}


def _other(tree: Tree) -> dict[str, str]:
    """Everything directly below ``control``; a reason not to suspend replaces the feature."""
    found = {path.removeprefix("control/"): value for path, value in tree.items() if path.startswith("control/") and path.count("/") == 1}
    if _REASON[0] in tree and found.pop("feature-suspend", None) is not None:
        found[_REASON[1]] = tree[_REASON[0]]
    if _DESKTOP[0] in tree:
        found[_DESKTOP[1]] = tree[_DESKTOP[0]]
    return found


def _networks(tree: Tree) -> dict[str, str]:
    """``0/ip``, ``0/ipv4/0``, ``0/ipv6/0``: from ``attr/vif``, or from the older ``attr/eth0`` where that is empty."""
    found: dict[str, str] = {}
    for path in sorted(tree, key=_numerically):
        parts = path.split("/")
        if parts[:2] != ["attr", "vif"] or len(parts) != 5 or parts[3] not in ("ipv4", "ipv6"):
            continue
        if parts[3] == "ipv4":
            found.setdefault(f"{parts[2]}/ip", tree[path])
        found["/".join(parts[2:])] = tree[path]
    return found or _old_networks(tree)


def _old_networks(tree: Tree) -> dict[str, str]:
    found: dict[str, str] = {}
    for path, address in tree.items():
        parts = path.split("/")
        if len(parts) < 3 or parts[0] != "attr" or not parts[1].startswith("eth"):
            continue
        device = parts[1].removeprefix("eth")
        if parts[2:] == ["ip"]:
            found.update({f"{device}/ip": address, f"{device}/ipv4/0": address})
        elif len(parts) == 5 and (parts[2], parts[4]) == ("ipv6", "addr"):
            found[f"{device}/ipv6/{parts[3]}"] = address
    return found


def _numerically(path: str) -> tuple[str, int]:
    head, _, tail = path.rpartition("/")
    number = whole(tail)
    return head, -1 if number is None else number


def keys_of(metrics: Mapping[str, Any] | Any) -> dict[str, str]:
    """The part of a domain's tree that corresponds to guest metrics."""
    version: Mapping[str, str] = metrics["PV_drivers_version"]
    system: Mapping[str, str] = metrics["os_version"]
    tree = {path: version[key] for path, key in _DRIVERS.items() if key in version}
    tree.update({path: system[key] for path, key in _SYSTEM.items() if key in system})
    tree.update(_other_keys(metrics["other"]))
    tree.update({f"attr/vif/{key}": address for key, address in metrics["networks"].items() if not key.endswith("/ip")})
    tree.update({path: _NUMBERS[metrics[field]] for path, field in _HOTPLUG.items() if metrics[field] in _NUMBERS})
    if metrics["live"]:
        tree[UPDATED] = "1"
    return tree


def _other_keys(other: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for key, value in other.items():
        if key == _REASON[1]:
            yield _REASON[0], value
            yield _SUSPEND, "1"
        elif key == _DESKTOP[1]:
            yield _DESKTOP[0], value
        else:
            yield f"control/{key}", value
