"""Models of graphics cards: their PCI identity, and the types of virtual cards that they support."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MIB = 1 << 20
CARD = 1_048_576
"""The size that XAPI ascribes to a physical card."""


@dataclass(frozen=True, slots=True)
class VirtualCard:
    """One type: how many of it fit on a card, its memory, its screens."""

    model: str
    per_card: int
    framebuffer_bytes: int
    heads: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Gpu:
    """One model; ``implementation`` is how its virtual cards are made, ``shares_a_vm`` whether a VM may have several of them."""

    vendor_id: str
    vendor: str
    device_id: str
    device: str
    implementation: str
    types: tuple[VirtualCard, ...]
    shares_a_vm: bool = False


GPUS: Mapping[str, Gpu] = {
    "GRID K1": Gpu(
        "10de",
        "NVIDIA Corporation",
        "0ff2",
        "GK107GL [GRID K1]",
        "nvidia",
        (
            VirtualCard("GRID K100", 8, 256 * MIB, 2, 1920, 1200),
            VirtualCard("GRID K120Q", 8, 512 * MIB, 2, 2560, 1600),
            VirtualCard("GRID K140Q", 4, 1024 * MIB, 2, 2560, 1600),
            VirtualCard("GRID K160Q", 2, 2048 * MIB, 4, 2560, 1600),
            VirtualCard("GRID K180Q", 1, 4096 * MIB, 4, 2560, 1600),
        ),
    ),
    "Tesla M60": Gpu(
        "10de",
        "NVIDIA Corporation",
        "13f2",
        "GM204GL [Tesla M60]",
        "nvidia",
        (
            VirtualCard("GRID M60-0B", 16, 512 * MIB, 2, 2560, 1600),
            VirtualCard("GRID M60-1Q", 8, 1024 * MIB, 4, 4096, 2160),
            VirtualCard("GRID M60-2Q", 4, 2048 * MIB, 4, 4096, 2160),
            VirtualCard("GRID M60-4Q", 2, 4096 * MIB, 4, 4096, 2160),
            VirtualCard("GRID M60-8Q", 1, 8192 * MIB, 4, 4096, 2160),
        ),
        shares_a_vm=True,
    ),
    "FirePro S7150": Gpu(
        "1002",
        "Advanced Micro Devices, Inc. [AMD/ATI]",
        "6929",
        "Tonga XT GL [FirePro S7150]",
        "mxgpu",
        (VirtualCard("FirePro S7150 1/4", 4, 2048 * MIB, 2, 4096, 2160),),
    ),
}
