"""JSON-RPC 1.0 and 2.0 as XAPI speaks them: without Status and Value, with ErrorDescription as a list.

May not know what a call means, nor HTTP beyond the status of a refusal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import orjson

from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.personality import Era
from fake_xapi.engine.records import Records
from fake_xapi.transports.http_replies import page
from fake_xapi.transports.json_records import json_records
from fake_xapi.transports.ports import Codec, Refusal, Request, is_plain

_MISSING = object()


@dataclass(frozen=True, slots=True)
class _Envelope:
    id: int | str
    is_version_2: bool


class JsonRpc:
    """Both versions; a request without the key ``jsonrpc`` is of version 1."""

    content_type = "application/json"

    def read(self, body: bytes) -> Request:
        """The call; Refusal for anything else, notifications included: XAPI requires an id."""
        try:
            call = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise _refusal(str(error)) from None
        if not isinstance(call, dict):
            raise _refusal("expected an object")
        method, identity, version = call.get("method"), call.get("id"), call.get("jsonrpc", _MISSING)
        if not isinstance(method, str):
            raise _refusal("method must be a string")
        if not isinstance(identity, int | str) or isinstance(identity, bool):
            raise _refusal("id must be an int or a string")
        if version not in (_MISSING, "2.0"):
            raise _refusal('jsonrpc must be "2.0" or absent')
        is_version_2 = version is not _MISSING
        return Request(method, _params(call, is_version_2=is_version_2), _Envelope(identity, is_version_2))

    def success(self, request: Request, value: object) -> bytes:
        """The result as it is."""
        identity, is_version_2 = _opened(request)
        result = value if is_plain(value) else json_records(cast(Records, value))
        if is_version_2:
            return orjson.dumps({"jsonrpc": "2.0", "result": result, "id": identity}, option=orjson.OPT_NON_STR_KEYS)
        return orjson.dumps({"result": result, "error": None, "id": identity}, option=orjson.OPT_NON_STR_KEYS)

    def failure(self, request: Request, failure: Failure) -> bytes:
        """Version 1: the ErrorDescription. Version 2: its code as message and its parameters as data."""
        identity, is_version_2 = _opened(request)
        code, *params = failure.details
        if is_version_2:
            return orjson.dumps({"jsonrpc": "2.0", "error": {"code": 1, "message": code, "data": params}, "id": identity})
        return orjson.dumps({"result": None, "error": [code, *params], "id": identity})


def _params(call: dict[str, Any], *, is_version_2: bool) -> list[Any]:
    params = call.get("params", _MISSING)
    if isinstance(params, list):
        return params
    if is_version_2 and params is _MISSING:
        return []
    if is_version_2 and isinstance(params, dict):
        return [params]
    raise _refusal("params must be an array")


def _opened(request: Request) -> tuple[int | str, bool]:
    envelope = request.envelope
    if not isinstance(envelope, _Envelope):
        raise TypeError("not a request that this codec read")
    return envelope.id, envelope.is_version_2


def _refusal(reason: str) -> Refusal:
    return Refusal(500, "text/html", page(500, reason))


_JSON = JsonRpc()

JSON_CODECS: Mapping[Era, Codec] = {"clearwater": _JSON, "modern": _JSON}
"""The codec for ``/jsonrpc``, which boston and tampa lack."""
