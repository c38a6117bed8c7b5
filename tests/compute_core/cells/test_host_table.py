"""The hosts as a cell's scheduler sees them."""

from __future__ import annotations

from compute_core.cells.host_table import HostTable
from compute_core.model.hosts import ComputeNode, HostReport
from compute_core.scheduler.ranking import Ranking
from compute_core.store.hosts import StoredHost

REPORT = HostReport("xs1", "xs1.example", "uuid-xs1", "6.1", "10.0.0.1", 4, 8192, 8192, 200, 200, 0)
EARLY = ComputeNode(REPORT, "service-xs1", updated_at="2012-08-01T00:00:00Z")


def test_a_host_whose_heartbeats_were_not_written_down_is_up_after_it_is_read_again() -> None:
    table = HostTable(Ranking(), down_after_s=60.0)
    table.put(StoredHost(EARLY, 0.0), 0.0)
    table.heard("xs1", 100.0, "2012-08-01T00:01:40Z")

    table.put(StoredHost(EARLY, 0.0), 110.0)

    node = table.get("xs1")
    assert node is not None
    assert (node.is_up, node.updated_at, table.fall_silent(159.0)) == (True, "2012-08-01T00:01:40Z", ())
    assert table.fall_silent(160.0) == ("xs1",)
