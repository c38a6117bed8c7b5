"""Another pool as one of its clients reaches it: used by migrations and everything else that involves two pools."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Protocol

from fake_xapi.dom0.disks import Disk, DiskStore


class Remote(Protocol):
    """One pool. Every method raises CANNOT_CONTACT_HOST [address] when nobody answers, and the Failure with which it is refused."""

    async def call(self, method: str, *params: Any) -> Any:
        """Make a call with all its parameters, the session included. Integers in the answer may be texts, as on the wire."""
        ...

    async def put(self, path: str, parameters: Mapping[str, str], pieces: AsyncIterator[bytes], length: int) -> bool:
        """Send bytes to a handler; returns whether it accepted them. The reason why not may only be in the task (``task_id``)."""
        ...

    async def send_disk(self, session: str, vdi: str, disks: DiskStore, disk: Disk, check: Callable[[], None]) -> bool:
        """Replace the content of a VDI there with a disk's; returns whether it was accepted.

        ``check`` is called between the pieces and raises to stop the transfer.
        """
        ...
