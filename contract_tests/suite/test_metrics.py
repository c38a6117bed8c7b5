"""What is measured beyond the form of it: which sources are kept, since when, and that calls and databases tell the same."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from typing import Any
from urllib.parse import urlencode

import pytest
import XenAPI

from contract_tests.target import Target
from contract_tests.waiting import until


def database(target: Target, session: Any, path: str, **query: str) -> ET.Element:
    """An rrd as a tree."""
    reply = target.request("GET", f"{path}?{urlencode({'session_id': session.handle, **query})}")
    assert reply.status == 200
    return ET.fromstring(reply.text)  # noqa: S314  # the server is the operator's own


def kept(tree: ET.Element) -> list[str]:
    """The names of the sources of a database."""
    return [name.text or "" for name in tree.findall("ds/name")]


@pytest.mark.rule("GET /vm_rrd and host_rrd")
def test_a_database_has_four_archives_of_averages(target: Target, session: Any) -> None:
    """120 rows of one step, 120 of 12, 168 of 720 and 366 of 17,280."""
    averages = [rra for rra in database(target, session, "/host_rrd").findall("rra") if rra.findtext("cf") == "AVERAGE"]
    assert [(rra.findtext("pdp_per_row"), len(rra.findall("database/row"))) for rra in averages] == [
        ("1", 120),
        ("12", 120),
        ("720", 168),
        ("17280", 366),
    ]


@pytest.mark.rule("GET /vm_rrd and host_rrd")
def test_each_row_has_a_value_for_each_source(target: Target, session: Any) -> None:
    """Every row of every archive is as long as the list of sources."""
    tree = database(target, session, "/host_rrd")
    assert {len(row.findall("v")) for row in tree.findall("rra/database/row")} == {len(kept(tree))}


@pytest.mark.rule("data sources")
def test_a_vm_is_measured(xapi: Any, running: str) -> None:
    """One source for each VCPU, memory, and both ways of every interface and disk that is plugged."""
    names = {source["name_label"] for source in xapi.VM.get_data_sources(running)}
    expected = {"memory", *(f"cpu{number}" for number in range(int(xapi.VM.get_VCPUs_at_startup(running))))}
    vifs = [xapi.VIF.get_record(vif) for vif in xapi.VM.get_VIFs(running)]
    expected |= {f"vif_{vif['device']}_{way}" for vif in vifs if vif["currently_attached"] for way in ("rx", "tx")}
    assert expected <= names


@pytest.mark.rule("data sources")
def test_what_is_measured_is_within_its_bounds(xapi: Any, running: str) -> None:
    """The value of every source that is enabled lies between its min and its max."""
    for source in xapi.VM.get_data_sources(running):
        if source["enabled"] and not math.isnan(source["value"]):
            assert source["min"] <= source["value"] <= source["max"], source["name_label"]


@pytest.mark.rule("data sources")
def test_a_source_that_is_forgotten_is_kept_no_more_until_it_is_recorded(xapi: Any, target: Target, session: Any, running: str) -> None:
    """forget_data_source_archives takes it out of the database, record_data_source brings it back."""
    uuid = xapi.VM.get_uuid(running)
    xapi.VM.forget_data_source_archives(running, "memory_target")
    assert "memory_target" not in kept(database(target, session, "/vm_rrd", uuid=uuid))
    xapi.VM.record_data_source(running, "memory_target")
    until(lambda: "memory_target" in kept(database(target, session, "/vm_rrd", uuid=uuid)), "the source in the database", 30)


@pytest.mark.rule("data sources")
def test_nobody_measures_luck(xapi: Any, running: str) -> None:
    """A source that is not there is refused."""
    with pytest.raises(XenAPI.Failure):
        xapi.VM.query_data_source(running, "luck")
