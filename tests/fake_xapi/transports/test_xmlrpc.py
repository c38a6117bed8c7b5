"""XML-RPC: the wire form to the byte, and what is no call."""

from __future__ import annotations

import math
import xmlrpc.client
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.wire import DateTime, Int32, xml_value
from fake_xapi.datamodel.xml_values import MAX_DEPTH, MalformedXml
from fake_xapi.transports.ports import Refusal, Request
from fake_xapi.transports.xml_read import read_call
from fake_xapi.transports.xmlrpc import JSON_PATH_CODECS, XML_CODECS

ASKED = Request("VM.get_power_state", [])
MODERN, CLEARWATER, TAMPA = XML_CODECS["modern"], XML_CODECS["clearwater"], XML_CODECS["tampa"]


def call(params: str, method: str = "VM.start") -> bytes:
    return f"<methodCall><methodName>{method}</methodName><params>{params}</params></methodCall>".encode()


def params_of(*values: str) -> list[Any]:
    return read_call(call("".join(f"<param><value>{value}</value></param>" for value in values)))[1]


# ---- answers ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Running", "<value>Running</value>"),
        ("", "<value/>"),
        ('a<b>&"c"', "<value>a&lt;b&gt;&amp;&quot;c&quot;</value>"),
        ("tab\tline\n\x00\x1bend", "<value>tab\tline\nend</value>"),
        ("Zürich", "<value>Zürich</value>"),
        (42, "<value>42</value>"),
        (-1, "<value>-1</value>"),
        (Int32(7), "<value><i4>7</i4></value>"),
        (True, "<value><boolean>1</boolean></value>"),
        (False, "<value><boolean>0</boolean></value>"),
        (0.1, "<value><double>0.1</double></value>"),
        (1 / 3, "<value><double>0.3333333333333333</double></value>"),
        (DateTime("20120801T00:00:00Z"), "<value><dateTime.iso8601>20120801T00:00:00Z</dateTime.iso8601></value>"),
        (None, "<value><nil/></value>"),
        ([], "<value><array><data/></array></value>"),
        (["a", ""], "<value><array><data><value>a</value><value/></data></array></value>"),
        ({}, "<value><struct/></value>"),
        (
            {"k": "v", "n": 1},
            "<value><struct><member><name>k</name><value>v</value></member><member><name>n</name><value>1</value></member></struct></value>",
        ),
        ({"a&b": ""}, "<value><struct><member><name>a&b</name><value/></member></struct></value>"),
    ],
)
def test_each_value_has_the_wire_form_of_xapi(value: object, expected: str) -> None:
    assert xml_value(value) == expected


def test_what_is_no_wire_value_is_refused() -> None:
    with pytest.raises(TypeError, match="set is no wire value"):
        xml_value({1})


def test_a_success_is_one_line_without_white_space() -> None:
    assert MODERN.success(ASKED, "Running") == (
        b'<?xml version="1.0"?><methodResponse><params><param><value><struct><member><name>Status</name><value>Success</value></member>'
        b"<member><name>Value</name><value>Running</value></member></struct></value></param></params></methodResponse>"
    )


def test_releases_of_2013_and_before_send_no_xml_declaration() -> None:
    assert CLEARWATER.success(ASKED, "").startswith(b"<methodResponse><params><param><value><struct>")


def test_a_failure_carries_its_code_and_parameters() -> None:
    assert MODERN.failure(ASKED, Failure("HANDLE_INVALID", "VM", "OpaqueRef:<gone>")) == (
        b'<?xml version="1.0"?><methodResponse><params><param><value><struct><member><name>Status</name><value>Failure</value></member>'
        b"<member><name>ErrorDescription</name><value><array><data><value>HANDLE_INVALID</value><value>VM</value>"
        b"<value>OpaqueRef:&lt;gone&gt;</value></data></array></value></member></struct></value></param></params></methodResponse>"
    )


def test_the_list_of_methods_is_not_wrapped() -> None:
    assert MODERN.success(Request("system.listMethods", []), ["VM.start"]) == (
        b'<?xml version="1.0"?><methodResponse><params><param><value><array><data><value>VM.start</value></data></array></value>'
        b"</param></params></methodResponse>"
    )


