"""Every operation under every fault at every request: the hosts hold the finished result or the state before, and the core agrees."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compute_core.faults.case import MEANWHILE, Case, Normal, disturbed, faults_of, normal, verdict
from tests.compute_core.faults.cases import CASES

USUAL = ("killed", "lost", "refused")
"""The kinds of fault of every run; the others, and every error that a request declares, take minutes."""

REPRODUCE = "python -m tests.compute_core.faults.one"


@pytest.fixture(scope="module")
def recorded() -> Iterator[dict[str, Normal]]:
    """What undisturbed runs came to, by case; filled as cases are tried.

    Every run on virtual time ends with a look for garbage; what is there before need not be looked at a thousand times.
    """
    gc.freeze()
    yield {}
    gc.unfreeze()


def failures(case: Case, kind: str, expected: Normal, folder: Path, *, every_error: bool = False) -> list[str]:
    found = []
    for number, fault in enumerate(faults_of(expected.steps(kind), kind, every_error=every_error)):
        wrong = verdict(expected, fault, disturbed(case, fault, folder / str(number)))
        if wrong:
            found.append("\n    ".join([f"{REPRODUCE} {case.name} {fault}    # {expected.steps(kind)[fault.step - 1]}", *wrong]))
    return found


def check(name: str, kind: str, recorded: dict[str, Normal], folder: Path, *, every_error: bool = False) -> None:
    expected = recorded[name] = recorded.get(name) or normal(CASES[name], folder)

    found = failures(CASES[name], kind, expected, folder, every_error=every_error)

    assert not found, "\n".join(["", *found])


@pytest.mark.parametrize("kind", USUAL)
@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.long if case.is_slow else ()) for name, case in CASES.items()])
def test_a_fault_leaves_the_result_or_the_state_before(name: str, kind: str, recorded: dict[str, Normal], tmp_path: Path) -> None:
    check(name, kind, recorded, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("kind", [kind for kind in MEANWHILE if kind not in USUAL])
@pytest.mark.parametrize("name", CASES)
def test_a_rarer_fault_does_too(name: str, kind: str, recorded: dict[str, Normal], tmp_path: Path) -> None:
    check(name, kind, recorded, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("name", CASES)
def test_whatever_a_request_is_refused_with_does_too(name: str, recorded: dict[str, Normal], tmp_path: Path) -> None:
    check(name, "refused", recorded, tmp_path, every_error=True)
