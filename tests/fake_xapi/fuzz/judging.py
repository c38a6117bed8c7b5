"""What is a right answer to a wrong request. Every function gives a complaint, or "" when all is well."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from xml.parsers import expat

from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.personality import personality
from fake_xapi.datamodel.xml_values import MalformedXml, parse, value_of
from fake_xapi.engine.xapi import Xapi
from fake_xapi.state.ids import class_of
from fake_xapi.state.value import Value, diff

UNDOCUMENTED = frozenset(
    {
        "Fault", "VDI_IS_SHARABLE", "NOT_IN_EMERGENCY_MODE", "VBD_MISSING", "VDI_CONTENT_ID_MISSING", "VM_MEMORY_TARGET_WAIT_TIMEOUT",
        "VM_IS_SNAPSHOT", "REVERT_ONLY_ALLOWED_ON_SNAPSHOT", "HOSTS_FAILED_TO_ENABLE_CACHING", "HOSTS_FAILED_TO_DISABLE_CACHING",
        "MEMORY_CONSTRAINT_VIOLATION", "UNKNOWN_XENAPI_PLUGIN_FUNCTION", "XENAPI_PLUGIN_EXCEPTION", "XENAPI_PLUGIN_FAILURE",
        "XENAPI_MISSING_PLUGIN",
    }
)  # fmt: skip
"""What XAPI raises and its own catalogue of errors does not list."""
KNOWN = UNDOCUMENTED.union(*(personality(release).errors for release in ("boston", "tampa", "clearwater", "latest")))
LEAKS = re.compile(
    r'Traceback|File "|line \d+, in |\bobject at 0x|/site-packages/|/fake_xapi/|\.py\b'
    r"|\b(?:Key|Type|Value|Attribute|Index|Assertion|Recursion|Overflow|Runtime|Unicode\w+)Error\b"
)
"""What no answer may hold, unless the request did: tracebacks, addresses, our own paths and Python's errors."""
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n")
_OWN_NAMES = frozenset({b"Status", b"Value", b"ErrorDescription", b"faultCode", b"faultString"})
_NAMES = re.compile(rb"<name>(.*?)</name>", re.DOTALL)


class Ears(logging.Handler):
    """Hears what is logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        cause = record.exc_info[1] if record.exc_info else None
        self.heard.append(f"{record.getMessage()} ({cause!r} {_where(cause)})")


def _where(error: BaseException | None) -> str:
    """The places that an error came through, innermost last."""
    frames, trace = [], error.__traceback__ if error is not None else None
    while trace is not None:
        frames.append(f"{trace.tb_frame.f_code.co_filename.rpartition('fake_xapi/')[2]}:{trace.tb_lineno}")
        trace = trace.tb_next
    return " < ".join(reversed(frames[-3:]))


@contextmanager
def listening() -> Iterator[Ears]:
    """Ears on every logger, for a while."""
    ears = Ears()
    logging.getLogger().addHandler(ears)
    try:
        yield ears
    finally:
        logging.getLogger().removeHandler(ears)


def reply_complaint(reply: bytes, form: str, sent: str) -> tuple[str, list[str]]:
    """The complaint about an RPC's whole HTTP reply, and the ErrorDescription that it carries, [] for a success."""
    head, _, body = reply.partition(b"\r\n\r\n")
    status = _STATUS.match(head)
    if status is None or b"Content-Length: %d\r\n" % len(body) not in head + b"\r\n":
        return f"no whole HTTP reply: {reply[:200]!r}", []
    if status[1] == b"500":
        return _page_complaint(body), ["refused"]
    if status[1] != b"200":
        return f"status {status[1]!r}", []
    try:
        details = _json_details(body) if form == "json" else _xml_details(body)
    except (ValueError, KeyError, MalformedXml, expat.ExpatError) as error:
        return f"the reply cannot be read ({error}): {body[:300]!r}", []
    return failure_complaint(Failure(*details), sent) if details else "", details


def failure_complaint(failure: Failure, sent: str) -> str:
    """A code that the catalogue lacks, or a text that speaks of our own insides."""
    code, *params = failure.details
    if code not in KNOWN and not code.startswith(("SR_BACKEND_FAILURE", "refused")):
        return f"{code} is in no catalogue: {failure.details}"
    leak = next((found[0] for text in params if (found := LEAKS.search(text)) and found[0] not in sent), "")
    return f"{leak!r} leaks in {str(failure.details)[:400]}" if leak else ""


def _page_complaint(body: bytes) -> str:
    leak = LEAKS.search(body.decode(errors="replace"))
    return f"{leak[0]!r} leaks in a page: {body[:300]!r}" if leak else ""


def _json_details(body: bytes) -> list[str]:
    answer = json.loads(body)
    if answer.get("error"):
        error = answer["error"]
        return [error["message"], *error["data"]] if isinstance(error, dict) else error
    _ = answer["result"]
    return []


def _xml_details(body: bytes) -> list[str]:
    """Names of members are not escaped in XAPI's XML, so that all but our own are made harmless before the rest is read."""
    root = parse(_NAMES.sub(lambda found: found[0] if found[1] in _OWN_NAMES else b"<name>x</name>", body))
    inside = root.nodes()[0]
    if inside.tag == "fault":
        return ["Fault", str(value_of(inside.nodes()[0]))]
    answer: Any = value_of(inside.nodes()[0].nodes()[0])
    if isinstance(answer, list):
        return []
    return [str(text) for text in answer["ErrorDescription"]] if answer["Status"] == "Failure" else []


def change_complaint(xapi: Xapi, before: Value, ignored: frozenset[str] = frozenset({"session", "task"})) -> str:
    """What a refused call changed all the same."""
    now = xapi.world.value
    if now is before:
        return ""
    changed = [change.identity for change in diff(before, now) if class_of(change.identity) not in ignored]
    return f"refused, yet it changed {[(class_of(identity), xapi.world.ref(identity)) for identity in changed[:5]]}" if changed else ""
