"""Which backups rotation lets go: never one that another needs, never a whole one for one that failed."""

from __future__ import annotations

import pytest

from compute_core.model.backups import PARENT, SEQUENCE, ancestry, expired_backups, expired_points, in_order, is_complete
from compute_core.model.images import Image


def image(name: str, status: str = "active", **properties: str) -> Image:
    return Image(name, name, status, "p", f"2012-08-0{name[-1]}", "", properties=properties)  # type: ignore[arg-type]


def points(*parents: str) -> list[Image]:
    """Points 1, 2, ...; each names its parent, "" for none."""
    return [image(f"p{number}", **{SEQUENCE: str(number), PARENT: parent}) for number, parent in enumerate(parents, start=1)]


@pytest.mark.parametrize(("rotation", "expected"), [(0, ["b1", "b2", "b4"]), (1, ["b1", "b2"]), (2, ["b1"]), (3, []), (9, [])])
def test_the_oldest_whole_backups_go(rotation: int, expected: list[str]) -> None:
    series = [image("b2"), image("b1"), image("b3", "queued"), image("b4")]

    assert [each.id for each in expired_backups(series, rotation)] == expected


@pytest.mark.parametrize(
    ("parents", "rotation", "expected"),
    [
        (("", "p1", "p2"), 1, []),
        (("", "p1", "", "p3"), 2, ["p2", "p1"]),
        (("", "p1", "", "p3"), 3, []),
        (("", "p1", "p1"), 1, ["p2"]),
        (("", "", ""), 1, ["p2", "p1"]),
        (("", "p1"), 0, ["p2", "p1"]),
        ((), 3, []),
    ],
)
def test_points_stay_as_long_as_one_that_is_kept_needs_them(parents: tuple[str, ...], rotation: int, expected: list[str]) -> None:
    assert [point.id for point in expired_points(points(*parents), rotation)] == expected


def test_points_are_in_the_order_of_their_numbers_and_unfilled_ones_are_none() -> None:
    found = [image("p1", **{SEQUENCE: "10"}), image("p2", **{SEQUENCE: "9"}), image("p3", **{SEQUENCE: "x"})]

    assert [point.id for point in in_order([*found, image("p4", "queued", **{SEQUENCE: "1"})])] == ["p3", "p2", "p1"]


def test_a_chain_is_complete_when_it_ends_with_a_point_that_needs_none() -> None:
    there = {point.id: point for point in points("", "p1", "p9", "p5", "p4")}

    assert [point.id for point in ancestry(there["p2"], there)] == ["p2", "p1"]
    assert {name: is_complete(point, there) for name, point in there.items()} == {
        "p1": True, "p2": True, "p3": False, "p4": False, "p5": False,
    }  # fmt: skip
