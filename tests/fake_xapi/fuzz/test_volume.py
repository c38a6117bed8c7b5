"""Malformed and mistyped requests by the thousand: whatever comes is answered by the rules, and nothing else happens.

Every run takes the same seeds; the day's chapters are told with the command that repeats each. The million takes minutes.
"""

from __future__ import annotations

import pytest

from tests.fake_xapi.fuzz.campaigns import CAMPAIGNS, repeat_with

SHORT = {"calls-latest": 4, "calls-tampa": 2, "calls-clearwater": 1, "calls-boston": 1, "bytes": 2, "documents": 1, "transfers": 1}
"""Chapters of each campaign in every run: about 55,000 requests."""
LONG = {"calls-latest": 120, "calls-tampa": 40, "calls-clearwater": 30, "calls-boston": 30, "bytes": 40, "documents": 10, "transfers": 10}
"""Over a million requests."""


@pytest.mark.parametrize("name", sorted(SHORT))
def test_no_request_does_harm(name: str) -> None:
    _hold(name, range(1, 1 + SHORT[name]))


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(LONG))
def test_a_million_requests_do_no_harm(name: str) -> None:
    _hold(name, range(1000, 1000 + LONG[name]))


def test_the_million_is_one() -> None:
    assert sum(CAMPAIGNS[name].size * chapters for name, chapters in LONG.items()) >= 1_000_000


def _hold(name: str, seeds: range) -> None:
    campaign = CAMPAIGNS[name]
    for seed in seeds:
        complaints = campaign.run(str(seed), campaign.size)
        assert not complaints, "\n".join([f"again: {repeat_with(name, str(seed), campaign.size)}", *complaints[:10]])
