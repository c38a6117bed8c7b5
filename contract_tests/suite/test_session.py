"""Sessions: log in, log out, and who may call."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest

from contract_tests.made import Made
from contract_tests.refusals import NULL, description, refusal
from contract_tests.target import Target
from contract_tests.waiting import until

UNKNOWN = "OpaqueRef:11111111-2222-3333-4444-555555555555"


def login(client: Any, *params: str) -> str:
    """Log in without the official client's own memory of it."""
    answer = client.session.login_with_password(*params)
    assert answer["Status"] == "Success", answer
    return str(answer["Value"])


@pytest.mark.rule("session ref")
def test_a_session_reference_is_opaque(session: Any, xapi: Any) -> None:
    """The reference is a secret that the uuid does not tell."""
    assert re.fullmatch(r"OpaqueRef:[0-9a-f-]{36}", session.handle)
    assert xapi.session.get_uuid(session.handle) not in session.handle


@pytest.mark.rule("session.login as root", "session record")
def test_a_local_superuser_s_session(session: Any, xapi: Any, host: str) -> None:
    """A session of the host's own root: no user object, no subject, no parent."""
    record = xapi.session.get_record(session.handle)
    facts = {name: record[name] for name in ("this_host", "this_user", "is_local_superuser", "pool", "auth_user_sid", "parent", "subject")}
    assert facts == {
        "this_host": host,
        "this_user": NULL,
        "is_local_superuser": True,
        "pool": False,
        "auth_user_sid": "",
        "parent": NULL,
        "subject": NULL,
    }


@pytest.mark.rule("session.login parameters")
@pytest.mark.parametrize("more", [(), ("1.0",)])
def test_a_login_takes_two_or_three_parameters(client: Any, target: Target, more: tuple[str, ...]) -> None:
    """The client's API version may be given or left out."""
    reference = login(client, target.user, target.password, *more)
    assert client.session.logout(reference) == {"Status": "Success", "Value": ""}


@pytest.mark.rule("session.login parameters")
@pytest.mark.requires("session.get_originator")
def test_a_login_may_name_its_program(client: Any, target: Target) -> None:
    """The fourth parameter is kept as the session's originator."""
    reference = login(client, target.user, target.password, "1.0", "contract tests")
    assert client.session.get_originator(reference, reference)["Value"] == "contract tests"
    client.session.logout(reference)


@pytest.mark.rule("session.login SESSION_AUTHENTICATION_FAILED")
def test_a_wrong_password_is_refused(client: Any, target: Target) -> None:
    """SESSION_AUTHENTICATION_FAILED names the user."""
    details = description(client.session.login_with_password(target.user, "not " + target.password))
    assert details[:2] == ["SESSION_AUTHENTICATION_FAILED", target.user]
    assert len(details) == 3


@pytest.mark.rule("session.logout")
def test_every_login_is_a_session_of_its_own(client: Any, target: Target) -> None:
    """Logging out of one session leaves the other."""
    first, second = login(client, target.user, target.password), login(client, target.user, target.password)
    assert first != second
    client.session.logout(first)
    assert description(client.pool.get_all(first)) == ["SESSION_INVALID", first]
    assert client.pool.get_all(second)["Status"] == "Success"
    client.session.logout(second)


@pytest.mark.rule("session.logout")
def test_a_session_that_was_logged_out_is_invalid(client: Any, target: Target) -> None:
    """Every call with it answers SESSION_INVALID [session], the logout too."""
    reference = login(client, target.user, target.password)
    client.session.logout(reference)
    assert description(client.VM.get_all(reference)) == ["SESSION_INVALID", reference]
    assert description(client.session.logout(reference)) == ["SESSION_INVALID", reference]


@pytest.mark.rule("SESSION_INVALID")
def test_a_session_that_never_was_is_invalid(client: Any) -> None:
    """An unknown reference gets SESSION_INVALID [session]."""
    assert description(client.VM.get_all(UNKNOWN)) == ["SESSION_INVALID", UNKNOWN]


@pytest.mark.rule("SESSION_INVALID")
def test_the_official_client_logs_in_again(other: Any) -> None:
    """SESSION_INVALID is what makes the official client renew its session."""
    lost = other.handle
    other.session.logout(lost)
    assert other.xenapi.pool.get_all() != []
    assert other.handle != lost
    other.session.logout(other.handle)


