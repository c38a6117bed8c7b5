"""What flavors and projects ask of the aggregates that a host is in."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from compute_core.model.aggregates import Membership
from compute_core.scheduler.aggregate_specs import ALL_IN, ONE_OF, OPERATORS, fits, specs_of
from compute_core.scheduler.capacity import Ask
from compute_core.scheduler.filters import removed_by
from tests.compute_core.scheduler.test_placement import node, request

ROOM = Ask(99, 9999, 999)
MATCHES = (
    ("ssd", "ssd", True),
    ("ssd", "hdd", False),
    ("", "", True),
    ("8", "= 4", True),
    ("2", "= 4", False),
    ("4.0", "== 4", True),
    ("5", "== 4", False),
    ("5", "!= 4", True),
    ("4", "!= 4", False),
    ("4", ">= 4", True),
    ("3", ">= 4", False),
    ("4", "<= 4", True),
    ("5", "<= 4", False),
    ("many", ">= 4", False),
    ("b", "s== b", True),
    ("a", "s== b", False),
    ("a", "s!= b", True),
    ("b", "s!= b", False),
    ("a", "s< b", True),
    ("b", "s< b", False),
    ("b", "s<= b", True),
    ("c", "s<= b", False),
    ("c", "s> b", True),
    ("b", "s> b", False),
    ("b", "s>= b", True),
    ("a", "s>= b", False),
    ("nvme-ssd", "<in> ssd", True),
    ("hdd", "<in> ssd", False),
    ("sse aes", "<all-in> aes sse", True),
    ("sse", "<all-in> aes sse", False),
    ("sse", "<all-in>", False),
    ("b", "<or> a <or> b", True),
    ("c", "<or> a <or> b", False),
    ("4", ">=", False),
)


@pytest.mark.parametrize(("offered", "asked", "verdict"), MATCHES)
def test_a_value_is_what_an_extra_spec_asks_for_or_not(offered: str, asked: str, verdict: bool) -> None:
    assert fits(offered, asked) is verdict


def test_every_operator_has_a_row_for_yes_and_one_for_no() -> None:
    tried = {(asked.split()[0], verdict) for _, asked, verdict in MATCHES if len(asked.split()) > 1}
    assert tried == {(name, verdict) for name in (*OPERATORS, ONE_OF, ALL_IN) for verdict in (True, False)}


def test_only_extra_specs_of_the_scope_are_about_aggregates() -> None:
    specs = {"aggregate_instance_extra_specs:ssd": "true", "quota:vif_kbps": "100", "ssd": "false"}
    assert specs_of(specs) == {"ssd": "true"}


@pytest.mark.parametrize(
    ("metadata", "verdict"),
    [
        ({}, "are in no aggregate that the flavor asks for"),
        ({"disk": "hdd"}, "are in no aggregate that the flavor asks for"),
        ({"disk": "ssd"}, None),
        ({"disk": "hdd, ssd"}, None),
    ],
)
def test_a_host_is_in_an_aggregate_that_the_flavor_asks_for(metadata: Mapping[str, str], verdict: str | None) -> None:
    host = node("host", aggregates=(Membership("other", {"cpu": "old"}), Membership("fast", metadata)))
    assert removed_by(host, ROOM, request(aggregate_specs={"disk": "ssd"})) == verdict


@pytest.mark.parametrize(
    ("project", "metadata", "verdict"),
    [
        ("a", {}, None),
        ("a", {"filter_tenant_id": "a"}, None),
        ("b", {"filter_tenant_id": "a,b"}, None),
        ("c", {"filter_tenant_id": "a,b"}, "are for other projects"),
    ],
)
def test_a_host_may_be_for_some_projects_only(project: str, metadata: Mapping[str, str], verdict: str | None) -> None:
    host = node("host", aggregates=(Membership("theirs", metadata),))
    assert removed_by(host, ROOM, request(project_id=project)) == verdict
