"""The handler by which a pool receives the messages about an object that moves there: ``PUT /messages?cls=VM&uuid=...``."""

from __future__ import annotations

import re

from fake_xapi.dom0.documents import BadDocument, Element, read_document
from fake_xapi.engine.messages import CLASSES, add_message
from fake_xapi.transports.admitted import Admitted, admitting
from fake_xapi.transports.streams import BodyLost
from fake_xapi.transports.transfers import BadRequest, Handlers, TransferAnswer

MOST_BYTES = 4 << 20
_PROLOG = re.compile(rb"<\?xml[^>]*\?>")
"""Each message is a document of its own, one following the other."""
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DATE = re.compile(r"\d{8}T\d\d:\d\d:\d\dZ")


async def _put(admitted: Admitted) -> TransferAnswer:
    """Add the messages that are not there yet. BadRequest 400 for malformed ones, 404 for an unknown object."""
    world, parameters = admitted.xapi.world, admitted.parameters
    missing = [name for name in ("uuid", "cls") if not parameters.get(name)]
    if missing:
        raise BadRequest(400, f"Missing {missing[0]} parameter")
    cls, uuid = parameters["cls"], parameters["uuid"]
    if cls not in CLASSES:
        raise BadRequest(400, f"Bad class {cls}")
    if not world.by_uuid(CLASSES[cls], uuid):
        raise BadRequest(404, f"Bad uuid {uuid}")
    messages = [_fields(element) for element in await _elements(admitted)]
    for fields in messages:
        if not world.by_uuid("message", str(fields["uuid"])):
            add_message(world, **fields)
    admitted.task.result("")
    return TransferAnswer()


async def _elements(admitted: Admitted) -> list[Element]:
    """The messages in a body."""
    content = bytearray()
    try:
        async for piece in admitted.request.pieces:
            content += piece
            if len(content) > MOST_BYTES:
                raise BadRequest(413, "Too many messages at once")
        return list(read_document(b"<messages>%b</messages>" % _PROLOG.sub(b"", bytes(content))).all("message"))
    except (BodyLost, BadDocument) as error:
        raise BadRequest(400, f"Not messages in XML: {error}") from error


def _fields(element: Element) -> dict[str, object]:
    """The fields of a message's row."""
    told = {name: element.text_of(name) for name in ("uuid", "name", "priority", "cls", "obj_uuid", "timestamp", "body")}
    date = told["timestamp"].replace("-", "")
    is_whole = _UUID.fullmatch(told["uuid"]) and told["cls"] in CLASSES and _DATE.fullmatch(date)
    if not is_whole or not told["priority"].isdecimal() or len(told["priority"]) > 9:
        raise BadRequest(400, "A message needs uuid, cls, priority and timestamp")
    return {**told, "timestamp": date, "priority": int(told["priority"])}


HANDLERS: Handlers = {(b"PUT", b"/messages"): admitting("put_messages", _put)}