def test_faults_are_envelopes_today_and_were_faults_in_2012() -> None:
    failure = Failure("Fault", "No async mode for this operation (rpc: VM.get_all)")
    assert b"<value>Fault</value>" in MODERN.failure(ASKED, failure)
    assert b"<value>Fault</value>" in CLEARWATER.failure(ASKED, failure)
    with pytest.raises(xmlrpc.client.Fault) as caught:
        xmlrpc.client.loads(TAMPA.failure(ASKED, failure))
    assert (caught.value.faultCode, caught.value.faultString) == (0, "No async mode for this operation (rpc: VM.get_all)")


def test_the_old_json_path_puts_json_text_into_the_reply() -> None:
    assert b"<name>Value</name><value>[&quot;a&quot;,1]</value>" in JSON_PATH_CODECS["boston"].success(ASKED, ["a", 1])
    assert JSON_PATH_CODECS["modern"].success(ASKED, ["a"]) == MODERN.success(ASKED, ["a"])


unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""No test here depends on how busy the machine is."""

Texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r\ufffe\uffff" + "".join(map(chr, (*range(9), 11, 12, *range(14, 32)))))
)
Names = st.from_regex(r"[A-Za-z_0-9:/. -]{0,12}", fullmatch=True)
Values = st.recursive(
    Texts | st.booleans() | st.floats(-1e300, 1e300),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(Names, inner, max_size=4),
    max_leaves=12,
)


@unhurried
@given(Values)
def test_python_s_own_client_reads_what_we_write(value: Any) -> None:
    ((answer,), _) = xmlrpc.client.loads(MODERN.success(ASKED, value))
    assert isinstance(answer, dict)
    assert answer["Status"] == "Success"
    assert same(answer["Value"], value)


def same(read: Any, written: Any) -> bool:
    """Equal, but for the seventeenth digit of a double."""
    if isinstance(written, float):
        return math.isclose(read, written, rel_tol=1e-15)
    if isinstance(written, list):
        return len(read) == len(written) and all(map(same, read, written))
    if isinstance(written, dict):
        return read.keys() == written.keys() and all(same(read[name], written[name]) for name in written)
    return bool(read == written)


# ---- requests ---------------------------------------------------------------------------------------------------------------


@unhurried
@given(st.lists(Values | st.integers(-(2**31), 2**31 - 1), max_size=4))
def test_we_read_what_python_s_own_client_writes(values: list[Any]) -> None:
    assert read_call(xmlrpc.client.dumps(tuple(values), "VM.start").encode()) == ("VM.start", values)


@unhurried
@given(st.lists(Texts, max_size=4), st.booleans())
def test_the_quick_reader_and_the_strict_one_agree(texts: list[str], are_bare: bool) -> None:
    tags = ("", "") if are_bare else ("<string>", "</string>")
    params = "".join(f"<param><value>{tags[0]}{xmlrpc.client.escape(text)}{tags[1]}</value></param>" for text in texts)
    assert read_call(call(params)) == ("VM.start", texts)
    assert read_call(call(params + "<param><value><i4>1</i4></value></param>")) == ("VM.start", [*texts, 1])


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        ("text", "text"),
        ("<string>text</string>", "text"),
        ("<string/>", ""),
        ("", ""),
        ("  <string>x</string>\n", "x"),
        ("  ", "  "),
        ("a&amp;b&#x20AC;", "a&b€"),
        ("<![CDATA[<raw>]]>", "<raw>"),
        ("line\r\nend", "line\nend"),
        ("<int>5</int>", 5),
        ("<i4>-5</i4>", -5),
        ("<i8>9223372036854775807</i8>", 2**63 - 1),
        ("<boolean>1</boolean>", True),
        ("<boolean>0</boolean>", False),
        ("<boolean>true</boolean>", False),
        ("<double>1.5</double>", 1.5),
        ("<dateTime.iso8601>20120301T12:34:56Z</dateTime.iso8601>", DateTime("20120301T12:34:56Z")),
        ("<base64>KGRwMQou</base64>", "(dp1\n."),
        ("<base64>gAJ9cQAu</base64>", "\x80\x02}q\x00."),
        ("<base64>w6k=</base64>", "é"),
        ("<nil/>", None),
        ("<array><data/></array>", []),
        ("<array>\n <data>\n <value>a</value>\n <value><int>1</int></value></data></array>", ["a", 1]),
        ("<struct/>", {}),
        ("<struct> <member><name>a b</name>\n<value>1</value></member></struct>", {"a b": "1"}),
    ],
)
def test_each_element_is_read_as_what_the_client_wrote(element: str, expected: object) -> None:
    (value,) = params_of(element)
    assert value == expected
    assert type(value) is type(expected)


def test_a_call_may_have_a_prolog_white_space_and_no_parameters() -> None:
    assert read_call(b"<?xml version='1.0' encoding='UTF-8'?>\n<methodCall>\n<methodName>a.b</methodName> <params/></methodCall>\n") == (
        "a.b",
        [],
    )


def test_other_encodings_are_read() -> None:
    text = "<?xml version='1.0' encoding='{}'?>" + call("<param><value>Zürich</value></param>").decode()
    assert read_call(text.format("ISO-8859-1").encode("latin-1"))[1] == ["Zürich"]
    assert read_call(text.format("UTF-16").encode("utf-16"))[1] == ["Zürich"]


BOMB = (
    b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]>"
    b"<methodCall><methodName>a.b</methodName><params><param><value>&b;</value></param></params></methodCall>"
)
SECRET = (
    b"<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>"
    b"<methodCall><methodName>a.b</methodName><params><param><value>&a;</value></param></params></methodCall>"
)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "no element found"),
        (b"hello", "syntax error"),
        (b"<methodCall>", "no element found"),
        (b"<methodCall><methodName>a</methodName></methodCall>", "expected <methodCall> around methodName and params"),
        (b"<methodResponse/>", "expected <methodCall>"),
        (call("<param/>"), "expected <param> around value, found <param> around nothing"),
        (call("<param><value><int>x</int></value></param>"), "<int> holds 'x', which is no 64-bit int"),
        (call("<param><value><int>9223372036854775808</int></value></param>"), "no 64-bit int"),
        (call("<param><value><int>" + "9" * 5000 + "</int></value></param>"), "no 64-bit int"),
        (call("<param><value><double>x</double></value></param>"), "<double>: could not convert"),
        (call("<param><value><base64>a</base64></value></param>"), "<base64>: "),
        (call("<param><value><float>1</float></value></param>"), "<value> holds <float>"),
        (call("<param><value><int>1</int><int>2</int></value></param>"), "<value> holds <int>"),
        (call("<param><value>text<int>1</int></value></param>"), "<value> holds text where elements belong"),
        (call("<param><value><array/></value></param>"), "expected <array> around data"),
        (call("<param><value><array><data><int>1</int></data></array></value></param>"), "expected <value>, found <int>"),
        (call("<param><value><struct><member><name>a</name></member></struct></value></param>"), "expected <member>"),
        (call("<param><value><string><b/></string></value></param>"), "<string> holds <b> where text belongs"),
        (call("<param><value>&nbsp;</value></param>"), "undefined entity"),
        (call("<param><value>\x00</value></param>"), "not well-formed"),
        (BOMB, "a document type declaration is not accepted"),
        (SECRET, "a document type declaration is not accepted"),
        (
            call("<param><value>" + "<array><data><value>" * 200 + "</value></data></array>" * 200 + "</value></param>"),
            f"more than {MAX_DEPTH}",
        ),
        (b"<" * 300_000, "not well-formed"),
        (b"<?xml version='1.0' encoding='no-such'?>" + call(""), "unknown encoding"),
    ],
)
def test_what_is_no_call_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(MalformedXml) as caught:
        read_call(body)
    assert reason in str(caught.value)


@unhurried
@given(st.binary(max_size=200))
def test_no_bytes_end_in_anything_but_a_refusal(junk: bytes) -> None:
    for body in (junk, call("<param><value>").replace(b"<value>", b"<value>" + junk)):
        with pytest.raises((MalformedXml, Failure)):
            read_call(body)


def test_bad_utf8_is_xapi_s_own_error() -> None:
    with pytest.raises(Failure) as caught:
        read_call(call("<param><value>ref</value></param><param><value>a@b</value></param>").replace(b"@", b"\xff"))
    assert caught.value.details == ["INVALID_VALUE", "Invalid UTF-8 string in parameter", "S(a\ufffdb)"]


# ---- what each era says to a body that is no call ---------------------------------------------------------------------------


def test_malformed_xml_is_a_page_today_and_was_a_fault_in_2012() -> None:
    with pytest.raises(Refusal) as modern:
        MODERN.read(b"<methodCall>")
    assert (modern.value.status, modern.value.content_type) == (500, "text/html")
    with pytest.raises(Refusal) as tampa:
        TAMPA.read(b"<methodCall>")
    assert (tampa.value.status, tampa.value.content_type) == (200, "text/xml")
    with pytest.raises(xmlrpc.client.Fault, match="Fault 1: 'Failed to parse supplied XML'"):
        xmlrpc.client.loads(tampa.value.body)
