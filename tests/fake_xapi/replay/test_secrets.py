"""Nothing that lets anybody in is left in what is recorded; everything else is left as it was."""

from __future__ import annotations

from typing import Any

import pytest

from fake_xapi.replay.secrets import HIDDEN, STAND_IN, Scrubber, has_session, is_secret

SESSION = "OpaqueRef:11111111-2222-4333-8444-555555555555"
UUID = "12345678-1234-4234-8234-123456789abc"
KEPT = [
    ("VM.set_name_label", [SESSION, "OpaqueRef:1", "password reset VM"]),
    ("event.from", [SESSION, ["*"], "00012,34", 30.0]),
    ("Async.VM.start", [SESSION, "OpaqueRef:1", False, True]),
    ("SR.create", [SESSION, "OpaqueRef:1", {"target": "10.0.0.1", "chapuser": "joe", "password_secret": UUID}, "0"]),
    ("host.call_plugin", [SESSION, "OpaqueRef:1", "echo", "main", {"text": "hello"}]),
]
HIDING: list[tuple[str, list[Any], list[Any] | None]] = [
    ("session.login_with_password", ["root", "hush"], ["root", HIDDEN]),
    ("session.login_with_pasword", ["root", "hush"], [HIDDEN, HIDDEN]),
    ("sesion.login", ["root", "hush", {"x": 1}], [HIDDEN, HIDDEN, HIDDEN]),
    ("session.slave_login", ["OpaqueRef:1", "a/b/c"], ["OpaqueRef:1", HIDDEN]),
    ("session.change_password", [SESSION, "old", "new"], [HIDDEN, HIDDEN]),
    ("Async.pool.join", [SESSION, "10.0.0.1", "root", "hush"], ["10.0.0.1", "root", HIDDEN]),
    ("secret.create", [SESSION, {"value": "hush", "other_config": {}}], [{"value": HIDDEN, "other_config": {}}]),
    ("secret.set_value", [SESSION, "OpaqueRef:1", "hush"], ["OpaqueRef:1", HIDDEN]),
    ("SR.create", [SESSION, {"chappassword": "hush", "incoming_chappassword": "x"}],
     [{"chappassword": HIDDEN, "incoming_chappassword": HIDDEN}]),
    ("host.install_server_certificate", [SESSION, "OpaqueRef:1", "cert", "key", ""], ["OpaqueRef:1", "cert", HIDDEN, ""]),
    ("pool.enable_external_auth", [SESSION, "OpaqueRef:1", {"user": "joe", "pass": "hush"}, "d", "AD"],
     ["OpaqueRef:1", {"user": "joe", "pass": HIDDEN}, "d", "AD"]),
    ("VM.add_to_xenstore_data", [SESSION, "OpaqueRef:1", "vm-data/user", "joe"], ["OpaqueRef:1", "vm-data/user", "joe"]),
    ("VM.set_xenstore_data", [SESSION, "OpaqueRef:1", {"vm-data/password": "hush"}], ["OpaqueRef:1", {"vm-data/password": HIDDEN}]),
    ("host.call_plugin", [SESSION, "OpaqueRef:1", "glance", "upload", {"params": "(dp0 S'auth_token' S'hush' s."}],
     ["OpaqueRef:1", "glance", "upload", {"params": HIDDEN}]),
    ("VM.migrate_send", [SESSION, "OpaqueRef:1", {"SM": f"http://h/services/SM?session_id={SESSION}", "session_id": SESSION}],
     ["OpaqueRef:1", {"SM": f"http://h/services/SM?session_id={HIDDEN}", "session_id": HIDDEN}]),
    ("VM.recover", [SESSION, "OpaqueRef:1", "OpaqueRef:other", True], None),
]  # fmt: skip


@pytest.mark.parametrize(("method", "params"), KEPT)
def test_what_is_no_secret_is_kept(method: str, params: list[Any]) -> None:
    assert Scrubber().params(method, params) == params[1:]


@pytest.mark.parametrize(("method", "params", "expected"), HIDING)
def test_what_a_caller_tells_in_secret_is_hidden(method: str, params: list[Any], expected: list[Any] | None) -> None:
    found = Scrubber().params(method, params)
    if expected is None:
        assert found == ["OpaqueRef:1", Scrubber().stand_in("OpaqueRef:other"), True]
    else:
        assert found == expected


