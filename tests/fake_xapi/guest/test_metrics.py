"""Guest metrics and xenstore say the same: what one tells can be read back from the other."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_xapi.guest.metrics import fields_of, keys_of
from fake_xapi.guest.systems import DRIVERS

NEWEST = DRIVERS["modern"]
BASE: dict[str, Any] = {
    "PV_drivers_version": {}, "PV_drivers_detected": False, "PV_drivers_up_to_date": False, "os_version": {}, "networks": {}, "other": {},
    "live": False, "can_use_hotplug_vbd": "unspecified", "can_use_hotplug_vif": "unspecified",
}  # fmt: skip
V = {"major": "7", "minor": "30", "micro": "0"}


@pytest.mark.parametrize(
    ("tree", "fields"),
    [
        ({}, {}),
        ({"attr/PVAddons/MajorVersion": "6"}, {"PV_drivers_version": {"major": "6", "micro": "-1"}, "PV_drivers_detected": True}),
        (
            {f"attr/PVAddons/{word}Version": V[word.lower()] for word in ("Major", "Minor", "Micro")},
            {"PV_drivers_version": V, "PV_drivers_detected": True, "PV_drivers_up_to_date": True},
        ),
        ({"drivers/xenvbd": "5"}, {"PV_drivers_version": {"xenvbd": "5", "micro": "-1"}, "PV_drivers_detected": True}),
        ({"data/os_name": "Debian", "attr/os/spmajor": "1"}, {"os_version": {"name": "Debian", "spmajor": "1"}}),
        (
            {"attr/vif/0/ipv4/0": "10.0.0.1", "attr/vif/0/ipv4/1": "10.0.0.2"},
            {"networks": {"0/ip": "10.0.0.1", "0/ipv4/0": "10.0.0.1", "0/ipv4/1": "10.0.0.2"}},
        ),
        ({"attr/vif/1/ipv6/0": "fe80::1"}, {"networks": {"1/ipv6/0": "fe80::1"}}),
        (
            {"attr/eth0/ip": "10.0.0.1", "attr/eth0/ipv6/0/addr": "::1"},
            {"networks": {"0/ip": "10.0.0.1", "0/ipv4/0": "10.0.0.1", "0/ipv6/0": "::1"}},
        ),
        ({"attr/eth0/ip": "10.9.9.9", "attr/vif/0/ipv4/0": "10.0.0.1"}, {"networks": {"0/ip": "10.0.0.1", "0/ipv4/0": "10.0.0.1"}}),
        ({"control/feature-suspend": "1", "control/deep/er": "x"}, {"other": {"feature-suspend": "1"}}),
        ({"control/feature-suspend": "1", "data/cant_suspend_reason": "no"}, {"other": {"data-cant-suspend-reason": "no"}}),
        ({"data/cant_suspend_reason": "no"}, {}),
        ({"data/ts": "1"}, {"other": {"data-ts": "1"}}),
        ({"feature/hotplug/vbd": "1", "feature/hotplug/vif": "0"}, {"can_use_hotplug_vbd": "yes", "can_use_hotplug_vif": "no"}),
        ({"data/updated": "1"}, {"live": True}),
        ({"data/meminfo_free": "7", "data/update_cnt": "3"}, {}),
    ],
)  # fmt: skip
def test_a_tree_tells_the_metrics(tree: dict[str, str], fields: dict[str, Any]) -> None:
    assert fields_of(tree, NEWEST) == {**BASE, **fields}


TEXT = st.text("ab:. 1", min_size=1, max_size=5)
DIGIT = st.sampled_from("0123")
ADDRESSES = st.dictionaries(st.tuples(DIGIT, st.sampled_from(["ipv4", "ipv6"]), DIGIT).map("/".join), TEXT, max_size=4)
TREES = st.fixed_dictionaries(
    {},
    optional={
        **{f"attr/PVAddons/{word}Version": TEXT for word in ("Major", "Minor", "Micro", "Build")},
        **{f"data/os_{word}": TEXT for word in ("name", "uname", "distro", "majorver", "minorver")},
        **{f"control/feature-{word}": TEXT for word in ("suspend", "shutdown", "ts2")},
        "data/ts": TEXT, "data/cant_suspend_reason": TEXT, "data/updated": TEXT, "feature/hotplug/vbd": DIGIT,
    },
)  # fmt: skip


@given(TREES, ADDRESSES)
def test_what_metrics_say_is_read_back_from_their_keys(tree: dict[str, str], addresses: dict[str, str]) -> None:
    fields = fields_of({**tree, **{f"attr/vif/{key}": value for key, value in addresses.items()}}, NEWEST)
    assert fields_of(keys_of(fields), NEWEST) == fields
