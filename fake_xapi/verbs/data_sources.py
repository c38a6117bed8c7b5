"""What is measured of VMs and hosts: names, units and latest values. There are no archives behind them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from fake_xapi.datamodel.failure import Failure
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs import memory
from fake_xapi.verbs.call import Call


@dataclass(frozen=True, slots=True)
class Source:
    """One measured quantity, as the record ``data_source`` shows it."""

    name_label: str
    name_description: str
    units: str
    value: float
    max: float = float("inf")
    min: float = 0.0
    enabled: bool = True
    standard: bool = True


def list_sources(sources: Iterable[Source]) -> list[dict[str, Any]]:
    """As records."""
    return [asdict(source) for source in sources]


def read_source(sources: Iterable[Source], name: str) -> float:
    """The value of the source of that name; INTERNAL_ERROR for one that is not measured."""
    for source in sources:
        if source.name_label == name:
            return source.value
    raise Failure("INTERNAL_ERROR", f'Failure("No such data source: {name}")')


def vm_sources(world: World, vm: Id) -> Iterator[Source]:
    """A VM's processors, memory, interfaces and disks. Simulated guests are idle."""
    row = world[vm]
    metrics = world.get(row["metrics"])
    for number in range(metrics["VCPUs_number"] if metrics else 0):
        yield Source(f"cpu{number}", f"CPU{number} usage", "(fraction)", 0.0, 1.0)
    actual = float(metrics["memory_actual"]) if metrics else 0.0
    yield Source("memory", "Memory currently allocated to VM", "B", actual)
    yield Source("memory_target", "Target of VM balloon driver", "B", float(row["memory_target"]))
    yield Source("memory_internal_free", "Memory used as reported by the guest agent", "KiB", actual / 2048)
    for vif in row["VIFs"]:
        device = world[vif]["device"]
        for way in ("rx", "tx"):
            yield Source(f"vif_{device}_{way}", f"Bytes per second {way} on virtual interface number '{device}'", "B/s", 0.0)
    for vbd in row["VBDs"]:
        device = world[vbd]["device"]
        for way in ("read", "write"):
            yield Source(f"vbd_{device}_{way}", f"Bytes per second {way} on device '{device}'", "B/s", 0.0)


def host_sources(world: World, host: Id) -> Iterator[Source]:
    """A host's processors, memory and interfaces."""
    row = world[host]
    for cpu in row["host_CPUs"]:
        number = world[cpu]["number"]
        yield Source(f"cpu{number}", f"Physical CPU usage for CPU {number}", "(fraction)", 0.0, 1.0)
    metrics = world.get(row["metrics"])
    yield Source("memory_total_kib", "Total amount of memory in use", "KiB", float(metrics["memory_total"] // 1024 if metrics else 0))
    yield Source("memory_free_kib", "Total amount of free memory", "KiB", float(memory.free_bytes(world, host) // 1024))
    for pif in row["PIFs"]:
        device = world[pif]["device"]
        for way in ("rx", "tx"):
            yield Source(f"pif_{device}_{way}", f"Bytes per second {way} on physical interface {device}", "B/s", 0.0)


def record(call: Call, identity: Id, data_source: str) -> None:
    """Begin to keep a source: all are kept as it is."""


def forget(call: Call, identity: Id, data_source: str) -> None:
    """Forget what was kept of a source: nothing is."""
