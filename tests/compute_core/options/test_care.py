"""What the options of ``core up`` about care for hosts mean in its settings."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from compute_core.model.cached_images import EvictionPolicy
from compute_core.options.care import CARE_OPTIONS, cared
from compute_core.options.hosts import with_options
from compute_core.settings import Settings


def told(*arguments: str) -> tuple[int, dict[str, object], str]:
    seen: dict[str, object] = {}

    @click.command()
    @with_options(*CARE_OPTIONS)
    def up(**given: object) -> None:
        seen.update(cared({**given, "region": "here"}))

    done = CliRunner().invoke(up, list(arguments))
    return done.exit_code, seen, done.output


@pytest.mark.parametrize(
    ("arguments", "members"),
    [
        ((), {"usage_s": 600.0, "eviction": EvictionPolicy(), "orphans_kept_s": 0.0}),
        (("--rounds", "60"), {"usage_s": 60.0, "eviction": EvictionPolicy(), "orphans_kept_s": 0.0}),
        (("--image-days", "2"), {"usage_s": 600.0, "eviction": EvictionPolicy(keep_s=172_800.0), "orphans_kept_s": 0.0}),
        (("--image-room", "90", "75"), {"usage_s": 600.0, "eviction": EvictionPolicy(high=0.9, low=0.75), "orphans_kept_s": 0.0}),
        (("--orphan-hours", "0.5"), {"usage_s": 600.0, "eviction": EvictionPolicy(), "orphans_kept_s": 1800.0}),
    ],
)
def test_each_option_is_a_setting(arguments: tuple[str, ...], members: dict[str, object]) -> None:
    code, seen, _ = told(*arguments)
    assert (code, seen) == (0, {"region": "here", **members})
    assert members.keys() <= set(Settings.__dataclass_fields__)


@pytest.mark.parametrize("arguments", [("--image-room", "75", "90"), ("--image-room", "101", "90"), ("--rounds", "-1")])
def test_what_cannot_be_is_refused(arguments: tuple[str, ...]) -> None:
    code, seen, output = told(*arguments)
    assert (code, seen, arguments[0] in output) == (2, {}, True)
