"""What a command is to write at its end is refused at its beginning, and what cannot be written then is told in one line."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from scenarios.bench.cli import bench
from scenarios.rehearse import rehearse
from scenarios.report.json_report import write_whole
from scenarios.report.output_file import told_when_unwritable
from tests.code.sources import ROOT


@pytest.mark.parametrize("option", ["--json", "--html", "--journal", "--log"])
def test_a_rehearsal_does_not_begin_when_its_report_has_no_folder(tmp_path: Path, option: str) -> None:
    done = CliRunner().invoke(rehearse, ["--virtual", option, str(tmp_path / "none" / "report")], terminal_width=200)
    assert done.exit_code == 2
    assert f"there is no folder {tmp_path / 'none'}; make it, or name another file" in done.output
    assert "phase begins" not in done.output


def test_a_benchmark_does_not_begin_when_its_rows_have_no_folder(tmp_path: Path) -> None:
    done = CliRunner().invoke(bench, ["fleet", "--json", str(tmp_path / "none" / "rows.json")], terminal_width=200)
    assert (done.exit_code, f"there is no folder {tmp_path / 'none'}" in done.output) == (2, True)


def test_more_hosts_than_there_can_be_are_refused() -> None:
    done = CliRunner().invoke(rehearse, ["--hosts", "20000000"])
    assert (done.exit_code, "20000000 is not in the range 1<=x<=1000000" in done.output) == (2, True)


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device; name files where there is room"),
        (OSError(errno.EACCES, "Permission denied", "/x/y"), "/x/y: Permission denied; name a file that can be written"),
    ],
)
def test_what_cannot_be_written_is_told_in_one_line(problem: OSError, message: str) -> None:
    with pytest.raises(click.ClickException) as caught, told_when_unwritable():
        raise problem
    assert caught.value.message == message


def test_a_refusal_that_is_not_about_files_stays_what_it_is() -> None:
    with pytest.raises(ConnectionRefusedError), told_when_unwritable():
        raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")


def test_a_report_that_cannot_be_put_in_place_leaves_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "report.json").mkdir()
    with pytest.raises(IsADirectoryError):
        write_whole(tmp_path / "report.json", "{}")
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_a_terminated_rehearsal_leaves_no_file_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scenarios.cli", "rehearse", "--virtual", "--hosts", "50", "--journal", str(tmp_path / "journal")]
    folder = tmp_path / "folder"
    folder.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        assert running.stderr.readline() == "phase begins: register\n"
        running.send_signal(signal.SIGTERM)
        rest = running.stderr.read()
    assert (running.returncode, "Traceback" in rest) == (130, False)
    assert (list(folder.iterdir()), [path.name for path in tmp_path.iterdir()]) == ([], ["folder"])