def test_one_key_of_a_map_is_hidden_by_its_name() -> None:
    assert Scrubber().params("VM.add_to_xenstore_data", [SESSION, "OpaqueRef:1", "vm-data/password", "hush"])[2] == HIDDEN


def test_a_session_has_one_stand_in_wherever_it_occurs() -> None:
    scrubber = Scrubber()
    known = scrubber.result("session.login_with_password", SESSION)
    assert known.startswith(STAND_IN)
    assert "2222" not in known
    assert scrubber.session_of("VM.get_all", [SESSION]) == known
    assert scrubber.params("session.get_uuid", [SESSION, SESSION]) == [known]
    assert scrubber.value("VM.get_all", ["SESSION_INVALID", SESSION]) == ["SESSION_INVALID", known]
    assert scrubber.value("x.y", f"http://h/export?session_id={SESSION}&a=1") == f"http://h/export?session_id={known}&a=1"


@pytest.mark.parametrize(
    ("message", "answer", "expected"),
    [
        ("secret.get_value", "hush", HIDDEN),
        ("secret.get_all_records", {"OpaqueRef:1": {"uuid": UUID, "value": "hush"}}, {"OpaqueRef:1": {"uuid": UUID, "value": HIDDEN}}),
        ("event.from", {"events": [{"class": "secret", "snapshot": {"value": "hush"}}], "token": "7"},
         {"events": [{"class": "secret", "snapshot": {"value": HIDDEN}}], "token": "7"}),
        ("PBD.get_all_records", {"OpaqueRef:1": {"device_config": {"chappassword": "hush", "target": "t"}}},
         {"OpaqueRef:1": {"device_config": {"chappassword": HIDDEN, "target": "t"}}}),
        ("SM.get_all_records", {"OpaqueRef:1": {"configuration": {"chappassword": "the password"}}},
         {"OpaqueRef:1": {"configuration": {"chappassword": "the password"}}}),
        ("host.get_license_params", {"restrict_pool_secret_rotation": "false"}, {"restrict_pool_secret_rotation": "false"}),
        ("task.get_result", "<value><struct><member><name>session_id</name><value>hush</value></member></struct></value>",
         f"<value><struct><member><name>session_id</name><value>{HIDDEN}</value></member></struct></value>"),
        ("host.call_plugin", '{"returncode": "0", "password": "hush"}', HIDDEN),
        ("host.migrate_receive", {"session_id": "OpaqueRef:2", "host": "OpaqueRef:3"}, {"session_id": HIDDEN, "host": "OpaqueRef:3"}),
    ],
)  # fmt: skip
def test_what_a_server_tells_in_secret_is_hidden(message: str, answer: Any, expected: Any) -> None:
    assert Scrubber().result(message, answer) == expected


@pytest.mark.parametrize(
    ("key", "value", "secret"),
    [
        ("password", "hush", True),
        ("password", "", False),
        ("wlb_password", "OpaqueRef:1", False),
        ("password_secret", UUID, False),
        ("password", UUID, True),
        ("session_id", "OpaqueRef:1", True),
        ("chapuser", "joe", False),
        ("cluster_token", "hush", True),
        ("token_timeout", "1.0", False),
        ("restrict_pool_secret_rotation", "true", False),
    ],
)
def test_a_key_tells_whether_its_value_is_secret(key: str, value: str, secret: bool) -> None:
    assert is_secret(key, value) is secret


@pytest.mark.parametrize(
    ("method", "params", "expected"),
    [
        ("VM.get_all", [SESSION], True),
        ("Async.VM.start", [SESSION, "x", False, False], True),
        ("VM_get_all", [SESSION], True),
        ("session.login_with_password", ["root", "p"], False),
        ("session.logout", [SESSION], True),
        ("system.listMethods", [], False),
        ("unknown.message", ["OpaqueRef:1"], True),
        ("unknown.message", ["text"], False),
    ],
)
def test_a_call_has_a_session_or_none(method: str, params: list[Any], expected: bool) -> None:
    assert has_session(method, params) is expected
