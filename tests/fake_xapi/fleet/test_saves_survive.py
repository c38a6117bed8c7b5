"""A save that is killed, at whatever line, leaves the old file or the new one, and the next save is none the worse for it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_a_file_is_the_old_one_or_the_new_one_whenever_the_save_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fake_xapi.fleet.dying_saves", str(tmp_path)]
    outcomes = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    lines = outcomes.pop("lines")
    assert sorted(outcomes) == ["new", "old"]
    assert sum(outcomes.values()) == lines > 20
