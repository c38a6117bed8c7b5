"""What tests of cells ask for by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compute_core.cells.running import Within, runner


@pytest.fixture
def within(tmp_path: Path) -> Within:
    """Runs a test's body in a cloud on virtual time."""
    return runner(tmp_path)
