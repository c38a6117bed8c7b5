"""The way of a call: what is refused, in which words, and in which order."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fake_xapi.engine.kit import Kit, over_xapi

NULL_REF = "OpaqueRef:NULL"


def _refusal(method: str, *params: Any, release: str = "latest") -> list[str]:
    async def body(kit: Kit) -> list[str]:
        vm = kit.make("VM", name_label="web")
        sr = kit.make("SR")
        known = {"SESSION": kit.session, "VM": vm, "SR": sr}
        return await kit.raw_refused(method, *(known.get(param, param) if isinstance(param, str) else param for param in params))

    return over_xapi(body, release)


@pytest.mark.parametrize(
    ("call", "refusal"),
    [
        (("VM.nonsense",), ["MESSAGE_METHOD_UNKNOWN", "VM.nonsense"]),
        (("VM.nonsense", "no session"), ["SESSION_INVALID", "no session"]),
        (("VM.nonsense", "SESSION"), ["MESSAGE_METHOD_UNKNOWN", "VM.nonsense"]),
        (("VM.set_power_state", "SESSION", "VM", "Running"), ["MESSAGE_METHOD_UNKNOWN", "VM.set_power_state"]),
        (("vm.get_power_state", "SESSION", "VM"), ["MESSAGE_METHOD_UNKNOWN", "vm.get_power_state"]),
        (("VM.get_power_state", "SESSION"), ["MESSAGE_PARAMETER_COUNT_MISMATCH", "VM.get_power_state", "1", "0"]),
        (("VM_get_power_state", "SESSION", "VM", "x"), ["MESSAGE_PARAMETER_COUNT_MISMATCH", "VM_get_power_state", "1", "2"]),
        (("VM.get_power_state",), ["MESSAGE_PARAMETER_COUNT_MISMATCH", "VM.get_power_state", "1", "0"]),
        (("VM.get_power_state", "no session", "VM"), ["SESSION_INVALID", "no session"]),
        (("VM.get_power_state", "SESSION", "OpaqueRef:dead"), ["HANDLE_INVALID", "VM", "OpaqueRef:dead"]),
        (("VM.get_power_state", "SESSION", NULL_REF), ["HANDLE_INVALID", "VM", NULL_REF]),
        (("VM.get_by_uuid", "SESSION", "nonsense"), ["UUID_INVALID", "VM", "nonsense"]),
        (("VM.set_name_label", "SESSION", "VM", 5), ["INTERNAL_ERROR", "Failure(\"Expected string, got 'I(5)'\")"]),
        (("VM.set_is_a_template", "SESSION", "VM", "true"), ["INTERNAL_ERROR", "Failure(\"Expected bool, got 'S(true)'\")"]),
        (("VM.set_user_version", "SESSION", "VM", "five"), ["INTERNAL_ERROR", 'Failure("Int64.of_string")']),
        (("VM.set_tags", "SESSION", "VM", {"a": "b"}), ["INTERNAL_ERROR", "Failure(\"Expected list, got '{a:S(b)}'\")"]),
        (("VM.set_tags", "no session", "VM", {"a": "b"}), ["INTERNAL_ERROR", "Failure(\"Expected list, got '{a:S(b)}'\")"]),
        (("Async.VM.get_power_state", "SESSION", "VM"), ["Fault", "No async mode for this operation (rpc: VM.get_power_state)"]),
        (("Async.VM.start", "SESSION", "VM"), ["MESSAGE_PARAMETER_COUNT_MISMATCH", "Async.VM.start", "3", "1"]),
        (("VM.get_all_records_where", "SESSION", 'field "name__label" ='), ["INVALID_VALUE", 'field "name__label" =', "unexpected end"]),
        (("SR.make", "SESSION"), ["MESSAGE_PARAMETER_COUNT_MISMATCH", "SR.make", "7", "0"]),
    ],
)
def test_what_is_wrong_with_a_call_is_said_in_xapis_words(call: tuple[Any, ...], refusal: list[str]) -> None:
    assert _refusal(*call) == refusal


def test_a_ref_of_another_class_is_a_dead_one() -> None:
    async def body(kit: Kit) -> None:
        sr = kit.make("SR")
        assert await kit.refused("VM.get_power_state", sr) == ["HANDLE_INVALID", "VM", sr]

    over_xapi(body)


def test_of_2011_a_wrong_type_is_an_unmarshal_failure_and_an_unknown_name_asks_for_no_session() -> None:
    failure = "XMLRPC_UNMARSHAL_FAILURE"
    as_int, as_text = "<value><int>5</int></value>", "<value>true</value>"
    assert _refusal("VM.set_name_label", "SESSION", "VM", 5, release="tampa") == [failure, "string", as_int]
    assert _refusal("VM.set_is_a_template", "SESSION", "VM", "true", release="tampa") == [failure, "bool", as_text]
    assert _refusal("VM.nonsense", "no session", release="tampa") == ["MESSAGE_METHOD_UNKNOWN", "VM.nonsense"]


def test_a_field_that_a_release_lacks_has_no_messages_there() -> None:
    assert _refusal("VM.get_domain_type", "SESSION", "VM", release="clearwater") == ["MESSAGE_METHOD_UNKNOWN", "VM.get_domain_type"]


def test_parameters_may_be_left_out_from_the_right() -> None:
    async def body(kit: Kit) -> None:
        for params in (("root", "xenroot"), ("root", "xenroot", "1.0"), ("root", "xenroot", "1.0", "me")):
            assert (await kit.raw("session.login_with_password", *params)).startswith("OpaqueRef:")

    over_xapi(body)


def test_setting_a_field_changes_it_and_adding_a_present_key_is_refused() -> None:
    async def body(kit: Kit) -> None:
        vm = kit.make("VM")
        assert await kit.call("VM.set_name_label", vm, "web") == ""
        assert await kit.call("VM.get_name_label", vm) == "web"
        assert await kit.call("VM.add_to_other_config", vm, "k", "v") == ""
        assert await kit.refused("VM.add_to_other_config", vm, "k", "v") == ["MAP_DUPLICATE_KEY", "VM", "other_config", vm, "k"]
        assert await kit.call("VM.remove_from_other_config", vm, "absent") == ""
        assert await kit.call("VM.get_other_config", vm) == {"k": "v"}
        assert [await kit.call("VM.add_tags", vm, "red") for _ in range(2)] == ["", ""]
        assert await kit.call("VM.get_tags", vm) == ["red"]
        assert await kit.call("VM.remove_tags", vm, "blue") == ""

    over_xapi(body)


def test_a_record_has_the_fields_of_the_release_in_order() -> None:
    async def body(kit: Kit) -> None:
        vm = kit.make("VM", name_label="web")
        record = (await kit.call("VM.get_record", vm)).value()
        fields = [field.name for field in kit.world.personality.classes["VM"].fields if not field.is_internal]
        assert [name for name in fields if name in record] == list(record)
        assert (record["name_label"], record["uuid"], record["resident_on"]) == ("web", await kit.call("VM.get_uuid", vm), NULL_REF)

    over_xapi(body)
    over_xapi(body, "clearwater")


def test_list_methods_needs_no_session_and_names_each_message_once() -> None:
    async def body(kit: Kit) -> None:
        names = await kit.raw("system.listMethods")
        assert len(names) == len(set(names)) == 2258
        assert "VM.get_all_records" in names

    over_xapi(body)


def test_is_alive_gives_back_what_it_was_given() -> None:
    async def body(kit: Kit) -> None:
        assert await kit.raw("system.isAlive:x", "hello") == "hello"

    over_xapi(body)


def test_a_read_only_field_in_a_create_record_is_ignored() -> None:
    async def body(kit: Kit) -> None:
        ref = await kit.call("secret.create", {"value": "s", "uuid": "forced", "other_config": {}})
        assert await kit.call("secret.get_uuid", ref) != "forced"
        assert await kit.refused("secret.create", {"other_config": {}}) == ["INTERNAL_ERROR", 'Dispatcher_FieldNotFound("value")']
        assert await kit.refused("secret.create", "text") == ["INTERNAL_ERROR", 'Failure("bad __structure S(text)")']

    over_xapi(body)


def test_a_value_nested_without_end_is_refused_like_any_other_of_the_wrong_type() -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    code, said = _refusal("VM.set_name_label", "SESSION", "VM", deep)
    assert (code, said.startswith("Failure(\"Expected string, got '[[["), len(said) < 200) == ("INTERNAL_ERROR", True, True)
