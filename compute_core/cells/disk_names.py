"""Which disk of a server a volume becomes. Pure."""

from __future__ import annotations

from compute_core.model.errors import Forbidden, Invalid
from compute_core.model.instances import Instance
from compute_core.model.volumes import CAPACITY, device_name

SWAP, CONFIG_DRIVE, EPHEMERAL = 2, 3, range(4, 8)
"""The numbers of a server's own disks beside its root disk."""


def free_device(instance: Instance, asked: str | None = None) -> str:
    """The name of a disk that the server has not got yet. Invalid: it has what was asked for. Forbidden: it has as many as it may."""
    own = {0, *([SWAP] if instance.flavor.swap_mb else []), *([CONFIG_DRIVE] if instance.has_config_drive else [])}
    own |= set(EPHEMERAL) if instance.flavor.ephemeral_gb else set()
    taken = {device_name(number) for number in own} | {device.device for device in instance.block_devices}
    names = [device_name(number) for number in range(CAPACITY + 1)]
    if asked is not None:
        named = device_name(ord(asked[-1]) - ord("a"))
        if named in taken or named not in names:
            raise Invalid(f"The supplied device path ({asked}) is in use or invalid.")
        return named
    free = next((name for name in names if name not in taken), None)
    if free is None:
        raise Forbidden("The maximum allowed number of disk devices of the server is reached.")
    return free
