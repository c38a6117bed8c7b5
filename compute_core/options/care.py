"""The options of ``core up`` about how agents care for their hosts: rounds, images that go, orphans that go."""

from __future__ import annotations

from typing import Any

import click

from compute_core.model.cached_images import EvictionPolicy

DAY_S, HOUR_S = 86_400.0, 3600.0
PERCENT = click.FloatRange(0, 100)

CARE_OPTIONS = (
    click.option(
        "--rounds", "usage_s", type=click.FloatRange(0), default=600.0, metavar="SECONDS", show_default=True,
        help="So often agents measure what servers use, and care for their hosts; 0: never.",
    ),
    click.option(
        "--image-days", type=click.FloatRange(0), default=0.0, metavar="DAYS", show_default=True,
        help="Images that hosts keep go when nobody has used them for so long; 0: they stay.",
    ),
    click.option(
        "--image-room", type=(PERCENT, PERCENT), default=(0.0, 0.0), metavar="HIGH LOW", show_default=True,
        help="When more than HIGH percent of an SR are in use, images that nobody needs go until LOW are, those used longest ago first; "
        "0 0: they stay.",
    ),
    click.option(
        "--orphan-hours", type=click.FloatRange(0), default=0.0, metavar="HOURS", show_default=True,
        help="What has been an orphan for so long goes by itself; 0: when `core orphans clean` says so.",
    ),
)  # fmt: skip


def cared(given: dict[str, Any]) -> dict[str, Any]:
    """The members of ``Settings`` that these options mean, beside the other ones that were given."""
    days, (high, low), hours = (given.pop(name) for name in ("image_days", "image_room", "orphan_hours"))
    if low > high:
        raise click.BadParameter(f"HIGH {high:g} is less than LOW {low:g}. Cure: name the higher one first.", param_hint="--image-room")
    return {**given, "eviction": EvictionPolicy(days * DAY_S, high / 100, low / 100), "orphans_kept_s": hours * HOUR_S}
