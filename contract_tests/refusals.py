"""How a test asserts a refusal, and the texts of refusals that several tests expect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import XenAPI

NULL = "OpaqueRef:NULL"
NEVER = "19700101T00:00:00Z"
DEAD = "OpaqueRef:00000000-dead-dead-dead-000000000000"


def refusal(call: Callable[..., Any], *params: object) -> list[str]:
    """The error, with all its parameters, with which the server refuses a call; the test fails when it does not refuse."""
    try:
        answer = call(*params)
    except XenAPI.Failure as failure:
        return list(failure.details)
    return pytest.fail(f"not refused; the answer was {answer!r}")


def description(answer: dict[str, Any]) -> list[str]:
    """The error, with all its parameters, in a raw answer from the wire."""
    assert answer["Status"] == "Failure", answer
    return list(answer["ErrorDescription"])
