"""External authentication where none is set up: who asks hears so (semantics 2)."""

from __future__ import annotations

from typing import Any

import pytest

from contract_tests.capabilities import Server
from contract_tests.refusals import refusal

NOBODY = "S-1-5-21-0-0-0-1000"


@pytest.fixture(autouse=True)
def _disabled(xapi: Any, host: str) -> None:
    """These tests leave a domain alone that a host has joined."""
    if xapi.host.get_external_auth_type(host):
        pytest.skip("the host has joined a domain")


@pytest.mark.parametrize(
    ("message", "param"),
    [("get_subject_identifier", "nobody"), ("get_subject_information_from_identifier", NOBODY), ("get_group_membership", NOBODY)],
)
def test_without_a_directory_there_is_nobody_to_ask(xapi: Any, message: str, param: str) -> None:
    """AUTH_IS_DISABLED []."""
    assert refusal(getattr(xapi.auth, message), param) == ["AUTH_IS_DISABLED"]


def test_a_host_that_has_joined_nothing_says_so(xapi: Any, host: str) -> None:
    """Type and service are empty, and there is no configuration."""
    record = xapi.host.get_record(host)
    assert (record["external_auth_type"], record["external_auth_service_name"], record["external_auth_configuration"]) == ("", "", {})


@pytest.mark.parametrize("kind", ["", "nonsense"])
def test_an_unknown_kind_of_directory_is_refused(xapi: Any, host: str, kind: str) -> None:
    """AUTH_UNKNOWN_TYPE [type], and nothing has changed."""
    assert refusal(xapi.host.enable_external_auth, host, {}, "example.com", kind) == ["AUTH_UNKNOWN_TYPE", kind]
    assert xapi.host.get_external_auth_type(host) == ""


def test_leaving_what_was_never_joined_is_no_error(xapi: Any, host: str) -> None:
    """Disabling twice is the same as once."""
    xapi.host.disable_external_auth(host, {})
    xapi.pool.disable_external_auth(xapi.pool.get_all()[0], {})
    assert xapi.host.get_external_auth_type(host) == ""


@pytest.mark.rule("session of subjects")
def test_nobody_of_a_directory_is_logged_in(xapi: Any, session: Any) -> None:
    """get_all_subject_identifiers is empty, and logging nobody out is no error."""
    assert xapi.session.get_all_subject_identifiers() == []
    xapi.session.logout_subject_identifier(NOBODY)
    assert xapi.session.get_uuid(session.handle)


def test_a_subject_needs_a_directory_that_knows_it(xapi: Any, server: Server) -> None:
    """AUTH_IS_DISABLED [] of today's releases; those of 2012 take down what they are told."""
    record = {"subject_identifier": NOBODY, "other_config": {"subject-name": "nobody"}}
    if server.era == "modern":
        assert refusal(xapi.subject.create, record) == ["AUTH_IS_DISABLED"]
        return
    subject = xapi.subject.create(record)
    try:
        assert refusal(xapi.subject.create, record) == ["SUBJECT_ALREADY_EXISTS"]
        assert xapi.subject.get_subject_identifier(subject) == NOBODY
    finally:
        xapi.subject.destroy(subject)


@pytest.mark.requires("pool.external_auth_set_ldaps")
def test_ldaps_is_for_those_who_have_joined(xapi: Any, host: str) -> None:
    """AUTH_IS_DISABLED []."""
    assert refusal(xapi.host.external_auth_set_ldaps, host, True) == ["AUTH_IS_DISABLED"]
