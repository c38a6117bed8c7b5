"""One server lives through all that is done with servers, and the page that shows its life is true."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compute_core.api import life_tour


@pytest.mark.disk_tools
def test_a_server_lives_as_its_page_shows(tmp_path: Path) -> None:
    with life_tour.cloud(tmp_path) as (session, control):
        told = list(life_tour.lived(session, control))

    lived = [(each.chapter.step.command, life_tour.changes([request for _, request in each.calls])) for each in told]
    shown = [(command, life_tour.changes(requests)) for command, requests in life_tour.recorded(life_tour.PAGE.read_text(encoding="utf-8"))]
    assert lived == shown


def test_each_chapter_of_the_page_has_its_command_what_it_said_and_the_requests_that_it_caused() -> None:
    told = [
        life_tour.Told(chapter, "ACTIVE", (("xs1", "VM.start"), ("xs1", "VM.start"), ("xs2", "VM.get_record")))
        for chapter in life_tour.LIFE
    ]

    text = life_tour.page(told)

    assert life_tour.recorded(text) == [(chapter.step.command, ["VM.start", "VM.get_record"]) for chapter in life_tour.LIFE]
    assert text.endswith(
        "```console\n$ openstack server delete web --wait\nACTIVE\n```\n\n1. xs1: `VM.start` x 2\n1. xs2: `VM.get_record`\n"
    )


def test_what_only_looks_is_no_change_and_what_is_repeated_is_one() -> None:
    assert life_tour.changes(["VM.get_record", "VDI.create", "VDI.create", "GET /export_raw_vdi", "PUT /import_raw_vdi"]) == [
        "VDI.create",
        "PUT /import_raw_vdi",
    ]
