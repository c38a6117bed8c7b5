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

        (kept,) = rows(tmp_path, "images list-cached")
        assert (kept["host"], kept["name"], kept["in_use"]) == (host, "debian", "disks that stand on it: 1")
        assert rows(tmp_path, "images evict debian") == []
        assert core(tmp_path, "images cache debian")[0] == 0
        assert len(until(tmp_path, "images list-cached", lambda found: len(found) == 2)) == 2

        (used,) = rows(tmp_path, f"usage servers --host {host} --now")
        assert (used["uuid"], used["power_state"], used["memory_bytes"], used["own_disk_bytes"] > 0) == (server, "Running", 256 << 20, True)
        (measured,) = until(tmp_path, "usage servers", bool)
        assert measured["base_disk_bytes"] == used["base_disk_bytes"] > 0
        assert {row["host"] for row in until(tmp_path, "usage hosts", lambda found: len(found) == 2)} == {"xs00001", "xs00002"}
        for step in care_tour.USED:
            tour.check(session.take(step))

        assert [disk["level"] for disk in rows(tmp_path, "io-weight list web")] == ["6"]
        assert core(tmp_path, "io-weight set web 1000") == (0, "disks 0: weight 1000\n")
        assert [disk["level"] for disk in rows(tmp_path, "io-weight list web")] == ["0"]
        assert core(tmp_path, "io-weight set web 500 --disk xvda")[0] == 2

        for step in care_tour.END:
            tour.check(session.take(step))
        until(tmp_path, "images list-cached", lambda found: not any(row["in_use"] for row in found))
        assert len(rows(tmp_path, "images evict")) == 2
        assert rows(tmp_path, "images list-cached") == []

        lost = a_lost_disk(tmp_path, server)
        (orphan,) = rows(tmp_path, "orphans list")
        assert (orphan["id"], orphan["kind"], orphan["server"], orphan["is_certain"]) == (lost, "VDI", server, True)
        assert rows(tmp_path, "orphans clean --older-than 3600") == []
        (gone,) = rows(tmp_path, f"orphans clean {lost}")
        assert (gone["id"], gone["problem"], rows(tmp_path, "orphans list")) == (lost, "", [])
        for line in ("images list-cached", "orphans list", "usage servers", "usage hosts"):
            code, output = core(tmp_path, line)
            assert (code, output.startswith("host")) == (0, True), output
