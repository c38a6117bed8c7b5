"""Flavors: the sizes that a server may have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Flavor:
    """One size. ``id`` is what users write ("1"); swap is in MiB as in the API, disks in GiB."""

    id: str
    name: str
    memory_mb: int
    vcpus: int
    root_gb: int
    ephemeral_gb: int = 0
    swap_mb: int = 0
    is_public: bool = True
    is_disabled: bool = False
    rxtx_factor: float = 1.0
    description: str | None = None
    extra_specs: Mapping[str, str] = field(default_factory=dict)


DEFAULT_FLAVORS = (
    Flavor("1", "m1.tiny", 512, 1, 1),
    Flavor("2", "m1.small", 2048, 1, 20),
    Flavor("3", "m1.medium", 4096, 2, 40),
    Flavor("4", "m1.large", 8192, 4, 80),
    Flavor("5", "m1.xlarge", 16384, 8, 160),
)
"""What OpenStack has always shipped with."""
