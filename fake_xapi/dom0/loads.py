"""How busy guests are: a pure function of who they are and of the time. No timer runs and nothing is kept.

Three kinds: ``idle`` hardly does anything, ``steady`` swells and ebbs around a mean, ``bursty`` rests and then works hard for a while.
``sim.load`` in a VM's other_config says which; else its uuid does.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from fake_xapi.guest.wishes import wishes_of
from fake_xapi.lifecycle.rules import AnyRow

Signal = Callable[[float], float]
"""A quantity by the time, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Kind:
    """``base`` of a VCPU always, ``height`` more at the top of a swing or in a burst, which takes ``share`` of each period (0: a swing)."""

    base: float
    height: float
    share: float
    weight: int


KINDS: Mapping[str, Kind] = {
    "idle": Kind(0.004, 0.02, 0.1, 6),
    "steady": Kind(0.15, 0.45, 0.0, 3),
    "bursty": Kind(0.02, 0.85, 0.2, 1),
}
_DRAWN: tuple[str, ...] = tuple(name for name, kind in KINDS.items() for _ in range(kind.weight))
_NOISE = 0.15
"""How far a value strays by chance, from one step to the next."""
STEP_S = 5.0


def draws(name: str, count: int) -> tuple[float, ...]:
    """So many numbers from 0 to 1 that follow from a name; at most 16."""
    bits = hashlib.blake2b(name.encode(), digest_size=4 * count).digest()
    return tuple(int.from_bytes(bits[4 * place : 4 * place + 4], "big") / 2**32 for place in range(count))


def noise(seed: int, at_s: float) -> float:
    """Between -1 and 1, the same for the whole of a step."""
    mixed = (int(at_s // STEP_S) * 2_654_435_761 + seed) & 0xFFFF_FFFF
    mixed = ((mixed ^ (mixed >> 15)) * 2_246_822_519) & 0xFFFF_FFFF
    return (mixed ^ (mixed >> 13)) / 2**31 - 1.0


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How busy one guest is."""

    kind: Kind
    period_s: float
    phase: float
    seed: int

    def at(self, at_s: float) -> float:
        """From 0, at rest, to 1."""
        place = (at_s / self.period_s + self.phase) % 1.0
        kind = self.kind
        if kind.share:
            calm = kind.base + (kind.height if place < kind.share else 0.0)
        else:
            calm = kind.base + kind.height * (0.5 + 0.5 * math.sin(math.tau * place))
        return min(1.0, calm * (1.0 + _NOISE * noise(self.seed, at_s)))


@lru_cache(maxsize=65_536)
def _rhythm(uuid: str, wish: str) -> Rhythm:
    """Periods of 10 minutes to 2 hours."""
    which, length, phase, seed = draws(f"load {uuid}", 4)
    kind = KINDS[wish or _DRAWN[int(which * len(_DRAWN))]]
    return Rhythm(kind, 600.0 * 12**length, phase, int(seed * 2**32))


def remembered(signal: Signal) -> Signal:
    """The same quantity, reckoned once for each moment however many others are made of it."""
    last_s, value = -math.inf, 0.0

    def at(at_s: float) -> float:
        nonlocal last_s, value
        if at_s != last_s:
            last_s, value = at_s, signal(at_s)
        return value

    return at


def rhythm(uuid: str, vm: AnyRow) -> Signal:
    """How busy a VM's guest is, as it is wished: from 0 to 1."""
    return remembered(_rhythm(uuid, wishes_of(vm["other_config"]).load).at)


def vcpu(uuid: str, guest: Signal, number: int) -> Signal:
    """What one VCPU of a guest does: not all do as much."""
    part, seed = draws(f"vcpu {uuid} {number}", 2)
    factor, own = 0.6 + 0.4 * part, int(seed * 2**32)
    return lambda at_s: guest(at_s) * factor * (1.0 + _NOISE * noise(own, at_s)) / (1.0 + _NOISE)


# ---- disks -----------------------------------------------------------------------------------------------------------------------

REQUEST_BYTES = 16_384.0
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class DiskLoad:
    """What a guest does to one disk: bytes per second each way at its busiest, and how long a request takes at rest."""

    guest: Signal
    most: Mapping[str, float]
    latency_us: float

    def rate(self, way: str) -> Signal:
        """Bytes per second, ``read`` or ``write``; in requests of ``REQUEST_BYTES``."""
        most, guest = self.most[way], self.guest
        return lambda at_s: most * guest(at_s)

    def latency(self) -> Signal:
        """Microseconds that a request takes: more, the busier the guest is."""
        at_rest, guest = self.latency_us, self.guest
        return lambda at_s: at_rest * (1.0 + 3.0 * guest(at_s))

    def wait(self) -> Signal:
        """Seconds of waiting in a second, over all requests: also how many are in the queue."""
        seconds, guest = sum(self.most.values()) / REQUEST_BYTES * self.latency_us / 1e6, self.guest

        def at(at_s: float) -> float:
            busy = guest(at_s)
            return seconds * busy * (1.0 + 3.0 * busy)

        return at


def disk_load(uuid: str, guest: Signal) -> DiskLoad:
    """The load of a VBD: 1 to 8 MiB/s at the most, read and written; 200 to 800 microseconds."""
    read, write, latency = draws(f"disk {uuid}", 3)
    return DiskLoad(guest, {"read": _MIB * 8**read, "write": _MIB * 8**write}, 200.0 * 4**latency)
