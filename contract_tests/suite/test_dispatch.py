"""How a call is found and checked before anything is done: names, counts, types, references."""

from __future__ import annotations

import xmlrpc.client  # its Fault is how old releases refuse
from typing import Any

import pytest

from contract_tests.capabilities import Server
from contract_tests.made import PARAVIRTUAL, Made
from contract_tests.refusals import DEAD, description, refusal

NO_SESSION = "OpaqueRef:99999999-2222-3333-4444-555555555555"
NOBODY = "00000000-1111-2222-3333-444444444444"


@pytest.mark.rule("dispatch MESSAGE_METHOD_UNKNOWN")
def test_an_unknown_method_is_named(xapi: Any) -> None:
    """MESSAGE_METHOD_UNKNOWN [name]."""
    assert refusal(xapi.VM.frobnicate, DEAD) == ["MESSAGE_METHOD_UNKNOWN", "VM.frobnicate"]


@pytest.mark.rule("dispatch MESSAGE_METHOD_UNKNOWN")
def test_an_unknown_method_without_parameters_needs_no_session(client: Any) -> None:
    """Without any parameter there is no session to check."""
    assert description(client.frob.nicate()) == ["MESSAGE_METHOD_UNKNOWN", "frob.nicate"]


@pytest.mark.rule("dispatch unknown method, unknown session")
def test_an_unknown_method_with_an_unknown_session(client: Any, server: Server) -> None:
    """Newer releases look at the session first; those of 2012 at the name."""
    expected = server.as_of(boston=["MESSAGE_METHOD_UNKNOWN", "VM.frobnicate"], modern=["SESSION_INVALID", NO_SESSION])
    assert description(client.VM.frobnicate(NO_SESSION)) == expected


@pytest.mark.rule("dispatch spelling")
def test_method_names_are_case_sensitive(xapi: Any) -> None:
    """vm.get_all is not VM.get_all."""
    assert refusal(xapi.vm.get_all) == ["MESSAGE_METHOD_UNKNOWN", "vm.get_all"]


@pytest.mark.rule("dispatch no setter")
@pytest.mark.parametrize("setter", ["set_uuid", "set_domid", "set_VBDs", "add_to_current_operations"])
def test_a_field_that_the_server_keeps_has_no_setter(xapi: Any, halted: str, setter: str) -> None:
    """Setters exist for writable fields only."""
    assert refusal(getattr(xapi.VM, setter), halted, "1") == ["MESSAGE_METHOD_UNKNOWN", f"VM.{setter}"]


@pytest.mark.rule("dispatch MESSAGE_PARAMETER_COUNT_MISMATCH")
def test_too_few_parameters_are_counted(xapi: Any, halted: str) -> None:
    """MESSAGE_PARAMETER_COUNT_MISMATCH [name, expected, received], the session in neither number."""
    assert refusal(xapi.VM.start, halted) == ["MESSAGE_PARAMETER_COUNT_MISMATCH", "VM.start", "3", "1"]


@pytest.mark.rule("dispatch MESSAGE_PARAMETER_COUNT_MISMATCH")
def test_too_many_parameters_are_counted(xapi: Any, halted: str) -> None:
    """One too many is refused with both numbers."""
    assert refusal(xapi.VM.get_uuid, halted, "more") == ["MESSAGE_PARAMETER_COUNT_MISMATCH", "VM.get_uuid", "1", "2"]


@pytest.mark.rule("dispatch optional parameters")
def test_optional_parameters_are_not_expected(xapi: Any, halted: str) -> None:
    """The expected number is that of the required parameters."""
    assert refusal(xapi.VM.snapshot, halted, "a", [], "more") == ["MESSAGE_PARAMETER_COUNT_MISMATCH", "VM.snapshot", "2", "4"]


@pytest.mark.rule("dispatch order")
def test_the_count_is_checked_before_the_session(client: Any) -> None:
    """A wrong count with an unknown session is a wrong count."""
    assert description(client.VM.start(NO_SESSION, DEAD)) == ["MESSAGE_PARAMETER_COUNT_MISMATCH", "VM.start", "3", "1"]


@pytest.mark.rule("dispatch order")
def test_types_are_checked_before_the_session(client: Any, server: Server) -> None:
    """A wrong type with an unknown session is a wrong type."""
    code = server.as_of(boston="XMLRPC_UNMARSHAL_FAILURE", clearwater="INTERNAL_ERROR")
    assert description(client.VM.start(NO_SESSION, DEAD, "true", False))[0] == code


