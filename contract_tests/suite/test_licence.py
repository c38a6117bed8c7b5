"""Editions and licences: what a host says that it may, and what is refused. No test changes the edition."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from contract_tests.refusals import refusal


@pytest.fixture
def pool(xapi: Any) -> str:
    """The pool."""
    (one,) = xapi.pool.get_all()
    return str(one)


@pytest.mark.rule("licensing")
def test_a_licence_says_what_it_restricts(xapi: Any, host: str) -> None:
    """license_params: when it ends, and keys that say true or false of each feature."""
    params = xapi.host.get_license_params(host)
    keys = {key for key in params if key.startswith("restrict_")}
    assert {"restrict_pooling", "restrict_checkpoint", "restrict_dmc", "restrict_wlb"} <= keys
    assert {params[key] for key in keys} <= {"true", "false"}
    assert params["expiry"].endswith("Z")
    assert params["enable_xha"] in {"true", "false"}


@pytest.mark.rule("licensing")
def test_a_pool_says_what_its_hosts_restrict(xapi: Any, host: str, pool: str) -> None:
    """pool.restrictions: of a pool of one host the same as the host's licence."""
    if len(xapi.host.get_all()) > 1:
        pytest.skip("this pool has more than one host")
    restrictions, params = xapi.pool.get_restrictions(pool), xapi.host.get_license_params(host)
    shared = set(restrictions) & set(params)
    assert "restrict_pooling" in shared
    assert {key: restrictions[key] for key in shared} == {key: params[key] for key in shared}


@pytest.mark.requires("pool.get_license_state")
def test_the_state_of_a_pool_s_licence(xapi: Any, host: str, pool: str) -> None:
    """pool.get_license_state: an edition and when it ends."""
    state = xapi.pool.get_license_state(pool)
    assert set(state) == {"edition", "expiry"}
    assert state["expiry"] == "never" or state["expiry"].endswith("Z")
    if len(xapi.host.get_all()) == 1:
        assert state["edition"] == xapi.host.get_edition(host)


@pytest.mark.requires("host.get_editions")
def test_a_host_has_one_of_its_editions(xapi: Any, host: str) -> None:
    """host.edition is among host.editions."""
    assert xapi.host.get_edition(host) in xapi.host.get_editions(host)


@pytest.mark.rule("licensing")
@pytest.mark.requires("host.apply_edition")
def test_an_edition_that_is_none(xapi: Any, host: str) -> None:
    """INVALID_EDITION [edition]; the host keeps its own."""
    before = xapi.host.get_edition(host)
    assert refusal(xapi.host.apply_edition, host, "golden") == ["INVALID_EDITION", "golden"]
    assert xapi.host.get_edition(host) == before


@pytest.mark.requires("pool.apply_edition")
def test_an_edition_that_is_none_for_a_pool(xapi: Any, pool: str) -> None:
    """INVALID_EDITION [edition]."""
    assert refusal(xapi.pool.apply_edition, pool, "golden") == ["INVALID_EDITION", "golden"]


@pytest.mark.requires("host.license_add")
@pytest.mark.parametrize("contents", ["not base64!", base64.b64encode(b"no licence").decode()])
def test_a_file_that_is_no_licence(xapi: Any, host: str, contents: str) -> None:
    """LICENSE_PROCESSING_ERROR []."""
    assert refusal(xapi.host.license_add, host, contents) == ["LICENSE_PROCESSING_ERROR"]


@pytest.mark.requires("pool.retrieve_wlb_configuration")
@pytest.mark.parametrize("message", ["retrieve_wlb_configuration", "retrieve_wlb_recommendations"])
def test_balancing_that_was_not_set_up(xapi: Any, pool: str, message: str) -> None:
    """WLB_NOT_INITIALIZED [], or LICENCE_RESTRICTION [WLB] where the licence has none."""
    if xapi.pool.get_wlb_url(pool):
        pytest.skip("this pool is balanced")
    is_restricted = xapi.pool.get_restrictions(pool).get("restrict_wlb") == "true"
    assert refusal(getattr(xapi.pool, message)) == (["LICENCE_RESTRICTION", "WLB"] if is_restricted else ["WLB_NOT_INITIALIZED"])
