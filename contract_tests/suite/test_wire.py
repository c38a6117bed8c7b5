"""The XML-RPC wire form."""

from __future__ import annotations

import re
from typing import Any

import pytest

from contract_tests.capabilities import Server
from contract_tests.made import Made
from contract_tests.refusals import DEAD
from contract_tests.target import Reply, Target, answer_of, call_body

REQUEST_LIMIT_BYTES = 300 * 1024


@pytest.fixture
def posted(target: Target, session: Any) -> Any:
    """Post a call with the session as its first parameter and give the reply as it came."""

    def post(method: str, *params: object, path: str = "/") -> Reply:
        return target.post_xml(call_body(method, session.handle, *params), path)

    return post


def value_of(reply: Reply) -> str:
    """The text between the tags of the member Value."""
    found = re.search(r"<name>Value</name><value>(.*)</value></member>", reply.text, re.DOTALL)
    assert found, reply.text
    return found.group(1)


@pytest.mark.rule("wire reply")
def test_a_reply_is_text_xml_with_status_200(posted: Any) -> None:
    """A success is HTTP 200 with content type text/xml."""
    reply = posted("pool.get_all")
    assert (reply.status, reply.headers["content-type"].partition(";")[0]) == (200, "text/xml")


@pytest.mark.rule("wire failure")
def test_a_failure_is_http_200_too(posted: Any) -> None:
    """A refusal travels in the reply's struct, never in the HTTP status."""
    reply = posted("VM.get_record", DEAD)
    assert reply.status == 200
    assert answer_of(reply) == {"Status": "Failure", "ErrorDescription": ["HANDLE_INVALID", "VM", DEAD]}


@pytest.mark.rule("wire reply")
def test_any_origin_may_read_a_reply(posted: Any) -> None:
    """Browsers' clients need Access-Control-Allow-Origin: *."""
    assert posted("pool.get_all").headers["access-control-allow-origin"] == "*"


def test_a_reply_has_no_white_space_between_tags(posted: Any) -> None:
    """Strict parsers take every child as a value: nothing but tags between tags."""
    body = re.sub(r"^<\?xml[^>]*\?>\s*", "", posted("pool.get_all_records").text.strip())
    assert body.startswith("<methodResponse>")
    assert re.findall(r">\s+<", body) == []


@pytest.mark.rule("wire string")
def test_text_travels_bare(posted: Any, host: str) -> None:
    """A string has no <string> tag around it."""
    assert "<string>" not in posted("host.get_record", host).text
    assert value_of(posted("host.get_name_label", host)).isprintable()


@pytest.mark.rule("wire int")
def test_an_integer_travels_as_text(posted: Any, host: str) -> None:
    """A 64-bit integer is its decimal text without a type."""
    assert re.fullmatch(r"\d+", value_of(posted("host.get_API_version_major", host)))


@pytest.mark.rule("wire bool")
def test_a_boolean_is_one_or_zero(posted: Any, dom0: str) -> None:
    """Booleans are <boolean>1</boolean> and <boolean>0</boolean>."""
    assert value_of(posted("VM.get_is_control_domain", dom0)) == "<boolean>1</boolean>"
    assert value_of(posted("VM.get_is_a_template", dom0)) == "<boolean>0</boolean>"


@pytest.mark.rule("wire float")
def test_a_float_is_a_double(posted: Any, dom0: str) -> None:
    """Floats are <double>."""
    assert value_of(posted("VM.get_HVM_shadow_multiplier", dom0)) == "<double>1</double>"


@pytest.mark.rule("wire datetime")
def test_what_never_happened_is_dated_1970(posted: Any, halted: str) -> None:
    """Dates are compact and in UTC; the first second of 1970 means never."""
    assert value_of(posted("VM.get_snapshot_time", halted)) == "<dateTime.iso8601>19700101T00:00:00Z</dateTime.iso8601>"


@pytest.mark.rule("wire void")
def test_void_is_an_empty_value(posted: Any, halted: str) -> None:
    """A call without a result answers with an empty string."""
    answer = answer_of(posted("VM.set_name_description", halted, "looked at"))
    assert answer == {"Status": "Success", "Value": ""}


@pytest.mark.parametrize("path", ["/", "/RPC2", "/xmlrpc"])
def test_every_path_of_a_client_is_served(posted: Any, path: str) -> None:
    """Clients post to /, /RPC2 or /xmlrpc."""
    answer = answer_of(posted("pool.get_all", path=path))
    assert answer["Status"] == "Success"


@pytest.mark.rule("dispatch spelling")
@pytest.mark.parametrize("spelling", ["VM.get_name_label", "VM_get_name_label"])
def test_a_method_has_two_spellings(posted: Any, xapi: Any, halted: str, spelling: str) -> None:
    """Class.method and Class_method are the same."""
    answer = answer_of(posted(spelling, halted))
    assert answer == {"Status": "Success", "Value": xapi.VM.get_name_label(halted)}


@pytest.mark.rule("wire listMethods")
def test_methods_are_listed_without_a_session(client: Any) -> None:
    """system.listMethods needs no session and answers a bare list."""
    methods = client.system.listMethods()
    assert isinstance(methods, list)
    assert {"VM.start", "VM.get_record", "session.login_with_password", "event.next"} <= set(methods)


