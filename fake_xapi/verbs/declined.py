"""The messages that the simulator declines for good, with XAPI's own error, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Declined:
    """The code of the refusal (NOT_IMPLEMENTED, LICENCE_RESTRICTION, ...) and the reason, as the coverage page prints it."""

    code: str
    reason: str


DECLINED: Mapping[str, Declined] = {
    "VDI.revert": Declined(
        "UNIMPLEMENTED_IN_SM_BACKEND",
        "No driver of any release can revert: where one could, the rules would not refuse it with SR_OPERATION_NOT_SUPPORTED before",
    ),
    "LVHD.enable_thin_provisioning": Declined(
        "NOT_IMPLEMENTED", "Thin provisioning on block storage was withdrawn by the release after the one that announced it"
    ),
}
"""By wire name. A message that is in no registry of verbs, follows from no field and is not listed here is a gap."""