@pytest.mark.rule("wire bool", "dispatch wrong type")
def test_text_is_no_boolean(xapi: Any, server: Server, halted: str) -> None:
    """A boolean must be a boolean; the error shows what came instead."""
    details = refusal(xapi.VM.start, halted, "true", False)
    expected = server.as_of(boston="XMLRPC_UNMARSHAL_FAILURE", clearwater="INTERNAL_ERROR")
    assert details[0] == expected
    if server.era == "modern":
        assert details == ["INTERNAL_ERROR", "Failure(\"Expected bool, got 'S(true)'\")"]


@pytest.mark.rule("wire string", "dispatch wrong type")
def test_an_integer_is_no_text(xapi: Any, server: Server, halted: str) -> None:
    """A string parameter does not take an <int>."""
    details = refusal(xapi.VM.set_name_description, halted, 5)
    assert details[0] == server.as_of(boston="XMLRPC_UNMARSHAL_FAILURE", clearwater="INTERNAL_ERROR")
    if server.era == "modern":
        assert details == ["INTERNAL_ERROR", "Failure(\"Expected string, got 'I(5)'\")"]


@pytest.mark.rule("dispatch wrong type")
def test_letters_are_no_integer(xapi: Any, server: Server, halted: str) -> None:
    """An integer's text must be decimal."""
    details = refusal(xapi.VM.set_user_version, halted, "seven")
    assert details[0] == server.as_of(boston="XMLRPC_UNMARSHAL_FAILURE", clearwater="INTERNAL_ERROR")
    if server.era == "modern":
        assert details == ["INTERNAL_ERROR", 'Failure("Int64.of_string")']


@pytest.mark.rule("dispatch HANDLE_INVALID")
@pytest.mark.parametrize(
    "name", ["VM", "host", "SR", "VBD", "VDI", "VIF", "PBD", "PIF", "network", "pool", "task", "VM_metrics", "console"]
)
def test_a_dead_reference_is_named_with_its_class(xapi: Any, name: str) -> None:
    """HANDLE_INVALID [class, reference], the class as the model spells it."""
    assert refusal(getattr(xapi, name).get_record, DEAD) == ["HANDLE_INVALID", name, DEAD]


@pytest.mark.rule("dispatch ref of another class")
def test_a_reference_of_another_class_is_dead(xapi: Any, sr: str) -> None:
    """A live SR is no VM."""
    assert refusal(xapi.VM.get_record, sr) == ["HANDLE_INVALID", "VM", sr]


@pytest.mark.rule("dispatch HANDLE_INVALID")
def test_a_verb_on_a_dead_reference(xapi: Any) -> None:
    """Verbs refuse as accessors do."""
    assert refusal(xapi.VM.start, DEAD, False, False) == ["HANDLE_INVALID", "VM", DEAD]


@pytest.mark.rule("dispatch UUID_INVALID")
@pytest.mark.parametrize("name", ["VM", "host", "SR", "VDI", "network", "pool"])
def test_an_unknown_uuid_is_named_with_its_class(xapi: Any, name: str) -> None:
    """UUID_INVALID [class, uuid]."""
    assert refusal(getattr(xapi, name).get_by_uuid, NOBODY) == ["UUID_INVALID", name, NOBODY]


@pytest.mark.rule("dispatch get_by_name_label")
def test_an_unknown_name_is_nobody_s(xapi: Any, made: Made) -> None:
    """get_by_name_label answers an empty list."""
    assert xapi.VM.get_by_name_label(made.name()) == []


@pytest.mark.rule("dispatch MAP_DUPLICATE_KEY")
def test_a_key_is_added_once(xapi: Any, made: Made) -> None:
    """MAP_DUPLICATE_KEY [class, field, reference, key]."""
    vm = made.vm()
    xapi.VM.add_to_other_config(vm, "k", "1")
    assert refusal(xapi.VM.add_to_other_config, vm, "k", "2") == ["MAP_DUPLICATE_KEY", "VM", "other_config", vm, "k"]
    assert xapi.VM.get_other_config(vm)["k"] == "1"


