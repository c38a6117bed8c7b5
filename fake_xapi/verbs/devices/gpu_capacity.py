"""How many more virtual graphics cards of a type fit on a physical one, and why not one more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.lifecycle.rules import Rows
from fake_xapi.state.ids import Id

Taken = Mapping[Id, Iterable[Id]]
"""The types of cards that are about to be on a PGPU, beside those that are there."""
NOBODY: Taken = {}


def is_passthrough(rows: Rows, vgpu_type: Id) -> bool:
    """Whether a card of that type is a whole physical one; so are types older than virtual cards."""
    row = rows.get(vgpu_type)
    return row is None or row["implementation"] == "passthrough"


def types_on(rows: Rows, pgpu: Id) -> list[Id]:
    """The types of the cards that are on a PGPU, or about to be."""
    resident = [*rows[pgpu]["resident_VGPUs"]]
    group = rows.get(rows[pgpu]["GPU_group"])
    coming = [vgpu for vgpu in (group["VGPUs"] if group is not None else ()) if rows[vgpu]["scheduled_to_be_resident_on"] == pgpu]
    return [rows[vgpu]["type"] for vgpu in (*resident, *coming)]


def refusal(rows: Rows, pgpu: Id, vgpu_type: Id, taken: Taken = NOBODY) -> Failure | None:
    """Why a PGPU does not take a card of a type: unsupported, disabled, incompatible with the others, or no room."""
    row, present = rows[pgpu], [*types_on(rows, pgpu), *taken.get(pgpu, ())]
    for field, code in (("supported_VGPU_types", "VGPU_TYPE_NOT_SUPPORTED"), ("enabled_VGPU_types", "VGPU_TYPE_NOT_ENABLED")):
        if vgpu_type and vgpu_type not in row[field]:
            return Failure(code, Handle(vgpu_type), *(Handle(each) for each in row[field]))
    if any(each and vgpu_type not in rows[each]["compatible_types_on_pgpu"] for each in present):
        return _incompatible(rows, pgpu, vgpu_type, present)
    if capacity(rows, pgpu, vgpu_type, present) < 1:
        return Failure("PGPU_INSUFFICIENT_CAPACITY_FOR_VGPU", Handle(pgpu), Handle(vgpu_type))
    return None


def _incompatible(rows: Rows, pgpu: Id, vgpu_type: Id, present: Iterable[Id]) -> Failure:
    running = sorted(set(present))
    told = (Handle(running[0]),) if len(running) == 1 else ("several types",)
    return Failure("VGPU_TYPE_NOT_COMPATIBLE_WITH_RUNNING_TYPE", Handle(pgpu), Handle(vgpu_type), *told)


def capacity(rows: Rows, pgpu: Id, vgpu_type: Id, present: Iterable[Id]) -> int:
    """How many cards of a type a PGPU has room for, apart from other obstacles."""
    row = rows[pgpu]
    if is_passthrough(rows, vgpu_type):
        pci = rows.get(row["PCI"])
        return 0 if list(present) or (pci is not None and pci["attached_VMs"]) else 1
    used = sum(row["size"] if is_passthrough(rows, each) else rows[each]["size"] for each in present)
    return int((row["size"] - used) // rows[vgpu_type]["size"])


def remaining(rows: Rows, pgpu: Id, vgpu_type: Id) -> int:
    """How many more cards of a type a PGPU takes."""
    return 0 if refusal(rows, pgpu, vgpu_type) is not None else capacity(rows, pgpu, vgpu_type, types_on(rows, pgpu))


def choose(rows: Rows, group: Id, host: Id, vgpu_type: Id, taken: Taken) -> Id:
    """The PGPU of a group on a host that takes one more card; NULL when there is none.

    "depth_first" groups fill one card before the next, "breadth_first" groups spread.
    """
    members = [pgpu for pgpu in rows[group]["PGPUs"] if rows[pgpu]["host"] == host]
    fitting = [pgpu for pgpu in members if refusal(rows, pgpu, vgpu_type, taken) is None]
    left = {pgpu: capacity(rows, pgpu, vgpu_type, [*types_on(rows, pgpu), *taken.get(pgpu, ())]) for pgpu in fitting}
    pick = min if rows[group]["allocation_algorithm"] == "depth_first" else max
    return pick(fitting, key=lambda pgpu: left[pgpu], default=0)
