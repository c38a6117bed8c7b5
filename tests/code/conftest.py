"""The trees of the sources are read once for all tests of a file, and given up with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.code import sources


@pytest.fixture(scope="module", autouse=True)
def _trees_go_with_their_file() -> Iterator[None]:
    yield
    sources.forget()
