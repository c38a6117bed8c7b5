"""JSON-RPC in both versions, and what is no call."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.wire import DateTime
from fake_xapi.transports.jsonrpc import JSON_CODECS
from fake_xapi.transports.ports import Refusal

CODEC = JSON_CODECS["modern"]
V1 = CODEC.read(b'{"method":"VM.start","params":["s","vm",false,true],"id":7}')
V2 = CODEC.read(b'{"jsonrpc":"2.0","method":"VM.start","params":["s"],"id":"x"}')
GONE = Failure("HANDLE_INVALID", "VM", "OpaqueRef:gone")


def test_a_call_is_read_with_the_types_of_json() -> None:
    assert (V1.method, V1.params) == ("VM.start", ["s", "vm", False, True])


def test_version_2_may_leave_out_params_or_name_them() -> None:
    assert CODEC.read(b'{"jsonrpc":"2.0","method":"m","id":1}').params == []
    assert CODEC.read(b'{"jsonrpc":"2.0","method":"m","params":{"a":1},"id":1}').params == [{"a": 1}]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (CODEC.success(V1, "Running"), b'{"result":"Running","error":null,"id":7}'),
        (CODEC.success(V2, "Running"), b'{"jsonrpc":"2.0","result":"Running","id":"x"}'),
        (CODEC.failure(V1, GONE), b'{"result":null,"error":["HANDLE_INVALID","VM","OpaqueRef:gone"],"id":7}'),
        (
            CODEC.failure(V2, GONE),
            b'{"jsonrpc":"2.0","error":{"code":1,"message":"HANDLE_INVALID","data":["VM","OpaqueRef:gone"]},"id":"x"}',
        ),
        (CODEC.success(V1, DateTime("20120801T00:00:00Z")), b'{"result":"20120801T00:00:00Z","error":null,"id":7}'),
        (CODEC.success(V1, [1, 0.5, True, ""]), b'{"result":[1,0.5,true,""],"error":null,"id":7}'),
    ],
)
def test_each_version_has_its_own_form_of_answer(answer: bytes, expected: bytes) -> None:
    assert answer == expected


unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""No test here depends on how busy the machine is."""

Values = st.recursive(
    st.text(st.characters(exclude_categories=["Cs"]))
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@unhurried
@given(Values)
def test_values_survive_both_ways(value: Any) -> None:
    request = CODEC.read(json.dumps({"method": "m", "params": [value], "id": 1}).encode())
    assert request.params == [value]
    assert json.loads(CODEC.success(request, value))["result"] == value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b'{"method":"m","params":[]}',
        b'{"method":"m","params":[],"id":null}',
        b'{"method":"m","params":[],"id":true}',
        b'{"method":"m","params":[],"id":[1]}',
        b'{"method":5,"params":[],"id":1}',
        b'{"params":[],"id":1}',
        b'{"method":"m","id":1}',
        b'{"method":"m","params":{"a":1},"id":1}',
        b'{"jsonrpc":"1.5","method":"m","params":[],"id":1}',
        b'{"jsonrpc":"2.0","method":"m","params":"x","id":1}',
        b'[{"jsonrpc":"2.0","method":"m","params":[],"id":1}]',
        b'{"method":"m","params":["\xff"],"id":1}',
        b'{"method":"m","params":["\\ud800"],"id":1}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_call_is_a_page_with_status_500(body: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        CODEC.read(body)
    assert (caught.value.status, caught.value.content_type) == (500, "text/html")


def test_the_oldest_releases_have_no_json_rpc() -> None:
    assert set(JSON_CODECS) == {"clearwater", "modern"}
