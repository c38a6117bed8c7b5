"""What servers really use of their host, as it was measured: processors, memory, network, disks over their whole chains."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Rates:
    """Means over the last minute: ``cpu`` in processors, all others in bytes a second."""

    cpu: float = 0.0
    received: float = 0.0
    sent: float = 0.0
    read: float = 0.0
    written: float = 0.0


@dataclass(frozen=True, slots=True)
class Counters:
    """What has come together since ``since``, when the agent began to count: seconds of one processor, and bytes."""

    since: str = ""
    cpu_s: float = 0.0
    received_bytes: int = 0
    sent_bytes: int = 0
    read_bytes: int = 0
    written_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ServerUsage:
    """One server. Disks count by what they take of their SRs: ``own_disk_bytes`` is what goes when the server goes.

    ``base_disk_bytes`` is what it shares with others, by its whole chains. ``used_memory_bytes`` None: its guest does not tell.
    """

    uuid: str
    power_state: str
    vcpus: int
    memory_bytes: int
    used_memory_bytes: int | None
    own_disk_bytes: int
    base_disk_bytes: int
    virtual_disk_bytes: int
    rates: Rates = field(default_factory=Rates)
    counters: Counters = field(default_factory=Counters)


@dataclass(frozen=True, slots=True)
class DiskUsage:
    """Whose the bytes of an SR are. What two servers or a server and the cache share is ``base_bytes``, once however many share it.

    ``other_bytes``: neither the servers' nor the cache's, as far as the SR tells of its disks; ``used_bytes`` is what it says itself.
    """

    size_bytes: int = 0
    used_bytes: int = 0
    servers_bytes: int = 0
    base_bytes: int = 0
    cache_bytes: int = 0
    other_bytes: int = 0


@dataclass(frozen=True, slots=True)
class HostUsage:
    """One host at a moment, with its servers by their uuids."""

    host: str
    at: str
    memory_bytes: int
    free_memory_bytes: int
    cpu: float
    disk: DiskUsage
    servers: tuple[ServerUsage, ...] = ()
