"""The XML-RPC codec of the sessions."""

from __future__ import annotations

import xmlrpc.client
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute_core.xenapi import xmlrpc as codec
from compute_core.xenapi.errors import XenApiFailure

TEXTS = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"], exclude_characters="\ufffe\uffff"))
VALUES: st.SearchStrategy[Any] = st.recursive(
    TEXTS | st.booleans() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def envelope(value: str) -> bytes:
    status = "<member><name>Status</name><value>Success</value></member>"
    struct = f"<value><struct>{status}<member><name>Value</name>{value}</member></struct></value>"
    return f"<methodResponse><params><param>{struct}</param></params></methodResponse>".encode()


@given(VALUES)
def test_a_call_reads_back_as_it_was_meant(value: Any) -> None:
    params, method = xmlrpc.client.loads(codec.encode("VM.create", ["OpaqueRef:1", value]))

    assert (method, params) == ("VM.create", ("OpaqueRef:1", value))


def test_an_integer_travels_as_a_text() -> None:
    assert codec.encode("x", [1 << 40]).endswith(b"<params><param><value>1099511627776</value></param></params></methodCall>")


@given(VALUES)
def test_a_reply_of_another_writer_reads_back(value: Any) -> None:
    body = xmlrpc.client.dumps(({"Status": "Success", "Value": value},), methodresponse=True)

    assert codec.decode(body.encode()) == value


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("<value>Running</value>", "Running"),
        ("<value/>", ""),
        ("<value></value>", ""),
        ("<value> </value>", " "),
        ("<value><string>a &amp; b</string></value>", "a & b"),
        ("<value><boolean>1</boolean></value>", True),
        ("<value><boolean>0</boolean></value>", False),
        ("<value><double>0.5</double></value>", 0.5),
        ("<value><i4>7</i4></value>", 7),
        ("<value><dateTime.iso8601>19700101T00:00:00Z</dateTime.iso8601></value>", "19700101T00:00:00Z"),
        ("<value><array><data/></array></value>", []),
        ("<value><struct/></value>", {}),
        ("<value><nil/></value>", ""),
        ("<value><array><data><value>a</value><value/></data></array></value>", ["a", ""]),
    ],
)
def test_values_are_read_as_xapi_writes_them(written: str, value: Any) -> None:
    assert codec.decode(envelope(written)) == value


def test_a_refusal_carries_its_whole_error_description() -> None:
    body = xmlrpc.client.dumps(({"Status": "Failure", "ErrorDescription": ["HANDLE_INVALID", "VM", "OpaqueRef:x"]},), methodresponse=True)

    with pytest.raises(XenApiFailure) as refused:
        codec.decode(body.encode())

    assert refused.value.details == ("HANDLE_INVALID", "VM", "OpaqueRef:x")


def test_the_fault_of_an_old_server_is_a_refusal() -> None:
    with pytest.raises(XenApiFailure) as refused:
        codec.decode(xmlrpc.client.dumps(xmlrpc.client.Fault(1, "Failed to parse")).encode())

    assert refused.value.details == ("FAULT", "1", "Failed to parse")


@pytest.mark.parametrize("body", [b"", b"<html/>", b"<methodResponse><params/></methodResponse>", b"<methodResponse>", b"\xff\xfe"])
def test_what_is_no_reply_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"no XML|no methodResponse"):
        codec.decode(body)


def test_a_list_of_methods_comes_without_an_envelope() -> None:
    assert codec.decode(xmlrpc.client.dumps((["VM.start"],), methodresponse=True).encode()) == ["VM.start"]
