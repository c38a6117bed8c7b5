"""What moves have come to and what they have cost, from their journals alone: downtime of VMs, bytes on the network."""

from __future__ import annotations

from dataclasses import dataclass

from compute_core.firstgen.journal import State, Story

MOVED = ("copied_bytes", "caught_up_bytes", "imported_bytes")


@dataclass(frozen=True, slots=True)
class Row:
    """One move. ``downtime_s``: from the original's power off until the copy runs, None while that is open, and for a VM that was off.

    ``step`` is the last one that is in the journal, ``moved_bytes`` is the sum of the three.
    """

    source: str
    vm: str
    destination: str
    state: State
    step: str
    since: str
    was_running: bool | None
    downtime_s: float | None
    disk_bytes: int
    copied_bytes: int
    caught_up_bytes: int
    imported_bytes: int
    moved_bytes: int
    problem: str


def row_of(source: str, vm: str, story: Story) -> Row:
    """What the journal of a move tells."""
    guest, last = story.fact("guest"), story.lines[-1] if story.lines else None
    copied, caught_up, imported = (story.fact(name, 0) for name in MOVED)
    return Row(
        source=source,
        vm=vm,
        destination=story.fact("destination", ""),
        state=story.state,
        step=last.step if last else "",
        since=last.at if last else "",
        was_running=guest["is_running"] if guest else None,
        downtime_s=downtime_s(story),
        disk_bytes=story.fact("size_bytes", 0),
        copied_bytes=copied,
        caught_up_bytes=caught_up,
        imported_bytes=imported,
        moved_bytes=copied + caught_up + imported,
        problem=last.facts.get("problem", "") if last else "",
    )


def downtime_s(story: Story) -> float | None:
    """From the first power off to the first time that the copy ran."""
    off, up = story.learnt("powers_off"), story.learnt("runs")
    if off is None or up is None or not story.fact("powers_off"):
        return None
    return (up - off).total_seconds()
