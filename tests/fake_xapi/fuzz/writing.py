"""Calls as clients write them, in every wire form, careless of what the values are."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from fake_xapi.datamodel.wire import DateTime
from fake_xapi.transports.jsonrpc import JSON_CODECS
from fake_xapi.transports.ports import Codec
from fake_xapi.transports.xmlrpc import JSON_PATH_CODECS, XML_CODECS

FORMS: Mapping[str, Mapping[Any, Codec]] = {"xml": XML_CODECS, "json": JSON_CODECS, "json path": JSON_PATH_CODECS}
"""The codecs of each path by era."""


def written(form: str, method: str, params: list[Any]) -> bytes:
    """The body of a call."""
    if form == "json":
        return json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": 1}).encode()
    inside = "".join(f"<param>{xml(param)}</param>" for param in params)
    return f"<methodCall><methodName>{_escaped(method)}</methodName><params>{inside}</params></methodCall>".encode("utf-8", "replace")


def xml(value: Any) -> str:
    """The ``<value>`` of anything."""
    return f"<value>{_inside(value)}</value>"


def _inside(value: Any) -> str:
    return next((write(value) for kind, write in _WRITERS if isinstance(value, kind)), "<nil/>")


def _struct(value: dict[Any, Any]) -> str:
    members = "".join(f"<member><name>{_escaped(str(name))}</name>{xml(member)}</member>" for name, member in value.items())
    return f"<struct>{members}</struct>"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


_WRITERS: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (bool, lambda value: f"<boolean>{int(value)}</boolean>"),
    (int, lambda value: f"<int>{value}</int>"),
    (float, lambda value: f"<double>{value}</double>"),
    (DateTime, lambda value: f"<dateTime.iso8601>{_escaped(value)}</dateTime.iso8601>"),
    (str, lambda value: f"<string>{_escaped(value)}</string>" if value else ""),
    (list, lambda value: f"<array><data>{''.join(map(xml, value))}</data></array>"),
    (dict, _struct),
)
