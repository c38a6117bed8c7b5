"""One call, from the request's body to the reply, at once or later.

May not know connections; a ConnectionError stands for a reply that must not be sent.
"""

from __future__ import annotations

import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from inspect import iscoroutine
from typing import Any, NamedTuple

from fake_xapi.datamodel.failure import Failure
from fake_xapi.transports.http_replies import reply_head, rpc_reply
from fake_xapi.transports.ports import Codec, Refusal, Request, Xapi, is_plain

_log = logging.getLogger(__name__)


class Reply(NamedTuple):
    """What to send, and whether the connection stays open."""

    content: bytes
    keep_alive: bool


@dataclass(frozen=True, slots=True)
class Later:
    """A call that waits for something: the coroutine returns its reply."""

    method: str
    reply: Coroutine[Any, Any, Reply]


def answer_call(codec: Codec, xapi: Xapi, body: bytes, *, keep_alive: bool) -> Reply | Later:
    """Run the call in a body. ConnectionError when the client gets no reply."""
    try:
        request = codec.read(body)
    except Refusal as refusal:
        return _refused(refusal, keep_alive=keep_alive)
    try:
        value = xapi.dispatch(request.method, request.params)
        if not iscoroutine(value):
            return _replied(codec, request, value, keep_alive=keep_alive)
    except Exception as error:  # noqa: BLE001  # the border of the process
        return _failed(codec, request, error, keep_alive=keep_alive)
    return Later(request.method, _answer_later(codec, request, value, keep_alive=keep_alive))


async def _answer_later(codec: Codec, request: Request, answer: Coroutine[Any, Any, object], *, keep_alive: bool) -> Reply:
    try:
        return _replied(codec, request, await answer, keep_alive=keep_alive)
    except Exception as error:  # noqa: BLE001  # the border of the process
        return _failed(codec, request, error, keep_alive=keep_alive)


def _replied(codec: Codec, request: Request, value: Any, *, keep_alive: bool) -> Reply:
    cut_at = None if is_plain(value) else getattr(value, "cut_at", None)
    if cut_at is None:
        return Reply(rpc_reply(codec.content_type, codec.success(request, value), keep_alive=keep_alive), keep_alive)
    whole = rpc_reply(codec.content_type, codec.success(request, value.value), keep_alive=False)
    return Reply(whole[: int(len(whole) * cut_at)], keep_alive=False)


def _failed(codec: Codec, request: Request, error: Exception, *, keep_alive: bool) -> Reply:
    """The reply for a refusal; an error that is not XAPI's is logged in full and answered with its text, as XAPI does."""
    if isinstance(error, ConnectionError):
        raise error
    if isinstance(error, Failure):
        failure = error
    else:
        _log.error("%s failed", request.method, exc_info=error)
        failure = Failure("INTERNAL_ERROR", f"{type(error).__name__}({error})")
    return Reply(rpc_reply(codec.content_type, codec.failure(request, failure), keep_alive=keep_alive), keep_alive)


def _refused(refusal: Refusal, *, keep_alive: bool) -> Reply:
    if refusal.status == 200:
        return Reply(rpc_reply(refusal.content_type, refusal.body, keep_alive=keep_alive), keep_alive)
    head = reply_head(refusal.status, [("Content-Type", refusal.content_type)], keep_alive=keep_alive, length=len(refusal.body))
    return Reply(head + refusal.body, keep_alive)
