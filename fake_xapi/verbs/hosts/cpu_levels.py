"""Whether a guest that has seen one host's processors can continue on another's."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest

from fake_xapi.datamodel.failure import Failure

OTHER_VENDOR = "VM last booted on a host which had a CPU from a different vendor."
LACKS_FEATURES = "VM last booted on a CPU with features this host's CPU does not have."


def why_not(seen: Mapping[str, str], offered: Mapping[str, str]) -> str:
    """The reason why not; "" when there is none. ``seen`` is VM.last_boot_CPU_flags, ``offered`` host.cpu_info."""
    if "vendor" in seen and "vendor" in offered and seen["vendor"] != offered["vendor"]:
        return OTHER_VENDOR
    return "" if _covers(offered.get("features", ""), seen.get("features", "")) else LACKS_FEATURES


def refusal(vm: str, host: str, seen: Mapping[str, str], offered: Mapping[str, str]) -> Failure | None:
    """VM_INCOMPATIBLE_WITH_THIS_HOST [vm, host, reason], with their refs."""
    reason = why_not(seen, offered)
    return Failure("VM_INCOMPATIBLE_WITH_THIS_HOST", vm, host, reason) if reason else None


def _covers(offered: str, wanted: str) -> bool:
    """Whether one set of feature words includes every bit of another; missing words are zeros. Unreadable sets are not compared."""
    try:
        pairs = zip_longest(_words(offered), _words(wanted), fillvalue=0)
    except ValueError:
        return True
    return not offered or all(want & ~offer == 0 for offer, want in pairs)


def _words(text: str) -> list[int]:
    return [int(word, 16) for word in text.split("-")] if text else []
