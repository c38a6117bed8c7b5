"""Which tests send which messages: recorded by test runs, and merged into one file that the coverage page reads.

Knows the two recorders' files, {release: {test: [message, ...]}}. May not know the answers to messages.
"""

from __future__ import annotations

import ast
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "docs" / "generated" / "exercised.json"
SUITE = "contract_tests/suite/"
TESTS_NAMED = 3
"""How many tests the record names for a message: the most specific ones."""

Recorded = Mapping[str, Mapping[str, Iterable[str]]]
"""By release and test, the messages that were sent."""


@dataclass(frozen=True, slots=True)
class Exercise:
    """The tests most specific to a message, how many send it, and the releases to which they send it."""

    tests: tuple[str, ...]
    count: int
    releases: tuple[str, ...]


def merged(records: Iterable[Recorded]) -> dict[str, Exercise]:
    """The result of some recorded runs for each message."""
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
    """The most specific tests, which send few other messages; those of the contract suite first."""
    return tuple(sorted(tests, key=lambda test: (not test.startswith(SUITE), breadth[test], test))[:TESTS_NAMED])


def read(path: Path = RECORD) -> dict[str, Exercise]:
    """The record, as stored."""
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    tests, releases = kept["tests"], kept["releases"]
    return {
        name: Exercise(tuple(tests[place] for place in named), count, tuple(releases[place] for place in sent_to))
        for name, (named, count, sent_to) in kept["messages"].items()
    }


def keep(exercises: Mapping[str, Exercise], path: Path = RECORD) -> None:
    """Store the record: one message per line, with tests and releases by their positions in lists."""
    tests = {test: place for place, test in enumerate(sorted({test for one in exercises.values() for test in one.tests}))}
    releases = {name: place for place, name in enumerate(sorted({name for one in exercises.values() for name in one.releases}))}
    rows = (
        f"{json.dumps(name)}: {json.dumps([[tests[test] for test in one.tests], one.count, [releases[each] for each in one.releases]])}"
        for name, one in exercises.items()
    )
    lists = (f"{json.dumps(name)}: {json.dumps(list(table), indent=0)}" for name, table in (("tests", tests), ("releases", releases)))
    path.write_text("{\n" + ",\n".join(lists) + ',\n"messages": {\n' + ",\n".join(rows) + "\n}\n}\n", encoding="utf-8")


def is_there(test: str) -> bool:
    """Whether a recorded test still exists in its file."""
    path, *names = test.split("::")
    return set(names) - {"runTest"} <= _defined_in(path)


def without_what_is_gone(exercises: Mapping[str, Exercise]) -> dict[str, Exercise]:
    """The record without tests that were removed or renamed."""
    left = {name: replace(one, tests=tuple(test for test in one.tests if is_there(test))) for name, one in exercises.items()}
    return {name: one for name, one in left.items() if one.tests}


@cache
def _defined_in(path: str) -> frozenset[str]:
    if not (ROOT / path).exists():
        return frozenset()
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    defined = {node.name for node in ast.walk(tree) if isinstance(node, kinds)}
    assigned = {target.id for node in tree.body if isinstance(node, ast.Assign) for target in node.targets if isinstance(target, ast.Name)}
    return frozenset(defined | assigned)
