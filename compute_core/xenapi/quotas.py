"""What a flavor's extra specs grant a server of its host's processors, disks and cards. Pure: extra specs in, XenAPI's parameters out."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from compute_core.model.errors import BuildFailed
from compute_core.model.flavors import Flavor

DEFAULT_WEIGHT = "256"
"""Xen's own; a flavor sets another by its extra spec ``vcpu_weight``, as Nova's did, or ``quota:cpu_shares``."""
DEFAULT_PERIOD_US = 100_000
_CPU_SET = re.compile(r"\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?)*")

IO_CLASSES = ("highest", "high", "normal", "low", "lowest")
IO_WEIGHTS = 100, 1000
"""The least and the most."""
IO_SCHEDULERS = {"rt": "rt", "idle": "idle"}


@dataclass(frozen=True, slots=True)
class IoPriority:
    """A VBD's ``qos_algorithm_type`` and ``qos_algorithm_params``."""

    algorithm: str = ""
    parameters: Mapping[str, str] | None = None

    def members(self) -> dict[str, object]:
        """The members of a VBD's record."""
        return {"qos_algorithm_type": self.algorithm, "qos_algorithm_params": dict(self.parameters or {})}


NO_PRIORITY = IoPriority()


def vcpu_params(flavor: Flavor, mask: str = "") -> dict[str, str]:
    """VCPUs_params: weight, cap (percent of one processor) and mask. BuildFailed for what is no number, anywhere."""
    specs = flavor.extra_specs
    weight = specs.get("vcpu_weight") or specs.get("quota:cpu_shares") or DEFAULT_WEIGHT
    cap = _cap(flavor)
    params = {"weight": _counted("vcpu_weight", weight, 1, 65535)}
    return params | ({"cap": cap} if cap else {}) | ({"mask": mask} if mask else {})


def _cap(flavor: Flavor) -> str:
    """``vcpu_cap`` as Xen has it; else ``quota:cpu_quota`` of each ``quota:cpu_period``, in microseconds, for each VCPU. "": none."""
    specs = flavor.extra_specs
    if "vcpu_cap" in specs:
        return _counted("vcpu_cap", specs["vcpu_cap"], 0, 100 * flavor.vcpus)
    if "quota:cpu_quota" not in specs:
        return ""
    quota = int(_counted("quota:cpu_quota", specs["quota:cpu_quota"], 1, 1 << 40))
    period = int(_counted("quota:cpu_period", specs.get("quota:cpu_period", str(DEFAULT_PERIOD_US)), 1, 1 << 40))
    return str(min(max(100 * quota // period, 1), 100) * flavor.vcpus)


def cpu_mask(flavor: Flavor) -> str:
    """The processors that the flavor names itself (``vcpu_mask``), as a list, "" for none."""
    said = flavor.extra_specs.get("vcpu_mask", "")
    return ",".join(map(str, cpu_set(said))) if said else ""


def cpu_set(text: str) -> list[int]:
    """The numbers in a text as 0,2-3. BuildFailed for what is no set of processors."""
    if not _CPU_SET.fullmatch(text):
        raise BuildFailed(f"The flavor's vcpu_mask {text!r} is no set of processors, as 0,2-3 is.", is_retryable=False)
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return sorted(found)


def wants_own_cpus(flavor: Flavor) -> bool:
    """Whether each VCPU gets a processor that no other such server has (``hw:cpu_policy=dedicated``)."""
    return flavor.extra_specs.get("hw:cpu_policy") == "dedicated"


def own_cpus(flavor: Flavor, present: int, taken: Collection[int]) -> str:
    """The mask of the first processors that nobody has. BuildFailed when there are too few here."""
    free = [cpu for cpu in range(present) if cpu not in taken]
    if len(free) < flavor.vcpus:
        raise BuildFailed(f"{flavor.vcpus} processors are wanted for one server alone, {len(free)} are left.", is_retryable=True)
    return ",".join(map(str, free[: flavor.vcpus]))


def io_priority(flavor: Flavor) -> IoPriority:
    """``quota:disk_io_class`` (highest to lowest, or 0 to 7) and ``quota:disk_io_sched`` (rt, idle; else best effort).

    ``quota:disk_io_weight`` (100 to 1000, as cgroups have it) says the class where nothing else does.
    """
    specs = flavor.extra_specs
    level, scheduler = specs.get("quota:disk_io_class", ""), specs.get("quota:disk_io_sched", "")
    if not level and "quota:disk_io_weight" in specs:
        least, most = IO_WEIGHTS
        level = level_of(int(_counted("quota:disk_io_weight", specs["quota:disk_io_weight"], least, most)))
    if not level and not scheduler:
        return NO_PRIORITY
    if level and level not in IO_CLASSES:
        level = _counted("quota:disk_io_class", level, 0, 7)
    wanted = {"sched": IO_SCHEDULERS.get(scheduler, ""), "class": level}
    return IoPriority("ionice", {key: value for key, value in wanted.items() if value})


def vif_kib_s(flavor: Flavor, base_kib_s: int) -> int:
    """What an interface may send, in KiB/s: ``quota:vif_outbound_average``, else the flavor's rxtx factor of the base. 0: no limit."""
    said = flavor.extra_specs.get("quota:vif_outbound_average")
    if said is not None:
        return int(_counted("quota:vif_outbound_average", said, 1, 1 << 30))
    return round(base_kib_s * flavor.rxtx_factor)


def level_of(weight: int) -> str:
    """The best-effort level of a weight: 0 of the most, 7 of the least, 4 of the usual 500."""
    least, most = IO_WEIGHTS
    return str(7 - 8 * (weight - least) // (most - least + 1))


def weighted(weight: int) -> IoPriority:
    """The priority of a weight."""
    return IoPriority("ionice", {"class": level_of(weight)})


def wants_vgpu(flavor: Flavor) -> int:
    """How many virtual graphics cards (``resources:VGPU``)."""
    return int(_counted("resources:VGPU", flavor.extra_specs.get("resources:VGPU", "0"), 0, 16))


def _counted(name: str, text: str, least: int, most: int) -> str:
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise BuildFailed(f"The flavor's {name} is {text!r}, which is no number from {least} to {most}.", is_retryable=False)
    return str(int(text))
