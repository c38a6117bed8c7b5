"""The command `core firstgen`: every command that its page shows, against hosts that are there; and what it refuses."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from compute_core.cli import core
from tests.code.documents import commands
from tests.code.sources import ROOT
from tests.compute_core.firstgen.landing import Landing
from tests.compute_core.firstgen.settings_files import write_settings
from tests.compute_core.firstgen.site import Site

SHOWN = (
    "plan xen01",
    "move xen01/web xen01/db --bwlimit 20000 --per-source 2",
    "status",
    "resume",
    "confirm xen01/web",
    "abandon xen01/db",
    "report --json",
)
"""In the order of the page."""


async def run(folder: Path, arguments: str) -> tuple[int, str, str]:
    """Run `core firstgen` as a process: its code, what it prints, and what it says beside."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "scenarios.cli", "core", "firstgen", *shlex.split(arguments)),
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, said = await process.communicate()
    assert process.returncode is not None
    return process.returncode, printed.decode(), said.decode()


def table(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_the_page_shows_what_is_run_here() -> None:
    assert [shown for shown in commands() if shown.startswith("./inova core firstgen")] == [
        f"./inova core firstgen {each}" for each in SHOWN
    ]


@pytest.mark.firstgen
def test_the_commands_of_the_page_do_what_it_says(site: Site) -> None:
    site.xen.add_guest("web")
    site.xen.add_guest("db")

    async def body(there: Landing) -> Any:
        write_settings(there)
        answers = {shown: await run(there.folder, shown) for shown in SHOWN}
        return answers, there.left()["VM"]

    answers, vms = site.land(body)
    assert {shown: code for shown, (code, _, _) in answers.items()} == dict.fromkeys(SHOWN, 0), answers
    texts = {shown: printed for shown, (_, printed, _) in answers.items()}
    assert table(texts[SHOWN[0]])[1:] == [[f"xen01/{name}", "yes", "128", "34", "xs1"] for name in ("db", "web")]
    assert table(texts[SHOWN[1]])[1:] == [["xen01/web", "arrived"], ["xen01/db", "arrived"]]
    assert [row[:4] for row in table(texts["status"])[1:]] == [[f"xen01/{name}", "xs1", "arrived", "start"] for name in ("db", "web")]
    assert (texts["resume"], table(texts["confirm xen01/web"])[1:]) == ("vm  state  problem\n", [["xen01/web", "confirmed"]])
    assert table(texts["abandon xen01/db"])[1:] == [["xen01/db", "abandoned"]]
    rows = json.loads(texts["report --json"])
    assert [(row["vm"], row["state"], row["downtime_s"] > 0, row["copied_bytes"] > 2_300_000) for row in rows] == [
        ("db", "abandoned", True, True),
        ("web", "confirmed", True, True),
    ]
    assert (vms, site.xen.volumes(), site.xen.is_running("db")) == (["web"], ["db"], True)
    assert "xen01/web: catch-up done" in answers[SHOWN[1]][2]
    assert all("xenroot" not in printed + said for _, printed, said in answers.values())


@pytest.mark.firstgen
def test_what_stops_ends_with_1_and_says_why(site: Site) -> None:
    async def body(there: Landing) -> Any:
        write_settings(there)
        return [await run(there.folder, arguments) for arguments in ("move xen01/absent", "plan xen09", "move xen09/web", "resume xen01/x")]

    move, plan, other, resume = site.land(body)
    assert (move[0], table(move[1])[1][:2], "xen01 has no VM absent" in move[1]) == (1, ["xen01/absent", "failed"], True)
    cure = "Error: There is no Xen host 'xen09'. Cure: add it to the file of the generations, or name another.\n"
    assert (plan, other) == ((2, "", cure), (2, "", cure))
    assert (resume[0], "xen01/x has never been moved. Cure: `move` it." in resume[1]) == (1, True)


def test_without_files_that_say_where_there_is_nothing_to_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hosts.json").write_text('[{"name": "xs1", "url": "http://x", "user": "root", "password": "p"}]', encoding="utf-8")
    done = CliRunner().invoke(core, ["firstgen", "plan", "xen01"])
    said = "Error: generations.json: cannot be read ([Errno 2] No such file or directory: 'generations.json'). "
    assert (done.exit_code, done.output) == (2, f"{said}Cure: name the file by --generations.\n")


def test_moves_that_have_no_journal_are_no_rows(tmp_path: Path) -> None:
    for command in ("status", "report"):
        done = CliRunner().invoke(core, ["firstgen", command, "--journals", str(tmp_path), "--json"])
        assert (done.exit_code, json.loads(done.output)) == (0, [])
