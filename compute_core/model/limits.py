"""Quotas of a project: how much it may use, and how much it does."""

from __future__ import annotations

from dataclasses import dataclass, field

UNLIMITED = -1
"""As the API writes "no limit"."""
MOST_FILES, MOST_FILE_BYTES, LONGEST_PATH = 5, 10240, 255
"""Of the files that come with one server: how many, how large, and the longest path in bytes."""
MOST_RULES = 100
"""Of one security group, as Neutron's quota of a project."""


@dataclass(frozen=True, slots=True)
class QuotaLimits:
    """How much one project (or, for key pairs, one user) may have; -1 is unlimited."""

    instances: int = UNLIMITED
    cores: int = UNLIMITED
    memory_mb: int = UNLIMITED
    key_pairs: int = 100
    metadata_items: int = 128
    server_groups: int = 10
    server_group_members: int = 10


@dataclass(frozen=True, slots=True)
class Usage:
    """What one project uses of what is counted."""

    instances: int = 0
    cores: int = 0
    memory_mb: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """What ``GET /limits`` tells: the most and the present."""

    maximum: QuotaLimits = field(default_factory=QuotaLimits)
    used: Usage = field(default_factory=Usage)
