"""What goes over interfaces: a load of each VIF's own, as a function of its uuid and the time, counted when somebody looks.

No timer runs and nothing is kept. Of a VIF rates and bytes since it came up are known; an outage stops the rates, and is not taken out
of the bytes. What PIFs carry follows from the VIFs on their networks, from what lies on them, and from a little of the host's own.
The keys ``sim.rx`` and ``sim.tx`` of a VIF's other_config set its mean rates, in bytes per second.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from fake_xapi.datamodel.digits import whole
from fake_xapi.state.ids import Id
from fake_xapi.state.row import Row
from fake_xapi.state.world import World
from fake_xapi.verbs.dates import moment
from fake_xapi.verbs.networks.nics import has_cable
from fake_xapi.verbs.networks.pif_kinds import local_pif

KIB = 1024
_SWING = 0.8
"""How far a rate goes above and below its mean."""
_HOST_BYTES_PER_S = 2 * KIB
"""What a host says and hears for itself over the interface that it is managed over."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes that an interface received and sent; of a VIF as its guest sees it."""

    rx: float = 0.0
    tx: float = 0.0


NOTHING = Traffic()
Flow = Callable[[float], float]
"""Bytes per second by the time, in seconds since 1970."""
Flows = tuple[Flow, Flow]
SILENT: Flows = (lambda _at_s: 0.0, lambda _at_s: 0.0)


@dataclass(frozen=True, slots=True)
class Load:
    """One direction of one interface: a mean that swells and ebbs; ``period_s`` and ``phase`` differ from interface to interface."""

    mean: float
    period_s: float
    phase: float

    def rate(self, at_s: float) -> float:
        """Bytes per second at a time."""
        return self.mean * (1.0 + _SWING * math.sin(self._angle(at_s)))

    def bytes_between(self, start_s: float, end_s: float) -> float:
        """Bytes from one time to another: the integral of the rate."""
        swell = math.cos(self._angle(start_s)) - math.cos(self._angle(end_s))
        return self.mean * (end_s - start_s + _SWING * swell * self.period_s / math.tau)

    def _angle(self, at_s: float) -> float:
        return math.tau * at_s / self.period_s + self.phase


@lru_cache(maxsize=65_536)
def _drawn(uuid: str, direction: str) -> Load:
    """The load that an interface has by itself: 1 to 64 KiB/s, over 10 minutes to 2 hours."""
    bits = hashlib.blake2b(f"{uuid} {direction}".encode(), digest_size=6).digest()
    first, second, third = (int.from_bytes(bits[place : place + 2], "big") / 65_536 for place in (0, 2, 4))
    return Load(KIB * 64**first, 600.0 * 12**second, math.tau * third)


# ---- interfaces of VMs -------------------------------------------------------------------------------------------------------------


def vif_flows(world: World, vif: Id) -> Flows:
    """Bytes per second of a VIF by the time, received and sent, as it is linked now: nothing before its domain began."""
    if not is_carrying(world, vif):
        return SILENT
    start = _start(world, world[vif])
    return _flows(_loads(world, vif), start.timestamp() if start is not None else -math.inf)


def vif_drawn(world: World, vif: Id) -> Flows:
    """Bytes per second of a VIF by the time, whenever its VM runs and its link is there."""
    return _flows(_loads(world, vif), -math.inf)


def is_carrying(world: World, vif: Id) -> bool:
    """Whether anything goes over a VIF now: its VM runs and its network leads anywhere."""
    row = world[vif]
    vm = world.get(row["VM"])
    is_up = vm is not None and row["currently_attached"] and vm["power_state"] == "Running"
    return is_up and vm is not None and _is_linked(world, row, vm["resident_on"])


def _flows(loads: tuple[Load, Load], start_s: float) -> Flows:
    rx, tx = loads
    return (lambda at_s: rx.rate(at_s) if at_s >= start_s else 0.0), (lambda at_s: tx.rate(at_s) if at_s >= start_s else 0.0)


def _is_linked(world: World, vif: Row, host: Id) -> bool:
    """Whether a network leads anywhere on a host: within it, or out of it over a link."""
    pif = local_pif(world, vif["network"], host)
    return not pif or has_link(world, pif)


