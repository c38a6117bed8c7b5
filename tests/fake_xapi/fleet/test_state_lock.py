"""A state file is served by one process alone, and nothing stands in the way of the next one when that is gone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fake_xapi.fleet.state_lock import held


def test_a_state_that_is_held_is_refused_with_who_holds_it(tmp_path: Path) -> None:
    state = tmp_path / "state"
    told = f"{state}: process {os.getpid()} serves the hosts of this file; end it first, or name another file"
    with held(state), pytest.raises(ValueError, match=f"^{told}$"), held(state):
        pass


def test_a_state_is_free_again_and_no_lock_is_left(tmp_path: Path) -> None:
    for _ in range(2):
        with held(tmp_path / "state"):
            assert [path.name for path in tmp_path.iterdir()] == [".state.lock"]
        assert list(tmp_path.iterdir()) == []


def test_other_states_in_the_folder_are_free(tmp_path: Path) -> None:
    with held(tmp_path / "one"), held(tmp_path / "other"):
        assert sorted(path.name for path in tmp_path.iterdir()) == [".one.lock", ".other.lock"]


def test_what_a_killed_process_left_is_taken_over(tmp_path: Path) -> None:
    lock = tmp_path / ".state.lock"
    lock.write_text("4194304999")
    with held(tmp_path / "state"):
        assert lock.read_text() == str(os.getpid())


def test_a_lock_that_cannot_be_made_is_told_as_the_state_file(tmp_path: Path) -> None:
    state = tmp_path / "none" / "state"
    with pytest.raises(FileNotFoundError) as refusal, held(state):
        pass
    assert refusal.value.filename == str(state)
