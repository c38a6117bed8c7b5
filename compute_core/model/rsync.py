"""How disks go from one host's dom0 to another's by rsync, as settings say it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rsync:
    """How ssh gets into other hosts' dom0. Paths are the sending dom0's own, "" for ssh's; ``most_kib_s``: a transfer's limit, 0: none."""

    user: str = "root"
    port: int = 22
    identity_file: str = ""
    known_hosts_file: str = ""
    most_kib_s: int = 0
