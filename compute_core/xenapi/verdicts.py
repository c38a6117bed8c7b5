"""What a failed build means for the next one: whether another host may be tried, said in a sentence for the operator."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from compute_core.model.errors import BadImage, BuildFailed, NotFound
from compute_core.xenapi.errors import TransferFailed, Unanswered, XenApiFailure

SAME_EVERYWHERE = frozenset(
    {
        "FIELD_TYPE_ERROR",
        "INVALID_DEVICE",
        "INVALID_VALUE",
        "MAC_INVALID",
        "MEMORY_CONSTRAINT_VIOLATION",
        "MEMORY_CONSTRAINT_VIOLATION_ORDER",
        "MESSAGE_PARAMETER_COUNT_MISMATCH",
        "VALUE_NOT_SUPPORTED",
    }
)
"""Refusals of what was asked for, which every host would repeat."""

FULL = frozenset({"SR_BACKEND_FAILURE_44", "SR_FULL", "SR_VDI_CREATE_INSUFFICIENT_SPACE", "VDI_COPY_FAILED"})
"""An SR without space: the driver's own code is 44."""


@contextlib.contextmanager
def as_build_failure(host: str) -> Iterator[None]:
    """Turn what a recipe ran into into BuildFailed, with the host's name and the reason."""
    try:
        yield
    except XenApiFailure as failure:
        is_retryable = failure.code not in SAME_EVERYWHERE
        raise BuildFailed(f"{host} refused: {_said(failure)}", is_retryable=is_retryable) from failure
    except Unanswered as silence:
        raise BuildFailed(f"{host} did not answer {silence.method}: {silence.reason}", is_retryable=True) from silence
    except TransferFailed as broken:
        raise BuildFailed(f"{host} did not take the image: {broken}", is_retryable=True) from broken
    except (BadImage, NotFound) as refusal:
        raise BuildFailed(refusal.message, is_retryable=False) from refusal


def _said(failure: XenApiFailure) -> str:
    return f"its SR is full ({failure})" if failure.code in FULL else str(failure)
