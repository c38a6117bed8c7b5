"""A whole fleet as one file: its order, and what each host has more than the golden host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fake_xapi.datamodel.personality import personality
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.fleet.golden import golden
from fake_xapi.fleet.hardware import Hardware
from fake_xapi.state.storage import BadWorldFile, dump, read_checked, restore, write_atomically
from fake_xapi.state.world import World

KIND = "fleet"


def save_fleet(fleet: Fleet, path: Path) -> None:
    """Write a fleet to one file, whole or not at all. The bytes of disks are not in it: disks come back as zeros."""
    base = fleet.base.world.value
    hosts = {name: {"seed": xapi.world.seed, "state": dump(xapi.world.value, base)} for name, xapi in fleet.hosts.items()}
    write_atomically(path, {"kind": KIND, "order": asdict(fleet.order), "hosts": hosts})


def load_fleet(path: Path, order: Order) -> Mapping[str, World]:
    """The worlds of a saved fleet by host names; BadWorldFile when the file is none, or one of another order."""
    content = read_checked(path)
    if content.get("kind") != KIND:
        raise BadWorldFile(f"{path}: not a saved fleet; name another file, or remove this one to begin anew")
    saved = _order(content["order"])
    if saved != order:
        raise BadWorldFile(f"{path}: holds {_described(saved)}, not {_described(order)}; ask for the same, or name another file")
    base = golden(order.personality, order.hardware).world.value
    kind = personality(order.personality)
    return {name: World(restore(host["state"], base), host["seed"], kind) for name, host in content["hosts"].items()}


def _order(plain: dict[str, Any]) -> Order:
    return Order(**{**plain, "hardware": Hardware(**plain["hardware"])})


def _described(order: Order) -> str:
    return f"{order.hosts} hosts of {order.personality} at port {order.port} with seed {order.seed}"
