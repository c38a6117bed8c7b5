"""The unmodified openstack client builds servers from images of every format against the real core."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compute_core.api import tour
from tests.compute_core.api.tour_formats import FORMATS, write_images


@pytest.mark.disk_tools
def test_servers_are_built_from_images_of_every_format(tmp_path: Path) -> None:
    write_images(tmp_path)
    with tour.cloud(tmp_path) as session:
        for step in FORMATS:
            tour.check(session.take(step))
