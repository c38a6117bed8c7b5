"""Numbers written as text: which texts are numbers."""

from __future__ import annotations

import pytest

from fake_xapi.datamodel.digits import whole


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("007", 7), ("9" * 18, 10**18 - 1)])
def test_ascii_digits_are_a_number(text: str, number: int) -> None:
    assert whole(text) == number


@pytest.mark.parametrize("text", ["", " 1", "-1", "1.0", "1e3", "\u0663", "\u00b2", "9" * 19, "9" * 5000])
def test_nothing_else_is(text: str) -> None:
    assert whole(text) is None
