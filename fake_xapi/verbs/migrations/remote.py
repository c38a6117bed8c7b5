"""Another pool, as one of its clients reaches it: what a migration, and everything else that concerns two pools, talks to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Protocol

from fake_xapi.dom0.disks import Disk, DiskStore


class Remote(Protocol):
    """One pool. Every method raises CANNOT_CONTACT_HOST [address] when nobody answers, and the Failure that it is refused with."""

    async def call(self, method: str, *params: Any) -> Any:
        """One call with all its parameters, the session among them. Ints of the answer may be texts, as on the wire."""
        ...

    async def put(self, path: str, parameters: Mapping[str, str], pieces: AsyncIterator[bytes], length: int) -> bool:
        """Send bytes to a handler; whether it took them. Why it did not may be known to the task alone (``task_id``)."""
        ...

    async def send_disk(self, session: str, vdi: str, disks: DiskStore, disk: Disk, check: Callable[[], None]) -> bool:
        """Make a disk the content of a VDI there; whether it was taken.

        ``check`` is asked between the pieces whether to go on, and raises when not.
        """
        ...
