"""Handing one message to its endpoint: what is answered, what is tried again, what is given up. Both adapters deliver with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from compute_core.bus.deadline import answering
from compute_core.bus.port import Endpoint
from compute_core.bus.wire import Message, encode_answer, encode_error
from compute_core.model.errors import ComputeError, HostUnreachable

RETRY_DELAYS_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""A cast whose endpoint breaks, or finds its database or broker away, is tried again this often."""

log = logging.getLogger(__name__)


async def answer(endpoints: Mapping[str, Endpoint], message: Message) -> bytes:
    """The answer to a call, encoded: a value, or a refusal."""
    try:
        with answering(message.timeout_s):
            async with asyncio.timeout(message.timeout_s):
                return encode_answer(await _endpoint(endpoints, message)(**message.arguments))
    except TimeoutError:
        return encode_error(HostUnreachable(f"{message.method} did not finish in {message.timeout_s:g} s."))
    except ComputeError as refusal:
        return encode_error(refusal)
    except Exception:  # the border of this process: the fault is logged whole, and the caller hears of it
        log.exception("%s broke", message.method)
        return encode_error(ComputeError(f"{message.method} broke at the other end; its log says why."))


async def deliver(endpoints: Mapping[str, Endpoint], message: Message) -> bool:
    """Hand a cast over until it is done or refused; whether it was, or else is a dead letter."""
    for delay_s in (*RETRY_DELAYS_S, None):
        if await _deliver_once(endpoints, message):
            return True
        if delay_s is not None:
            await asyncio.sleep(delay_s)
    log.error("%s is given up", message.method)
    return False


async def _deliver_once(endpoints: Mapping[str, Endpoint], message: Message) -> bool:
    try:
        with answering(None):
            await _endpoint(endpoints, message)(**message.arguments)
    except HostUnreachable as absence:
        log.warning("%s: %s", message.method, absence.message)
        return False
    except ComputeError as refusal:
        log.warning("%s is refused: %s", message.method, refusal.message)
        return True
    except Exception:  # as above
        log.exception("%s broke", message.method)
        return False
    return True


def _endpoint(endpoints: Mapping[str, Endpoint], message: Message) -> Endpoint:
    found = endpoints.get(message.method)
    if found is None:
        raise ComputeError(f"Nobody serves {message.method} here.")
    return found
