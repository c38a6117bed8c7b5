"""The last word: the world is as it was."""

from __future__ import annotations

from typing import Any

import pytest

from contract_tests.made import leftovers


@pytest.mark.last
def test_nothing_of_ours_is_left(xapi: Any, label: str) -> None:
    """Every VM, disk, network, repository and task that the suite made is gone again."""
    assert leftovers(xapi, label) == []
