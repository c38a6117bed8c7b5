"""The physical machine of a simulated host."""

from __future__ import annotations

from dataclasses import dataclass

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Hardware:
    """One model of host. ``sr_type`` is that of the local storage ("ext" or "lvm"); the control domain's memory is part of the host's.

    ``nic_functions``: how many virtual functions each NIC can have (0: none knows SR-IOV). ``gpus``: how many graphics cards of the
    ``gpu_model`` there are beside the screen's. ``usb_devices``: how many sticks are plugged in.
    ``dvd_drives``: how many drives there are, all empty.
    """

    cpus: int = 16
    sockets: int = 2
    memory_bytes: int = 96 * GIB
    control_domain_bytes: int = 2 * GIB
    storage_bytes: int = 1700 * GIB
    sr_type: str = "ext"
    nics: int = 2
    cpu_model: str = "Intel(R) Xeon(R) CPU E5-2670 0 @ 2.60GHz"
    cpu_mhz: int = 2600
    nic_functions: int = 0
    gpus: int = 0
    gpu_model: str = "GRID K1"
    usb_devices: int = 0
    dvd_drives: int = 0


STANDARD = Hardware()
