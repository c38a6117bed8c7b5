"""Hosts are cared for with our own commands and the unmodified ``openstack`` client, over real sockets."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compute_core.api import care_tour, tour
from tests.compute_core.api.care_tour import a_lost_disk, core, rows, until


@pytest.mark.disk_tools
def test_what_is_on_hosts_is_seen_and_cared_for(tmp_path: Path) -> None:
    with care_tour.cloud(tmp_path) as session:
        for step in care_tour.BEGIN:
            tour.check(session.take(step))
        server = session.ask("server show web -f value -c id")[1].strip()
        host = session.ask("server show web -f value -c OS-EXT-SRV-ATTR:host")[1].strip()
        images_are_kept_while_they_are_needed(tmp_path, host)
        for step in care_tour.AHEAD:
            tour.check(session.take(step))
        assert len(until(tmp_path, "images list-cached", lambda found: len(found) == 2)) == 2
        usage_is_measured(tmp_path, host, server)
        for step in care_tour.USED:
            tour.check(session.take(step))
        disks_are_weighed(tmp_path)
        for step in care_tour.END:
            tour.check(session.take(step))
        until(tmp_path, "images list-cached", lambda found: not any(row["in_use"] for row in found))
        assert len(rows(tmp_path, "images evict")) == 2
        assert rows(tmp_path, "images list-cached") == []
        orphans_are_found_and_cleaned(tmp_path, server)
        for line in ("images list-cached", "orphans list", "usage servers", "usage hosts"):
            code, output = core(tmp_path, line)
            assert (code, output.startswith("host")) == (0, True), output


def images_are_kept_while_they_are_needed(folder: Path, host: str) -> None:
    (kept,) = rows(folder, "images list-cached")
    assert (kept["host"], kept["name"], kept["in_use"]) == (host, "debian", "disks that stand on it: 1")
    assert rows(folder, "images evict debian") == []
    assert core(folder, f"images cache debian --host {host}") == (0, f"{host}: fetches 1\n")


def usage_is_measured(folder: Path, host: str, server: str) -> None:
    (used,) = rows(folder, f"usage servers --host {host} --now")
    assert (used["uuid"], used["power_state"], used["memory_bytes"], used["own_disk_bytes"] > 0) == (server, "Running", 256 << 20, True)
    (measured,) = until(folder, "usage servers", bool)
    assert measured["base_disk_bytes"] == used["base_disk_bytes"] > 0
    assert {row["host"] for row in until(folder, "usage hosts", lambda found: len(found) == 2)} == {"xs00001", "xs00002"}


def disks_are_weighed(folder: Path) -> None:
    assert [disk["level"] for disk in rows(folder, "io-weight list web")] == ["6"]
    assert core(folder, "io-weight set web 1000") == (0, "disks 0: weight 1000\n")
    assert [disk["level"] for disk in rows(folder, "io-weight list web")] == ["0"]
    assert core(folder, "io-weight set web 500 --disk xvda")[0] == 2


def orphans_are_found_and_cleaned(folder: Path, server: str) -> None:
    lost = a_lost_disk(folder, server)
    (orphan,) = rows(folder, "orphans list")
    assert (orphan["id"], orphan["kind"], orphan["server"], orphan["is_certain"]) == (lost, "VDI", server, True)
    assert rows(folder, "orphans clean --older-than 3600") == []
    (gone,) = rows(folder, f"orphans clean {lost}")
    assert (gone["id"], gone["problem"], rows(folder, "orphans list")) == (lost, "", [])