@pytest.mark.rule("session.slave_local_login_with_password")
def test_a_local_session_needs_no_pool(client: Any, target: Target) -> None:
    """slave_local_login_with_password opens a session of this host alone; local_logout ends it."""
    answer = client.session.slave_local_login_with_password(target.user, target.password)
    assert answer["Status"] == "Success", answer
    assert client.session.local_logout(answer["Value"]) == {"Status": "Success", "Value": ""}


def test_sessions_are_not_listed(xapi: Any) -> None:
    """Nobody may list the sessions of others: there is no session.get_all."""
    assert refusal(xapi.session.get_all) == ["MESSAGE_METHOD_UNKNOWN", "session.get_all"]


@pytest.mark.rule("pool-internal message")
def test_calls_between_hosts_are_not_for_clients(xapi: Any, halted: str) -> None:
    """A message of hosts to one another is refused to a client's session."""
    text = 'Internal API "VM.hard_reboot_internal" call attempted with non-pool (external) session'
    assert refusal(xapi.VM.hard_reboot_internal, halted) == ["INTERNAL_ERROR", text]


@pytest.mark.rule("session record")
def test_a_session_carries_other_config(xapi: Any, session: Any) -> None:
    """A client may note things on its session."""
    xapi.session.add_to_other_config(session.handle, "note", "a")
    assert xapi.session.get_other_config(session.handle)["note"] == "a"
    xapi.session.remove_from_other_config(session.handle, "note")
    assert "note" not in xapi.session.get_other_config(session.handle)


@pytest.mark.rule("session.slave_local_login_with_password")
def test_a_local_session_is_in_no_database(client: Any, target: Target) -> None:
    """Its own record is not there: HANDLE_INVALID ["session", reference]."""
    local = client.session.slave_local_login_with_password(target.user, target.password)["Value"]
    assert description(client.session.get_uuid(local, local)) == ["HANDLE_INVALID", "session", local]
    client.session.local_logout(local)
    assert description(client.pool.get_all(local)) == ["SESSION_INVALID", local]


@pytest.mark.rule("session.slave_login")
def test_hosts_prove_that_they_belong_to_the_pool(client: Any, host: str) -> None:
    """SESSION_AUTHENTICATION_FAILED [host or "localhost", message] without the pool's secret."""
    assert description(client.session.slave_login(host, "no secret"))[:2] == ["SESSION_AUTHENTICATION_FAILED", host]
    assert description(client.session.slave_local_login("no secret"))[:2] == ["SESSION_AUTHENTICATION_FAILED", "localhost"]


@pytest.mark.rule("session ref")
def test_nothing_else_opens_the_door(xapi: Any, session: Any, client: Any, host: str, made: Made) -> None:
    """Neither the session's uuid nor the reference of any other object, and nothing that is nearly the reference."""
    uuid, own = xapi.session.get_uuid(session.handle), session.handle
    for guess in (uuid, f"OpaqueRef:{uuid}", host, made.task(), NULL, "", own[:-1], f"{own}0", own.upper(), own.removeprefix("OpaqueRef:")):
        assert description(client.pool.get_all(guess)) == ["SESSION_INVALID", guess]


@pytest.mark.rule("session.logout ends waits", "event.from SESSION_INVALID")
def test_logging_out_ends_a_wait_for_events(target: Target, client: Any) -> None:
    """A blocked event.from of a session that is logged out gets SESSION_INVALID [session] long before its timeout."""
    reference = login(client, target.user, target.password)
    token = getattr(client.event, "from")(reference, ["SR"], "", 0.0)["Value"]["token"]
    answers: list[dict[str, Any]] = []
    waiting = threading.Event()

    def wait() -> None:
        with target.dialled() as blocked:
            waiting.set()
            answers.append(blocked.event_from(reference, ["crashdump"], token, 60.0))

    thread = threading.Thread(target=wait)
    thread.start()
    waiting.wait()
    until(lambda: client.session.logout(reference)["Status"] == "Success", "the logout")
    thread.join(30)
    assert not thread.is_alive()
    assert [description(answer) for answer in answers] == [["SESSION_INVALID", reference]]


@pytest.mark.rule("session.change_password")
def test_a_password_is_changed_by_who_knows_it(xapi: Any, target: Target) -> None:
    """A local superuser sets the password, here to what it was: it still opens the door."""
    assert xapi.session.change_password(target.password, target.password) == ""
    with target.session() as again:
        assert again.xenapi.session.get_is_local_superuser(again.handle) is True
