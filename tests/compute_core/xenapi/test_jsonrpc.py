"""The JSON-RPC codec of the sessions."""

from __future__ import annotations

import pytest

from compute_core.xenapi import jsonrpc
from compute_core.xenapi.errors import XenApiFailure


def test_a_call_is_version_2() -> None:
    assert jsonrpc.encode("VM.start", ["OpaqueRef:s", 1, 0.5, True]) == (
        b'{"jsonrpc":"2.0","method":"VM.start","params":["OpaqueRef:s",1,0.5,true],"id":1}'
    )


def test_a_result_is_the_value() -> None:
    assert jsonrpc.decode(b'{"jsonrpc":"2.0","result":{"domid":3},"id":1}') == {"domid": 3}


@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc":"2.0","error":{"code":1,"message":"VDI_IN_USE","data":["OpaqueRef:v","destroy"]},"id":1}',
        b'{"result":null,"error":["VDI_IN_USE","OpaqueRef:v","destroy"],"id":1}',
    ],
)
def test_both_versions_name_error_and_parameters(body: bytes) -> None:
    with pytest.raises(XenApiFailure) as refused:
        jsonrpc.decode(body)

    assert (refused.value.code, refused.value.params) == ("VDI_IN_USE", ("OpaqueRef:v", "destroy"))


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"jsonrpc":"2.0"}'])
def test_what_is_no_reply_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"unexpected|empty|neither|JSON"):
        jsonrpc.decode(body)
