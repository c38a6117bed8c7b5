"""JSON-RPC, version 1 and version 2."""

from __future__ import annotations

import json
from typing import Any

import pytest

from contract_tests.made import Made
from contract_tests.refusals import DEAD
from contract_tests.target import Target

pytestmark = pytest.mark.requires("jsonrpc")


@pytest.fixture
def json_call(target: Target) -> Any:
    """Post a JSON-RPC request and decode the reply."""

    def post(**request: object) -> Any:
        reply = target.request("POST", "/jsonrpc", json.dumps(request).encode(), {"Content-Type": "application/json"})
        assert (reply.status, reply.headers["content-type"].partition(";")[0]) == (200, "application/json")
        return json.loads(reply.body)

    return post


@pytest.mark.rule("JSON-RPC 2")
def test_version_2_answers_its_result(json_call: Any, session: Any, xapi: Any) -> None:
    """Version 2 has no layer of Status and Value."""
    answer = json_call(jsonrpc="2.0", method="pool.get_all", params=[session.handle], id=7)
    assert answer == {"jsonrpc": "2.0", "result": xapi.pool.get_all(), "id": 7}


@pytest.mark.rule("JSON-RPC 2")
def test_version_2_names_the_error(json_call: Any, session: Any) -> None:
    """Version 2 puts the code in message and the parameters in data."""
    answer = json_call(jsonrpc="2.0", method="VM.get_uuid", params=[session.handle, DEAD], id="a")
    assert answer == {"jsonrpc": "2.0", "error": {"code": 1, "message": "HANDLE_INVALID", "data": ["VM", DEAD]}, "id": "a"}


@pytest.mark.rule("JSON-RPC 1")
def test_version_1_answers_result_and_null(json_call: Any, session: Any, xapi: Any) -> None:
    """Version 1 is what has no member "jsonrpc"."""
    answer = json_call(method="pool.get_all", params=[session.handle], id=3)
    assert answer == {"result": xapi.pool.get_all(), "error": None, "id": 3}


@pytest.mark.rule("JSON-RPC 1")
def test_version_1_lists_the_error(json_call: Any, session: Any) -> None:
    """Version 1 lists the code and the parameters."""
    answer = json_call(method="VM.get_uuid", params=[session.handle, DEAD], id=3)
    assert answer == {"result": None, "error": ["HANDLE_INVALID", "VM", DEAD], "id": 3}


@pytest.mark.rule("JSON-RPC values")
def test_values_have_json_types(json_call: Any, session: Any, dom0: str) -> None:
    """Integers and floats are numbers, booleans true and false, dates text, references text."""
    record = json_call(jsonrpc="2.0", method="VM.get_record", params=[session.handle, dom0], id=1)["result"]
    assert record["domid"] == 0
    assert record["VCPUs_max"] >= 1
    assert record["HVM_shadow_multiplier"] == 1
    assert record["is_control_domain"] is True
    assert record["snapshot_time"] == "19700101T00:00:00Z"
    assert record["suspend_VDI"] == "OpaqueRef:NULL"
    assert isinstance(record["other_config"], dict)
    assert isinstance(record["VBDs"], list)


@pytest.mark.rule("JSON-RPC values")
def test_void_is_empty_text(json_call: Any, session: Any, made: Made) -> None:
    """A call without a result answers ""."""
    answer = json_call(jsonrpc="2.0", method="VM.set_user_version", params=[session.handle, made.vm(), 5], id=1)
    assert answer == {"jsonrpc": "2.0", "result": "", "id": 1}


def test_both_wires_show_one_world(json_call: Any, session: Any, xapi: Any, made: Made) -> None:
    """What one protocol writes the other reads."""
    vm = made.vm()
    json_call(jsonrpc="2.0", method="VM.set_name_description", params=[session.handle, vm, "größer & <schöner>"], id=1)
    assert xapi.VM.get_name_description(vm) == "größer & <schöner>"


def test_a_login_over_json_is_a_session_for_both(json_call: Any, target: Target, client: Any) -> None:
    """A session is the server's, not the protocol's."""
    login = json_call(jsonrpc="2.0", method="session.login_with_password", params=[target.user, target.password], id=1)
    assert client.pool.get_all(login["result"])["Status"] == "Success"
    assert client.session.logout(login["result"])["Status"] == "Success"


def test_the_underscore_spelling_works_too(json_call: Any, session: Any, xapi: Any) -> None:
    """Class_method is taken over JSON as well."""
    assert json_call(jsonrpc="2.0", method="pool_get_all", params=[session.handle], id=1)["result"] == xapi.pool.get_all()


def test_methods_are_listed_without_a_session_over_json(json_call: Any) -> None:
    """system.listMethods is how clients find the classes."""
    assert "VM.get_all_records" in json_call(jsonrpc="2.0", method="system.listMethods", params=[], id=1)["result"]


@pytest.mark.rule("JSON-RPC malformed")
def test_malformed_json_is_no_call(target: Target, xapi: Any) -> None:
    """What is no JSON gets HTTP 500, and the server goes on."""
    assert target.request("POST", "/jsonrpc", b'{"jsonrpc": "2.0", ', {"Content-Type": "application/json"}).status == 500
    assert xapi.pool.get_all() != []
