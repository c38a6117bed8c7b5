"""JSON-RPC 2.0 as XAPI speaks it on ``/jsonrpc``: calls to bytes, replies to values. May not know how bytes travel."""

from __future__ import annotations

from typing import Any

import orjson

from compute_core.xenapi.errors import XenApiFailure

PATH = "/jsonrpc"
CONTENT_TYPE = "application/json"


def encode(method: str, params: list[Any]) -> bytes:
    """The body of a call. One call is under way per connection, so all bear the same id."""
    return orjson.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": 1})


def decode(body: bytes) -> Any:
    """The value of a reply. Raises XenApiFailure, or ValueError for what is no reply."""
    reply = orjson.loads(body)
    members = reply if isinstance(reply, dict) else {}
    if members.get("error"):
        raise XenApiFailure(_details(members["error"]))
    if "result" not in members:
        raise ValueError("neither result nor error in the reply")
    return members["result"]


def _details(error: Any) -> list[str]:
    """Version 1 sends the ErrorDescription itself, version 2 wraps it as message and data."""
    if isinstance(error, list):
        return [str(part) for part in error]
    parameters = error.get("data")
    return [str(error.get("message", "")), *(str(part) for part in parameters or ())]
