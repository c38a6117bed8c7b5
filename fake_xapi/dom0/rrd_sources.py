"""What a host's daemon measures: a name, a unit and a quantity by the time. Of VMs, hosts and SRs, as each era measured them.

Quantities follow from the rows of now and from the time (``loads``, ``traffic``); when their owners existed is told by ``rrd_notes``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from fake_xapi.datamodel.digits import whole
from fake_xapi.datamodel.personality import Era
from fake_xapi.dom0 import loads, traffic
from fake_xapi.dom0.loads import REQUEST_BYTES, DiskLoad, Signal, remembered
from fake_xapi.state.ids import Id
from fake_xapi.state.row import Row
from fake_xapi.state.world import World

Change = Literal["GAUGE", "DERIVE", "ABSOLUTE"]
KIB = 1024
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """One measured quantity. A standard one is recorded unless somebody switches it off, any other once somebody switches it on."""

    name: str
    description: str
    units: str
    at: Signal
    change: Change = "GAUGE"
    most: float = float("inf")
    least: float = 0.0
    standard: bool = True


def constant(value: float) -> Signal:
    """A quantity that stays as it is."""
    return lambda _at_s: value


def total(signals: Iterable[Signal]) -> Signal:
    """The sum of quantities; of none, nothing."""
    parts = tuple(signals)
    return lambda at_s: sum((part(at_s) for part in parts), 0.0)


# ---- VMs -------------------------------------------------------------------------------------------------------------------------


def vm_sources(world: World, vm: Id) -> Iterator[Source]:
    """What is measured of a VM, of one that is down what was measured."""
    row, uuid, era = world[vm], world.uuid(vm), world.personality.era
    guest = loads.rhythm(uuid, row)
    yield from _vcpus(world, row, uuid, guest)
    yield from _memory(world, row, guest)
    if era != "boston":
        yield from _runstates(world, row, guest)
    for vif in row["VIFs"]:
        yield from of_interface("vif", world[vif]["device"], "virtual interface number", _vif_flows(world, row, vif))
    for vbd in row["VBDs"]:
        yield from _vbd(world, vbd, guest)


def vcpus(world: World, vm: Row) -> int:
    """How many VCPUs a VM has, or had."""
    metrics = world.get(vm["metrics"])
    return (metrics["VCPUs_number"] if metrics is not None else 0) or int(vm["VCPUs_at_startup"])


def _vcpus(world: World, row: Row, uuid: str, guest: Signal) -> Iterator[Source]:
    signals = [loads.vcpu(uuid, guest, number) for number in range(vcpus(world, row))]
    for number, signal in enumerate(signals):
        yield Source(f"cpu{number}", f"CPU{number} usage", "(fraction)", signal, "DERIVE", 1.0)
    if world.personality.era == "modern" and signals:
        count, everything = len(signals), total(signals)
        usage: Signal = lambda at_s: everything(at_s) / count  # noqa: E731  # a name for what the next line says
        yield Source("cpu_usage", "Domain CPU usage", "(fraction)", usage, "DERIVE", 1.0, standard=False)


def _memory(world: World, row: Row, guest: Signal) -> Iterator[Source]:
    metrics = world.get(row["metrics"])
    actual = float((metrics["memory_actual"] if metrics is not None else 0) or row["memory_dynamic_max"])
    yield Source("memory", "Memory currently allocated to VM", "B", constant(actual))
    yield Source("memory_target", "Target of VM balloon driver", "B", constant(float(row["memory_target"] or row["memory_dynamic_max"])))
    if not row["is_control_domain"] and row["guest_metrics"]:
        free: Signal = lambda at_s: actual / KIB * (0.7 - 0.5 * guest(at_s))  # noqa: E731  # as above
        yield Source("memory_internal_free", "Memory used as reported by the guest agent", "KiB", free)


_RUNSTATES: tuple[tuple[str, str, Callable[[float], float]], ...] = (
    ("fullrun", "all VCPUs are running", lambda busy: busy * busy),
    ("full_contention", "all VCPUs are runnable (i.e., waiting for CPU)", lambda busy: 0.01 * busy),
    ("concurrency_hazard", "some VCPUs are running and some are runnable", lambda busy: 0.03 * busy),
    ("blocked", "all VCPUs are blocked or offline", lambda busy: (1.0 - busy) * (1.0 - busy)),
    ("partial_run", "some VCPUs are running, and some are blocked", lambda busy: 2.0 * busy * (1.0 - busy) - 0.06 * busy),
    ("partial_contention", "some VCPUs are runnable and some are blocked", lambda busy: 0.02 * busy),
)
"""The states of a domain and what part of the time it is in each: they add up to all of it."""


def _runstates(world: World, row: Row, guest: Signal) -> Iterator[Source]:
    for state, meaning, part in _RUNSTATES:
        signal = _of_guest(guest, part)
        yield Source(f"runstate_{state}", f"Fraction of time that {meaning}", "(fraction)", signal, "DERIVE", standard=False)
    if world.personality.era == "modern":
        count = vcpus(world, row)
        waiting = _of_guest(guest, lambda busy: 0.06 * busy)
        yield Source("runnable_any", "Fraction of time that at least one VCPU is runnable", "(fraction)", waiting, "DERIVE", standard=False)
        share = _of_guest(guest, lambda busy: 0.03 * busy * count)
        yield Source("runnable_vcpus", "Fraction of time that VCPUs are runnable", "(fraction)", share, "DERIVE", standard=False)


def _of_guest(guest: Signal, part: Callable[[float], float]) -> Signal:
    return lambda at_s: max(0.0, part(guest(at_s)))


def _vif_flows(world: World, vm: Row, vif: Id) -> traffic.Flows:
    """Of a VM that is down, what its interface carried before."""
    is_down = vm["power_state"] in ("Halted", "Suspended")
    return traffic.vif_drawn(world, vif) if is_down or traffic.is_carrying(world, vif) else traffic.SILENT


def of_interface(kind: str, device: str, called: str, flows: traffic.Flows) -> Iterator[Source]:
    """What goes over a ``vif`` or ``pif``."""
    quoted = f"'{device}'" if kind == "vif" else device
    for way, done, flow in (("rx", "received", flows[0]), ("tx", "transmitted" if kind == "vif" else "sent", flows[1])):
        yield Source(f"{kind}_{device}_{way}", f"Bytes per second {done} on {called} {quoted}", "B/s", flow, "DERIVE")
    for way, done in (("rx", "Receive"), ("tx", "Transmit")):
        text = f"{done} errors per second on {called} {quoted}"
        yield Source(f"{kind}_{device}_{way}_errors", text, "err/s", constant(0.0), "DERIVE", standard=False)


# ---- disks -----------------------------------------------------------------------------------------------------------------------

Disks = list[DiskLoad]


def _vbd(world: World, vbd: Id, guest: Signal) -> Iterator[Source]:
    row = world[vbd]
    if row["type"] != "Disk" or not row["VDI"]:
        return
    device = row["device"] or f"xvd{chr(ord('a') + _position(row['userdevice']) % 26)}"
    yield from of_disks(world.personality.era, f"vbd_{device}_{{}}", f"device '{device}'", "VDI", [loads.disk_load(world.uuid(vbd), guest)])


def _position(userdevice: str) -> int:
    """Where a disk that has no device yet would be; one whose device is no number, as of an introduced VBD, is the first."""
    number = whole(userdevice)
    return number if number is not None and number < 10_000 else 0


def of_disks(era: Era, form: str, called: str, kind: str, disks: Disks) -> Iterator[Source]:
    """What is done to one disk, or to all of an SR."""
    ways = {way: remembered(total(disk.rate(way) for disk in disks)) for way in ("read", "write")}
    for way, done in (("read", "Reads from"), ("write", "Writes to")):
        yield Source(form.format(way), f"{done} {called}, in B/s", "B/s", ways[way], "DERIVE")
    if era != "boston":
        latency = total(disk.latency() for disk in disks[:1])
        for way, done in (("read", "Read latency from"), ("write", "Write latency to")):
            text = f"{done} {called}, in microseconds"
            yield Source(form.format(f"{way}_latency"), text, "μs", latency, standard=era == "modern")
    if era == "modern":
        yield from _requests(form, kind, disks, ways)


def _requests(form: str, kind: str, disks: Disks, ways: Mapping[str, Signal]) -> Iterator[Source]:
    for way, text, signal in (
        ("read", f"Data read from the {kind}, in MiB/s", ways["read"]),
        ("write", f"Data written to the {kind}, in MiB/s", ways["write"]),
        ("total", f"All {kind} I/O, in MiB/s", total(ways.values())),
    ):
        yield Source(form.format(f"io_throughput_{way}"), text, "MiB/s", _scaled(signal, 1.0 / MIB), "ABSOLUTE")
    for way, text, signal in (
        ("read", "Read requests per second", ways["read"]),
        ("write", "Write requests per second", ways["write"]),
        ("total", "I/O Requests per second", total(ways.values())),
    ):
        yield Source(form.format(f"iops_{way}"), text, "requests/s", _scaled(signal, 1.0 / REQUEST_BYTES), "ABSOLUTE")
    wait = remembered(total(disk.wait() for disk in disks))
    yield Source(form.format("iowait"), "Total I/O wait time (all requests) per second", "s/s", wait, "ABSOLUTE")
    yield Source(form.format("inflight"), "Number of I/O requests currently in flight", "requests", lambda at_s: float(int(wait(at_s))))
    latency = total(disk.latency() for disk in disks[:1])
    yield Source(form.format("latency"), "Average I/O latency", "milliseconds", _scaled(latency, 0.001))
    yield Source(form.format("avgqu_sz"), "Average I/O queue size", "requests", wait)


def _scaled(signal: Signal, factor: float) -> Signal:
    return lambda at_s: signal(at_s) * factor


def sr_disks(world: World, sr: Id, host: Id) -> Disks:
    """The loads of an SR's disks that VMs on a host use."""
    found = []
    for vdi in world[sr]["VDIs"]:
        for vbd in world[vdi]["VBDs"]:
            row = world[vbd]
            vm = world.get(row["VM"])
            if row["currently_attached"] and row["type"] == "Disk" and vm is not None and vm["resident_on"] == host:
                found.append(loads.disk_load(world.uuid(vbd), loads.rhythm(world.uuid(row["VM"]), vm)))
    return found