@pytest.mark.rule("wire prolog")
def test_a_request_needs_no_prolog_and_no_string_tags(target: Target, session: Any, halted: str, xapi: Any) -> None:
    """The XML declaration is optional, and so is <string>."""
    params = "".join(f"<param><value>{text}</value></param>" for text in (session.handle, halted))
    body = f"<methodCall>\n <methodName>VM.get_uuid</methodName>\n <params>{params}</params>\n</methodCall>"
    answer = answer_of(target.post_xml(body))
    assert answer == {"Status": "Success", "Value": xapi.VM.get_uuid(halted)}


@pytest.mark.rule("wire string")
@pytest.mark.parametrize("text", ["a < b & c > d", 'quoted "twice"', "größer als 20 €", "日本語", "tab\tnew\nline", "  around  "])
def test_text_comes_back_as_it_was_given(xapi: Any, made: Made, text: str) -> None:
    """Markup, other alphabets and white space survive the way there and back."""
    vm = made.vm()
    xapi.VM.set_name_description(vm, text)
    xapi.VM.add_to_other_config(vm, "text", text)
    assert (xapi.VM.get_name_description(vm), xapi.VM.get_other_config(vm)["text"]) == (text, text)


@pytest.mark.rule("wire int")
@pytest.mark.parametrize(
    "form", ["<value>7</value>", "<value><string>7</string></value>", "<value><int>7</int></value>", "<value><i4>7</i4></value>"]
)
def test_an_integer_is_taken_in_every_form(target: Target, session: Any, xapi: Any, made: Made, form: str) -> None:
    """A 64-bit integer may come as text, as <int> or as <i4>."""
    vm = made.vm()
    params = f"<param><value>{session.handle}</value></param><param><value>{vm}</value></param><param>{form}</param>"
    body = f"<methodCall><methodName>VM.set_user_version</methodName><params>{params}</params></methodCall>"
    answer = answer_of(target.post_xml(body))
    assert answer == {"Status": "Success", "Value": ""}
    assert xapi.VM.get_user_version(vm) == "7"


@pytest.mark.rule("wire no fault", "wire malformed")
def test_malformed_xml_is_no_call(target: Target, server: Server, xapi: Any) -> None:
    """What is no XML gets an HTTP error (until 6.1 an XML-RPC fault), and the server goes on."""
    reply = target.post_xml("<methodCall><methodName>VM.get_all</methodName><params>")
    if server.era == "modern":
        assert reply.status == 500
    else:
        assert "<name>Status</name><value>Success</value>" not in reply.text
    assert xapi.pool.get_all() != []


@pytest.mark.rule("wire body limit")
def test_a_body_above_the_limit_is_no_call(target: Target, xapi: Any) -> None:
    """More than 300 KiB are refused by HTTP or by a closed connection, and the server goes on."""
    body = call_body("VM.get_by_name_label", DEAD, "x" * REQUEST_LIMIT_BYTES)
    try:
        reply = target.post_xml(body)
    except OSError:
        reply = None
    assert reply is None or reply.status >= 400
    assert xapi.pool.get_all() != []


def test_a_kept_connection_serves_many_calls(target: Target, session: Any) -> None:
    """HTTP/1.1 connections stay open from call to call."""
    body = call_body("pool.get_all", session.handle).encode()
    with target.connection() as connection:
        answers = set()
        for _ in range(3):
            connection.request("POST", "/", body, {"Content-Type": "text/xml"})
            answers.add(connection.getresponse().read())
            assert connection.sock is not None
    assert len(answers) == 1


def test_a_deeply_nested_request_harms_nothing(target: Target, session: Any, xapi: Any) -> None:
    """A thousand arrays in one another are refused or taken, and the server goes on."""
    depth = 1000
    nest = "<value><array><data>" * depth + "</data></array></value>" * depth
    body = f"<methodCall><methodName>VM.set_tags</methodName><params><param><value>{session.handle}</value></param>"
    reply = target.post_xml(f"{body}<param><value>{DEAD}</value></param><param>{nest}</param></params></methodCall>")
    assert "<name>Status</name><value>Success</value>" not in reply.text
    assert xapi.pool.get_all() != []


def test_a_request_that_breaks_off_harms_nothing(target: Target, xapi: Any) -> None:
    """A client that goes away in the middle of its request leaves nothing behind."""
    with target.connection() as connection:
        connection.putrequest("POST", "/")
        connection.putheader("Content-Length", "1000")
        connection.endheaders(b"<methodCall>")
    assert xapi.pool.get_all() != []


def test_a_client_may_close_the_connection(target: Target, session: Any) -> None:
    """Connection: close is honoured after the reply."""
    with target.connection() as connection:
        headers = {"Content-Type": "text/xml", "Connection": "close"}
        connection.request("POST", "/", call_body("pool.get_all", session.handle).encode(), headers)
        response = connection.getresponse()
        assert (response.status, response.will_close) == (200, True)
        assert b"OpaqueRef:" in response.read()


@pytest.mark.rule("wire OPTIONS")
def test_browsers_may_ask_first(target: Target) -> None:
    """OPTIONS is answered, for clients that run in a browser."""
    reply = target.request("OPTIONS", "/")
    assert reply.status == 200
    assert reply.headers["access-control-allow-origin"] == "*"