def has_link(world: World, pif: Id) -> bool:
    """Whether an interface has a carrier, its own or that of what it lies on."""
    metrics = world.get(world[pif]["metrics"])
    if metrics is not None:
        return bool(metrics["carrier"])
    return has_cable(world, world[pif]["host"], world[pif]["device"])


def vif_bytes(world: World, vif: Id, now: datetime) -> Traffic:
    """Bytes of a VIF since its domain began or it was plugged in; nothing while it is unplugged."""
    row = world[vif]
    start = _start(world, row)
    if start is None or not row["currently_attached"]:
        return NOTHING
    span = start.timestamp(), max(now, start).timestamp()
    return Traffic(*(math.floor(load.bytes_between(*span)) for load in _loads(world, vif)))


def _start(world: World, vif: Row) -> datetime | None:
    vm = world.get(vif["VM"])
    metrics = (world.get(vm["metrics"]) if vm is not None else None, world.get(vif["metrics"]))
    dates = [row[field] for row, field in zip(metrics, ("start_time", "last_updated"), strict=True) if row is not None]
    return moment(max(dates)) if dates else None


def _loads(world: World, vif: Id) -> tuple[Load, Load]:
    rx, tx = (_load(world, vif, direction) for direction in ("rx", "tx"))
    return rx, tx


def _load(world: World, vif: Id, direction: str) -> Load:
    """The load of one direction: as it is wished, and never above the VIF's rate limit."""
    row = world[vif]
    drawn = _drawn(world.uuid(vif), direction)
    mean = _wish(row["other_config"].get(f"sim.{direction}", ""), drawn.mean)
    return Load(min(mean, _limit(row) / (1.0 + _SWING)), drawn.period_s, drawn.phase)


def _wish(text: str, usual: float) -> float:
    number = whole(text)
    return usual if number is None else float(number)


def _limit(vif: Row) -> float:
    """Bytes per second that ``ratelimit`` lets through: its ``kbps`` are KiB per second."""
    kbps = whole(vif["qos_algorithm_params"].get("kbps", ""))
    return kbps * KIB if vif["qos_algorithm_type"] == "ratelimit" and kbps is not None else math.inf


# ---- interfaces of hosts -----------------------------------------------------------------------------------------------------------


def pif_flows(world: World, pif: Id) -> Flows:
    """Bytes per second of a PIF by the time, received and sent, as things are linked now."""
    if not world[pif]["currently_attached"] or not has_link(world, pif):
        return SILENT
    share, source = _share(world, pif)
    own = _own(world[source])
    vifs = [vif_flows(world, vif) for vif in _vifs(world, source)]
    return _joined([rx for rx, _ in vifs], own, share), _joined([tx for _, tx in vifs], own, share)


def _joined(flows: list[Flow], own: float, share: float) -> Flow:
    return lambda at_s: (sum(flow(at_s) for flow in flows) + own) * share


def _own(pif: Row) -> float:
    return _HOST_BYTES_PER_S if pif["management"] else 0.0


def _share(world: World, pif: Id) -> tuple[float, Id]:
    """A member of a bond carries an equal part of what the bond does, if it has a link; any other carries its own."""
    bond = world.get(world[pif]["bond_slave_of"])
    if bond is None:
        return 1.0, pif
    up = [member for member in bond["slaves"] if has_link(world, member)]
    in_use = up[:1] if bond["mode"] == "active-backup" else up
    return (1.0 / len(in_use) if pif in in_use else 0.0), bond["master"]


def _vifs(world: World, pif: Id) -> Iterator[Id]:
    """The VIFs whose traffic an interface carries: on its network, and on the networks of what lies on it."""
    for carried in _carried(world, pif):
        row = world[carried]
        for vif in world[row["network"]]["VIFs"]:
            vm = world.get(world[vif]["VM"])
            if vm is not None and vm["resident_on"] == row["host"]:
                yield vif


def _carried(world: World, pif: Id) -> list[Id]:
    """An interface and all that lies on it, each once: those that a client introduced may lie on one another."""
    found = [pif]
    for below in found:
        row = world[below]
        above = [world[vlan]["untagged_PIF"] for vlan in row["VLAN_slave_of"]]
        above += [world[tunnel]["access_PIF"] for tunnel in row["tunnel_transport_PIF_of"]]
        found.extend(one for one in dict.fromkeys(above) if one not in found)
    return found
