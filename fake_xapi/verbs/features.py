"""What the licence of a pool holds back."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.datamodel.failure import Failure
from fake_xapi.state.world import World

RESTRICTIONS: Mapping[str, str] = {
    "AD": "restrict_ad",
    "RBAC": "restrict_rbac",
    "GPU": "restrict_gpu",
    "Integrated_GPU": "restrict_integrated_gpu_passthrough",
    "Network_sriov": "restrict_network_sriov",
    "USB_passthrough": "restrict_usb_passthrough",
    "VIF_locking": "restrict_vif_locking",
    "Guest_ip_setting": "restrict_guest_ip_setting",
}
"""Features by name, with the key of ``host.license_params`` that holds them back."""


def is_enabled(world: World, feature: str) -> bool:
    """Whether every host of the pool has a licence for a feature: what no licence speaks of is free."""
    return not any(row["license_params"].get(RESTRICTIONS[feature]) == "true" for _, row in world.rows("host"))


def assert_enabled(world: World, feature: str) -> None:
    """Raise LICENCE_RESTRICTION [feature] unless the pool has it."""
    if not is_enabled(world, feature):
        raise Failure("LICENCE_RESTRICTION", feature)
