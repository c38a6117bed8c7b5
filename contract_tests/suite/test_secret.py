"""Secrets: texts that other objects name by their uuid."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from contract_tests.made import Made
from contract_tests.refusals import refusal


@pytest.fixture
def secret(xapi: Any, made: Made) -> str:
    """A secret of ours."""
    found: str = xapi.secret.create({"value": "a secret", "other_config": made.mark()})
    made.later(xapi.secret.destroy, found)
    return found


def test_a_secret_keeps_its_value(xapi: Any, made: Made, secret: str) -> None:
    """The record holds what was given."""
    record = xapi.secret.get_record(secret)
    assert (record["value"], record["other_config"]) == ("a secret", made.mark())
    assert xapi.secret.get_value(secret) == "a secret"
    assert xapi.secret.get_by_uuid(record["uuid"]) == secret


def test_a_value_may_be_another(xapi: Any, secret: str) -> None:
    """set_value replaces it."""
    xapi.secret.set_value(secret, "another")
    assert xapi.secret.get_value(secret) == "another"


def test_a_secret_is_listed(xapi: Any, secret: str) -> None:
    """get_all and get_all_records have it."""
    assert secret in xapi.secret.get_all()
    assert xapi.secret.get_all_records()[secret]["value"] == "a secret"


def test_a_destroyed_secret_is_gone(xapi: Any, secret: str) -> None:
    """HANDLE_INVALID ["secret", reference], UUID_INVALID ["secret", uuid]."""
    known = xapi.secret.get_uuid(secret)
    xapi.secret.destroy(secret)
    assert refusal(xapi.secret.get_value, secret) == ["HANDLE_INVALID", "secret", secret]
    assert refusal(xapi.secret.get_by_uuid, known) == ["UUID_INVALID", "secret", known]


def test_a_secret_may_be_introduced_with_its_uuid(xapi: Any, made: Made) -> None:
    """What another pool called it, it is called here."""
    known = str(uuid.uuid4())
    found = xapi.secret.introduce(known, "a secret", made.mark())
    made.later(xapi.secret.destroy, found)
    assert (xapi.secret.get_uuid(found), xapi.secret.get_value(found)) == (known, "a secret")


def test_notes_are_put_on_secrets_as_on_anything(xapi: Any, secret: str) -> None:
    """add_to_other_config and remove_from_other_config."""
    xapi.secret.add_to_other_config(secret, "note", "a")
    assert xapi.secret.get_other_config(secret)["note"] == "a"
    xapi.secret.remove_from_other_config(secret, "note")
    assert "note" not in xapi.secret.get_other_config(secret)
