"""NICs that a test may change: those that nobody uses."""

from __future__ import annotations

from typing import Any, Final

from contract_tests.refusals import NULL

_UNUSED: Final[tuple[tuple[str, object], ...]] = (
    ("bond_slave_of", NULL),
    ("bond_master_of", []),
    ("VLAN_slave_of", []),
    ("tunnel_transport_PIF_of", []),
    ("sriov_physical_PIF_of", []),
    ("ip_configuration_mode", "None"),
    ("disallow_unplug", False),
)


def is_spare(pif: dict[str, Any]) -> bool:
    """Whether the server can do without an interface, which must be a NIC."""
    is_ours = pif["physical"] and not pif["management"] and pif.get("managed", True)
    return bool(is_ours and all(pif.get(field, usual) == usual for field, usual in _UNUSED))
