"""What a host's daemon measures of the host itself and of its SRs. What guests do is ``rrd_sources``' and ``loads``'."""

from __future__ import annotations

from collections.abc import Iterator

from fake_xapi.dom0 import loads, traffic
from fake_xapi.dom0.loads import Signal
from fake_xapi.dom0.rrd_notes import spans_of_vm
from fake_xapi.dom0.rrd_sources import KIB, Source, constant, of_disks, of_interface, sr_disks, total, vcpus
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.ids import Id
from fake_xapi.state.row import Row
from fake_xapi.state.world import World
from fake_xapi.verbs.vms import memory

_XAPI_KIB: tuple[tuple[str, str, float], ...] = (
    ("xapi_memory_usage_kib", "Total memory allocated used by XAPI daemon", 92_160.0),
    ("xapi_free_memory_kib", "Free memory available to the XAPI daemon", 21_504.0),
    ("xapi_live_memory_kib", "Live memory used by XAPI daemon", 36_864.0),
    ("xapi_allocation_kib", "Memory allocation done by the XAPI daemon", 1_024.0),
)
_STATES: tuple[tuple[str, str, float], ...] = (
    ("C0", "Proportion of time CPU {} spent in C-state 0", 0.1),
    ("C1", "Proportion of time CPU {} spent in C-state 1", 0.9),
    ("P0", "Proportion of time CPU {} spent in P-state 0", 1.0),
)
_MHZ = 2_400.0


def host_sources(world: World, host: Id) -> Iterator[Source]:
    """What is measured of a host."""
    row, era = world[host], world.personality.era
    yield from _memory(world, host, row)
    busy = _Busy(world, host, row)
    yield from _cpus(world, row, busy)
    yield Source("loadavg", "Domain0 loadavg", "(fraction)", busy.control_domain)
    yield from _interfaces(world, row)
    yield from _caches(world, row)
    for name, description, kib in _XAPI_KIB:
        yield Source(name, description, "KiB", constant(kib), standard=name == _XAPI_KIB[0][0] or era == "modern")
    if era == "modern":
        yield from _counts(world, row, busy)
        yield from _storage(world, host, row)
        yield from _power(world, row)


class _Busy:
    """How much of a host's CPUs its domains take: reckoned once for each moment, however many CPUs ask."""

    def __init__(self, world: World, host: Id, row: Row) -> None:
        guests = (vm for vm in row["resident_VMs"] if not world[vm]["is_control_domain"])
        seed, count = int(loads.draws(f"host {world.uuid(host)}", 1)[0] * 2**32), max(1, len(row["host_CPUs"]))
        taken = loads.remembered(total(_guest_cpus(world, vm) for vm in guests))
        self.control_domain: Signal = loads.remembered(lambda at_s: 0.05 + 0.02 * loads.noise(seed, at_s) + 0.1 * taken(at_s))
        """What dom0 does: a little of its own, and a part of what guests do."""
        self.average: Signal = loads.remembered(lambda at_s: min(1.0, (taken(at_s) + self.control_domain(at_s)) / count))
        """Of all CPUs, 0 to 1."""


def _guest_cpus(world: World, vm: Id) -> Signal:
    """CPUs that a guest takes, when it was there."""
    row, uuid = world[vm], world.uuid(vm)
    guest, count = loads.rhythm(uuid, row), vcpus(world, row) if row["power_state"] == "Running" else 0
    spans = spans_of_vm(world, vm, row)
    return lambda at_s: guest(at_s) * count * 0.8 if any(start <= at_s < end for start, end in spans) else 0.0


