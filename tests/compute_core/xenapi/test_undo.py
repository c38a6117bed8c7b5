"""Steps and their undo."""

from __future__ import annotations

import asyncio
import logging

import pytest

from compute_core.xenapi.errors import XenApiFailure
from compute_core.xenapi.undo import Undo


def steps_taken(ending: BaseException | None, failing: str = "") -> list[str]:
    taken: list[str] = []

    def step(name: str) -> None:
        async def take() -> None:
            taken.append(name)
            if name == failing:
                raise XenApiFailure(["VDI_IN_USE", "OpaqueRef:1"])

        undo.add(name, take)

    undo = Undo("spawn")

    async def run() -> None:
        async with undo:
            step("first")
            step("second")
            if ending is not None:
                raise ending

    if ending is None:
        asyncio.run(run())
    else:
        with pytest.raises(type(ending)) as raised:
            asyncio.run(run())
        assert raised.value is ending
    return taken


def test_nothing_is_taken_back_after_success() -> None:
    assert steps_taken(None) == []


@pytest.mark.parametrize("ending", [XenApiFailure(["SR_FULL"]), ValueError("a defect"), asyncio.CancelledError()])
def test_the_last_step_is_taken_back_first_whatever_ended_the_work(ending: BaseException) -> None:
    assert steps_taken(ending) == ["second", "first"]


def test_a_step_that_fails_is_logged_and_hides_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert steps_taken(ValueError("the reason"), failing="second") == ["second", "first"]

    assert caplog.messages == ["spawn: could not second: VDI_IN_USE [OpaqueRef:1]"]
