"""The unmodified ``openstack`` client and ``core backup`` make backups, rotate them and bring them back, over real sockets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.compute_core.api import backups_tour, tour
from tests.compute_core.api.backups_tour import inova, made
from tests.compute_core.api.tour import Step, state


@pytest.mark.disk_tools
def test_servers_are_backed_up_and_brought_back(tmp_path: Path) -> None:
    with backups_tour.cloud(tmp_path) as session:
        for step in backups_tour.BEGIN:
            tour.check(session.take(step))
        first, second = made(tmp_path, "--name", "one"), made(tmp_path, "--name", "two")
        assert (first["backup_method"], second["backup_method"], second["backup_parent"]) == ("full", "delta", first["id"])
        assert first["backup_moved_bytes"] == first["backup_whole_bytes"] == second["backup_whole_bytes"]
        assert int(second["backup_moved_bytes"]) < int(second["backup_whole_bytes"]) // 10
        listed = json.loads(inova(tmp_path, "list", "--server", "web", "--json")[1])
        assert [point["name"] for point in listed] == ["one", "two"]
        code, output = inova(tmp_path, "delete", first["id"])
        assert (code, f"{first['id']} is needed by {second['id']}." in output) == (2, True)
        assert inova(tmp_path, "restore", second["id"])[0] == 2
        assert inova(tmp_path, "restore", second["id"], "--new", "third", "--flavor", "m1.lab")[0] == 0
        assert inova(tmp_path, "restore", first["id"], "--into", "web")[0] == 0
        for step in (state("third", "ACTIVE"), state("web", "ACTIVE"), Step("server show web -f value -c image", "one")):
            tour.check(session.take(step))
        assert made(tmp_path, "--name", "three", "--rotation", "1")["backup_method"] == "full"
        assert [point["name"] for point in json.loads(inova(tmp_path, "list", "--json")[1])] == ["three"]
        assert inova(tmp_path, "create", "nowhere")[0] == 2
