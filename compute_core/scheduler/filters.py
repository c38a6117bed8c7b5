"""The filters, as one table in the order in which they are asked; each with the words for the hosts that it removes.

A filter that only looks at the request and at what seldom changes comes before those that look at what is left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from compute_core.model.hosts import ComputeNode
from compute_core.scheduler.aggregate_specs import fits, values_of
from compute_core.scheduler.capacity import Ask
from compute_core.scheduler.requests import PlacementRequest

Filter = Callable[[ComputeNode, Ask, PlacementRequest], bool]
"""``passes(node, free, request)``."""

HYPERVISORS = frozenset({"xen", "xapi", "xenserver"})
ARCHITECTURES: Mapping[str, str] = {"x86_64": "x86_64", "amd64": "x86_64", "i686": "i686", "i386": "i686", "x86": "i686"}
"""The architectures that a 64-bit XenServer host runs, by the names that images give them."""

PROJECTS = "filter_tenant_id"
"""The key of an aggregate's metadata that lists the projects for which its hosts are."""

VM_MODES: Mapping[str, str] = {"xen": "xen", "pv": "xen", "xenpv": "xen", "hvm": "hvm", "hv": "hvm"}


def property_of(request: PlacementRequest, *names: str) -> str | None:
    """An image property by any of its names, in small letters."""
    for name in names:
        value = request.image_properties.get(name)
        if value:
            return value.lower()
    return None


def _is_enabled(node: ComputeNode, _free: Ask, _request: PlacementRequest) -> bool:
    return node.is_enabled


def _is_up(node: ComputeNode, _free: Ask, _request: PlacementRequest) -> bool:
    return node.is_up and not node.is_forced_down


def _is_in_zone(node: ComputeNode, _free: Ask, request: PlacementRequest) -> bool:
    return request.availability_zone is None or node.availability_zone == request.availability_zone


def _is_target(node: ComputeNode, _free: Ask, request: PlacementRequest) -> bool:
    return request.target_host is None or request.target_host in (node.report.host, node.report.hypervisor_hostname)


def _is_untried(node: ComputeNode, _free: Ask, request: PlacementRequest) -> bool:
    return node.report.host not in request.tried_hosts


def _takes_project(node: ComputeNode, _free: Ask, request: PlacementRequest) -> bool:
    """A host in an aggregate that is for some projects is for nobody else."""
    allowed = values_of(node.aggregates, PROJECTS) if node.aggregates else frozenset()
    return not allowed or request.project_id in allowed


def _is_in_aggregates(node: ComputeNode, _free: Ask, request: PlacementRequest) -> bool:
    """For every extra spec about aggregates, one of the host's says what it asks for."""
    return all(any(fits(value, asked) for value in values_of(node.aggregates, key)) for key, asked in request.aggregate_specs.items())


def _suits_hypervisor(_node: ComputeNode, _free: Ask, request: PlacementRequest) -> bool:
    wanted = property_of(request, "hypervisor_type", "img_hv_type")
    return wanted is None or wanted in HYPERVISORS


def _suits_vm_mode(node: ComputeNode, _free: Ask, request: PlacementRequest) -> bool:
    wanted = property_of(request, "vm_mode", "hw_vm_mode")
    return wanted is None or VM_MODES.get(wanted) == "xen" or (VM_MODES.get(wanted) == "hvm" and node.report.supports_hvm)


def _suits_architecture(_node: ComputeNode, _free: Ask, request: PlacementRequest) -> bool:
    wanted = property_of(request, "architecture", "hw_architecture")
    return wanted is None or wanted in ARCHITECTURES


def _has_memory(_node: ComputeNode, free: Ask, request: PlacementRequest) -> bool:
    return free.memory_mb >= request.ask.memory_mb


def _has_disk(_node: ComputeNode, free: Ask, request: PlacementRequest) -> bool:
    return free.disk_gb >= request.ask.disk_gb


def _has_vcpus(_node: ComputeNode, free: Ask, request: PlacementRequest) -> bool:
    return free.vcpus >= request.ask.vcpus


FILTERS: tuple[tuple[str, Filter], ...] = (
    ("are disabled", _is_enabled),
    ("are down", _is_up),
    ("are in another availability zone", _is_in_zone),
    ("are not the target host", _is_target),
    ("are for other projects", _takes_project),
    ("are in no aggregate that the flavor asks for", _is_in_aggregates),
    ("have been tried before", _is_untried),
    ("have another hypervisor than the image wants", _suits_hypervisor),
    ("do not support the image's vm_mode", _suits_vm_mode),
    ("have another architecture than the image wants", _suits_architecture),
    ("lack memory", _has_memory),
    ("lack disk", _has_disk),
    ("lack vCPUs", _has_vcpus),
)


def removed_by(node: ComputeNode, free: Ask, request: PlacementRequest) -> str | None:
    """The words of the first filter that removes the host; None for one that passes them all."""
    for reason, passes in FILTERS:
        if not passes(node, free, request):
            return reason
    return None