def _memory(world: World, host: Id, row: Row) -> Iterator[Source]:
    metrics = world.get(row["metrics"])
    whole = float(metrics["memory_total"] // KIB if metrics is not None else 0)
    free = float(memory.free_bytes(world, host) // KIB)
    yield Source("memory_total_kib", "Total amount of memory in the host", "KiB", constant(whole))
    yield Source("memory_free_kib", "Total amount of free memory", "KiB", constant(free))
    if world.personality.era != "boston":
        guests = [world[vm] for vm in row["resident_VMs"] if not world[vm]["is_control_domain"]]
        held = float(sum(vm["memory_dynamic_max"] - (vm["memory_target"] or vm["memory_dynamic_max"]) for vm in guests))
        could = float(sum(vm["memory_dynamic_max"] - vm["memory_dynamic_min"] for vm in guests))
        yield Source("memory_reclaimed", "Host memory reclaimed by squeezing", "B", constant(held))
        yield Source("memory_reclaimed_max", "Host memory available to reclaim with squeezing", "B", constant(could))


def _cpus(world: World, row: Row, busy: _Busy) -> Iterator[Source]:
    for cpu in row["host_CPUs"]:
        number = world[cpu]["number"]
        yield Source(f"cpu{number}", f"Physical cpu usage for cpu {number}", "(fraction)", _cpu(busy, number), "DERIVE", 1.0)
    yield Source("cpu_avg", "Average physical cpu usage", "(fraction)", busy.average, "DERIVE", 1.0)


def _cpu(busy: _Busy, number: int) -> Signal:
    return lambda at_s: min(1.0, busy.average(at_s) * (1.0 + 0.3 * loads.noise(number * 7919, at_s)))


def _interfaces(world: World, row: Row) -> Iterator[Source]:
    sums: list[traffic.Flows] = []
    for pif in row["PIFs"]:
        of_pif = world[pif]
        rx, tx = traffic.pif_flows(world, pif)
        flows = loads.remembered(rx), loads.remembered(tx)
        if of_pif["physical"]:
            sums.append(flows)
        if of_pif["VLAN"] < 0:
            yield from of_interface("pif", of_pif["device"], "physical interface", flows)
    if world.personality.era == "modern":
        for way, done, place in (("rx", "received", 0), ("tx", "sent", 1)):
            text = f"Bytes per second {done} on all physical interfaces"
            yield Source(f"pif_aggr_{way}", text, "B/s", total(flows[place] for flows in sums), "DERIVE")


def _caches(world: World, row: Row) -> Iterator[Source]:
    sr = row["local_cache_sr"]
    if not sr or world.get(sr) is None:
        return
    uuid = world.uuid(sr)
    used = float(max(0, world[sr]["physical_utilisation"]))
    yield Source(f"sr_{uuid}_cache_size", "Size in bytes of the cache SR", "B", constant(used))
    yield Source(f"sr_{uuid}_cache_hits", "Hits per second of the cache", "hits/s", constant(0.0))
    yield Source(f"sr_{uuid}_cache_misses", "Misses per second of the cache", "misses/s", constant(0.0))


def _counts(world: World, row: Row, busy: _Busy) -> Iterator[Source]:
    domains = [world[vm] for vm in row["resident_VMs"]]
    running = float(sum(vcpus(world, vm) for vm in domains if vm["power_state"] == "Running"))
    yield Source("running_vcpus", "The total number of running vCPUs per host", "count", constant(running))
    yield Source("running_domains", "The total number of running domains per host", "count", constant(float(len(domains))))
    yield Source("hostload", "Host load per physical cpu, where load refers to the number of vCPU(s) in running or runnable status.",
                 "(fraction)", busy.average)  # fmt: skip
    if row["control_domain"] and world[POOL]["master"] and world[world[POOL]["master"]] is row:
        yield Source("pool_session_count", "Number of sessions", "sessions", constant(float(len(tuple(world.ids("session"))))))
        yield Source("pool_task_count", "Number of tasks", "tasks", constant(float(len(tuple(world.ids("task"))))))
    yield Source("xapi_open_fds", "Number of open file descriptors held by xapi", "count", constant(32.0))
    yield Source("Tapdisks_in_low_memory_mode", "Number of tapdisks in low memory mode", "count", constant(0.0), "ABSOLUTE")


def _storage(world: World, host: Id, row: Row) -> Iterator[Source]:
    """What guests do to the disks of each SR, named by the first eight digits of its uuid."""
    for pbd in row["PBDs"]:
        sr = world[pbd]["SR"]
        disks = sr_disks(world, sr, host) if world[pbd]["currently_attached"] else []
        if disks:
            yield from of_disks("modern", f"{{}}_{world.uuid(sr)[:8]}", "device SR", "SR", disks)


def _power(world: World, row: Row) -> Iterator[Source]:
    for cpu in row["host_CPUs"]:
        number = world[cpu]["number"]
        for state, text, part in _STATES:
            yield Source(f"cpu{number}-{state}", text.format(number), "(fraction)", constant(part), "DERIVE", 1.0, standard=False)
        text = f"Average frequency of CPU {number}"
        yield Source(f"CPU{number}-avg-freq", text, "MHz", constant(_MHZ), standard=False)


def sr_sources(world: World, sr: Id) -> Iterator[Source]:
    """What is measured of an SR."""
    row = world[sr]
    used, size = float(max(row["physical_utilisation"], 0)), float(max(row["physical_size"], 0))
    yield Source("physical_utilisation", "Physical utilisation of the storage repository", "B", constant(used))
    yield Source("size", "Size of the storage repository", "B", constant(size))