@pytest.mark.rule("dispatch idempotent add and remove")
def test_removing_what_is_not_there_is_no_error(xapi: Any, made: Made) -> None:
    """Keys and members that are absent may be removed, members that are present may be added."""
    vm = made.vm()
    xapi.VM.remove_from_other_config(vm, "absent")
    xapi.VM.remove_tags(vm, "absent")
    xapi.VM.add_tags(vm, "twice")
    xapi.VM.add_tags(vm, "twice")
    assert xapi.VM.get_tags(vm) == ["twice"]


@pytest.mark.rule("wire no fault", "task of a getter")
def test_a_getter_has_no_async_form(xapi: Any, server: Server, halted: str) -> None:
    """Async exists for verbs; a getter under it is a Fault (before 6.2 one of XML-RPC)."""
    text = "No async mode for this operation (rpc: "
    if server.era in {"boston", "tampa"}:
        with pytest.raises(xmlrpc.client.Fault) as fault:
            xapi.Async.VM.get_record(halted)
        assert fault.value.faultCode == 0
        assert fault.value.faultString.startswith(text)
        return
    code, message = refusal(xapi.Async.VM.get_record, halted)
    assert code == "Fault"
    assert message.startswith(text)
    assert "VM.get_record" in message


@pytest.mark.rule("dispatch MESSAGE_DEPRECATED", "SR.make")
def test_a_verb_that_was_given_up_says_so(xapi: Any, host: str) -> None:
    """SR.make is still there and refuses with MESSAGE_DEPRECATED []."""
    assert refusal(xapi.SR.make, host, {}, "0", "a", "", "ext", "", {}) == ["MESSAGE_DEPRECATED"]


@pytest.mark.rule("dispatch required fields")
def test_a_record_must_have_what_is_required(xapi: Any, made: Made, server: Server) -> None:
    """A required field that is missing is named."""
    record = {**PARAVIRTUAL, "name_label": made.name(), "other_config": made.mark()}
    del record["PV_bootloader"]
    details = refusal(xapi.VM.create, record)
    assert details[0] == server.as_of(boston=details[0], modern="INTERNAL_ERROR")
    if server.era == "modern":
        assert 'Dispatcher_FieldNotFound("PV_bootloader")' in details[1]


@pytest.mark.rule("dispatch required fields")
def test_what_a_record_may_not_set_is_ignored(xapi: Any, made: Made) -> None:
    """Unknown keys and fields that the server keeps are dropped from a record given to create."""
    vm = made.vm(uuid=NOBODY, domid="77", power_state="Halted", frobnication="yes", allowed_operations=["start"], VBDs=[])
    record = xapi.VM.get_record(vm)
    assert record["uuid"] != NOBODY
    assert record["domid"] == "-1"
    assert "frobnication" not in record


@pytest.mark.rule("dispatch INVALID_VALUE of an enum")
def test_a_word_outside_an_enumeration_is_refused(xapi: Any, made: Made) -> None:
    """An enumeration takes its own words only, and the field stays as it was."""
    vm = made.vm()
    assert refusal(xapi.VM.set_actions_after_shutdown, vm, "frobnicate")[0] in {
        "INTERNAL_ERROR",
        "INVALID_VALUE",
        "XMLRPC_UNMARSHAL_FAILURE",
    }
    assert xapi.VM.get_actions_after_shutdown(vm) == "destroy"


@pytest.mark.rule("dispatch releases")
def test_a_message_of_a_later_release_does_not_exist(xapi: Any, server: Server, halted: str) -> None:
    """What the list of methods lacks is unknown, and what it has is known."""
    for name, params in (("call_plugin", ("guest-agent-operation", "x", {})), ("get_domain_type", ())):
        if not server.has(f"VM.{name}"):
            assert refusal(getattr(xapi.VM, name), halted, *params) == ["MESSAGE_METHOD_UNKNOWN", f"VM.{name}"]
    assert server.has("VM.get_domain_type") == ("domain_type" in xapi.VM.get_record(halted))


@pytest.mark.rule("dispatch MESSAGE_REMOVED")
def test_a_verb_that_was_removed_says_so(xapi: Any, server: Server) -> None:
    """MESSAGE_REMOVED [], before any reference is looked at: protection policies were given up."""
    if server.era != "modern":
        pytest.skip(f"{server.summary} has no removed-messages")
    assert refusal(xapi.VMPP.protect_now, DEAD) == ["MESSAGE_REMOVED"]
