"""Which tests send which messages: what the test runs recorded, merged into one file that the coverage page reads.

Knows the two recorders' files, {release: {test: [message, ...]}}. May not know what a message is answered with.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "docs" / "generated" / "exercised.json"
SUITE = "contract_tests/suite/"
TESTS_NAMED = 1
"""How many tests the record names for a message: the one that is most about it."""

Recorded = Mapping[str, Mapping[str, Iterable[str]]]
"""By release and test, the messages that were sent."""


@dataclass(frozen=True, slots=True)
class Exercise:
    """The tests that are most about a message, how many send it, and the releases that they send it to."""

    tests: tuple[str, ...]
    count: int
    releases: tuple[str, ...]


def merged(records: Iterable[Recorded]) -> dict[str, Exercise]:
    """What some recorded runs say about each message."""
    sent: dict[str, set[str]] = defaultdict(set)
    releases: dict[str, set[str]] = defaultdict(set)
    breadth: dict[str, int] = defaultdict(int)
    for record in records:
        for release, tests in record.items():
            for test, names in tests.items():
                known = set(names)
                breadth[test] = max(breadth[test], len(known))
                for name in known:
                    sent[name].add(test)
                    releases[name].add(release)
    return {name: Exercise(_closest(sent[name], breadth), len(sent[name]), tuple(sorted(releases[name]))) for name in sorted(sent)}


def _closest(tests: Iterable[str], breadth: Mapping[str, int]) -> tuple[str, ...]:
    """The tests that send little else, those of the contract suite first."""
    return tuple(sorted(tests, key=lambda test: (not test.startswith(SUITE), breadth[test], test))[:TESTS_NAMED])


def read(path: Path = RECORD) -> dict[str, Exercise]:
    """The record as it was kept."""
    kept: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return {name: Exercise(tuple(row["tests"]), row["count"], tuple(row["releases"])) for name, row in kept.items()}


def keep(exercises: Mapping[str, Exercise], path: Path = RECORD) -> None:
    """Keep the record, one message on a line."""
    rows = (
        f"{json.dumps(name)}: {json.dumps({'tests': one.tests, 'count': one.count, 'releases': one.releases})}"
        for name, one in exercises.items()
    )
    path.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")
