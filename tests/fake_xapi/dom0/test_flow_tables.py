"""OpenFlow tables as ``ovs-ofctl`` keeps them: what is added, meant by a match, deleted and shown."""

from __future__ import annotations

import pytest

from fake_xapi.dom0.flow_tables import NORMAL, Flow, added, parsed, removed, selected, shown
from fake_xapi.dom0.plugins.place import PluginError

WEB = parsed("table=61,priority=90,cookie=0x69,ip,in_port=3,nw_src=10.0.0.1 actions=ct(table=62,zone=3)")
DROP = parsed("table=61,priority=10,in_port=3 actions=drop")
ALL = [NORMAL, WEB, DROP]


def test_a_flow_is_read_in_any_order_of_its_words() -> None:
    wanted = Flow(table=61, priority=90, match="in_port=3,ip,nw_src=10.0.0.1", actions="ct(table=62,zone=3)", cookie=0x69)
    assert wanted == WEB
    assert parsed("in_port=3 nw_src=10.0.0.1,ip,cookie=105, priority=90, table=61, actions=ct(table=62,zone=3)") == wanted
    assert parsed("actions=NORMAL") == {**NORMAL, "priority": 32768}
    assert parsed("ip actions=ct(commit,zone=3),resubmit(,63)")["actions"] == "ct(commit,zone=3),resubmit(,63)"


def test_a_flow_of_the_same_place_takes_anothers() -> None:
    again = parsed("table=61,priority=10,in_port=3,cookie=7 actions=NORMAL")
    assert added(ALL, [again]) == [NORMAL, WEB, again]


@pytest.mark.parametrize(
    ("match", "is_strict", "found"),
    [
        ("", False, ALL),
        ("table=61", False, [WEB, DROP]),
        ("in_port=3", False, [WEB, DROP]),
        ("ip", False, [WEB]),
        ("cookie=0x69/-1", False, [WEB]),
        ("cookie=0x60/0xf0", False, [WEB]),
        ("cookie=0/-1", False, [NORMAL, DROP]),
        ("table=61,priority=10,in_port=3", True, [DROP]),
        ("table=61,priority=11,in_port=3", True, []),
        ("table=61,priority=90,in_port=3", True, []),
    ],
)
def test_a_match_means_flows(match: str, found: list[Flow], *, is_strict: bool) -> None:
    assert selected(ALL, match, is_strict=is_strict) == found
    assert removed(ALL, match, is_strict=is_strict) == [flow for flow in ALL if flow not in found]


def test_flows_are_shown_by_table_and_priority() -> None:
    assert shown([DROP, WEB, NORMAL]).splitlines() == [
        "NXST_FLOW reply (xid=0x4):",
        " cookie=0x0, duration=0.000s, table=0, n_packets=0, n_bytes=0, idle_age=0, priority=0 actions=NORMAL",
        (
            " cookie=0x69, duration=0.000s, table=61, n_packets=0, n_bytes=0, idle_age=0, "
            "priority=90,in_port=3,ip,nw_src=10.0.0.1 actions=ct(table=62,zone=3)"
        ),
        " cookie=0x0, duration=0.000s, table=61, n_packets=0, n_bytes=0, idle_age=0, priority=10,in_port=3 actions=drop",
    ]


@pytest.mark.parametrize(
    ("flow", "text"),
    [
        ("in_port=3", "must specify an action"),
        ("in_prt=3 actions=drop", "unknown keyword in_prt"),
        ("in_port= actions=drop", "field in_port missing value"),
        ("in_port=3 actions=fly", "unknown action fly"),
        ("table=255 actions=drop", 'invalid table "255"'),
        ("priority=65536 actions=drop", 'invalid priority "65536"'),
        ("cookie=x actions=drop", "invalid cookie x"),
        ("cookie=1/0xf actions=drop", "cookie mask cannot be specified in added flows"),
    ],
)
def test_what_is_no_flow_is_refused(flow: str, text: str) -> None:
    with pytest.raises(PluginError) as caught:
        parsed(flow)
    assert str(caught.value) == f"ovs-ofctl: {text}"


def test_priorities_mean_nothing_to_a_match_that_is_not_strict() -> None:
    with pytest.raises(PluginError, match="unknown keyword priority"):
        selected(ALL, "priority=10")
