"""The addresses of a fleet's hosts: each has its own in 127.0.0.0/8, or all share one address and each has its own port."""

from __future__ import annotations

import socket

FIRST = (127 << 24) + (1 << 8)
"""127.0.1.0 counts as host 0's predecessor: 127.0.0.x stays free for the machine's own services."""
MOST = (1 << 24) - (1 << 9)


def address(number: int) -> str:
    """The loopback address of a host, counted from 0: 127.0.1.1, 127.0.1.2, ..., 127.0.2.0, ... ValueError beyond 127.255.255.255."""
    if not 0 <= number < MOST:
        raise ValueError(f"127.0.0.0/8 has room for {MOST} hosts; host {number} is one too many")
    value = FIRST + number + 1
    return ".".join(str(value >> shift & 255) for shift in (24, 16, 8, 0))


def has_all_loopback() -> bool:
    """Whether one listener can have all of 127.0.0.0/8 and nothing else here, not 127.0.0.1 alone.

    Needs a system that has the addresses, as Linux does, and the right to bind a socket to the loopback device.
    """
    device = getattr(socket, "SO_BINDTODEVICE", None)
    if device is None:
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.setsockopt(socket.SOL_SOCKET, device, b"lo")
            probe.bind((address(0), 0))
        except OSError:
            return False
    return True
