"""XML-RPC as XAPI speaks it: requests read, answers written, and what each release says to a body that is no call.

May not know what a call means, nor HTTP beyond the status of a refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import orjson

from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.personality import Era
from fake_xapi.datamodel.wire import xml_array, xml_string, xml_struct, xml_value
from fake_xapi.datamodel.xml_values import MalformedXml
from fake_xapi.engine.records import Records
from fake_xapi.transports.http_replies import page
from fake_xapi.transports.ports import Codec, Refusal, Request, is_plain
from fake_xapi.transports.xml_read import read_call
from fake_xapi.transports.xml_records import xml_records

_PROLOG = b'<?xml version="1.0"?>'
_TAIL = b"</param></params></methodResponse>"
_HEAD = b"<methodResponse><params><param>"
_SUCCESS_HEAD = b"<value><struct><member><name>Status</name><value>Success</value></member><member><name>Value</name>"
_SUCCESS_TAIL = b"</member></struct></value>"
_BARE_METHODS = frozenset({"system.listMethods"})


def _write(value: object) -> list[bytes]:
    return [xml_value(value).encode()] if is_plain(value) else xml_records(cast(Records, value))


def _write_as_json_text(value: object) -> list[bytes]:
    plain = value if is_plain(value) else cast(Records, value).value()
    return [xml_string(orjson.dumps(plain).decode()).encode()]


@dataclass(frozen=True, slots=True)
class XmlRpc:
    """The XML-RPC of one era: ``prolog`` before each reply, and whether the era still had XML-RPC faults."""

    prolog: bytes = _PROLOG
    has_faults: bool = False
    write_value: Callable[[object], list[bytes]] = _write
    content_type: str = "text/xml"

    def read(self, body: bytes) -> Request:
        """The call; Refusal for what is none."""
        try:
            method, params = read_call(body)
        except MalformedXml as error:
            raise self._refusal(str(error)) from None
        except Failure as failure:
            raise Refusal(200, self.content_type, self.failure(Request("", []), failure)) from None
        return Request(method, params)

    def success(self, request: Request, value: object) -> bytes:
        """Status and Value; the list of methods goes out bare."""
        written = self.write_value(value)
        if request.method in _BARE_METHODS:
            return self._response(b"".join(written))
        return b"".join((self.prolog, _HEAD, _SUCCESS_HEAD, *written, _SUCCESS_TAIL, _TAIL))

    def failure(self, request: Request, failure: Failure) -> bytes:  # noqa: ARG002  # a failure looks the same whatever was asked
        """Status and ErrorDescription; the code ``Fault`` was an XML-RPC fault once."""
        if self.has_faults and failure.code == "Fault":
            return self._fault(0, failure.details[1])
        description = xml_array([xml_string(text) for text in failure.details])
        return self._response(xml_struct({"Status": xml_string("Failure"), "ErrorDescription": description}).encode())

    def _refusal(self, reason: str) -> Refusal:
        if self.has_faults:
            return Refusal(200, self.content_type, self._fault(1, "Failed to parse supplied XML"))
        return Refusal(500, "text/html", page(500, reason))

    def _response(self, value: bytes) -> bytes:
        return b"".join((self.prolog, _HEAD, value, _TAIL))

    def _fault(self, code: int, text: str) -> bytes:
        fault = xml_struct({"faultCode": f"<value><int>{code}</int></value>", "faultString": xml_string(text)}).encode()
        return b"%b<methodResponse><fault>%b</fault></methodResponse>" % (self.prolog, fault)


_MODERN = XmlRpc()
_OF_2013 = XmlRpc(prolog=b"")
_OF_2012 = XmlRpc(prolog=b"", has_faults=True)
_LEGACY_JSON = XmlRpc(prolog=b"", has_faults=True, write_value=_write_as_json_text)

XML_CODECS: Mapping[Era, Codec] = {"boston": _OF_2012, "tampa": _OF_2012, "clearwater": _OF_2013, "modern": _MODERN}
"""What answers on ``/``, ``/RPC2`` and ``/xmlrpc``."""

JSON_PATH_CODECS: Mapping[Era, Codec] = {"boston": _LEGACY_JSON, "tampa": _LEGACY_JSON, "clearwater": _OF_2013, "modern": _MODERN}
"""What answers on ``/json``: XML comes in everywhere; the oldest releases put the value into the reply as JSON text."""
