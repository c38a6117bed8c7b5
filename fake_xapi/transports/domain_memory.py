"""The handler that receives the memory of a VM migrating from another simulated pool.

A real host sends its hypervisor's own format; here it is JSON with what a VM's record does not say about its domain.
"""

from __future__ import annotations

import json

from fake_xapi.datamodel.failure import Failure
from fake_xapi.engine.call import Done
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.transports.admitted import Admitted, admitting
from fake_xapi.transports.transfers import BadRequest, Handlers, TransferAnswer
from fake_xapi.verbs.migrations.migration import MEMORY_PATH
from fake_xapi.verbs.migrations.migration_arrival import domain_from, receive_memory

_MOST_BYTES = 1 << 20


async def _receive(admitted: Admitted) -> TransferAnswer:
    """Place the domain on a host here, paused."""
    world, parameters = admitted.xapi.world, admitted.parameters
    vm, host = (_named(world, cls, parameters.get(name, "")) for cls, name in (("VM", "ref"), ("host", "host")))
    try:
        domain = domain_from(json.loads(await _content(admitted)))
    except (ValueError, KeyError, TypeError) as error:
        raise BadRequest(400, f"This is no domain: {error!r}") from error
    call = admitted.xapi.begin_transfer("VM.receive_memory", admitted.session, "")
    try:
        receive_memory(call, vm, host, domain)
    finally:
        call.end_now(Done(""))
    return TransferAnswer()


async def _content(admitted: Admitted) -> bytes:
    content = b""
    async for piece in admitted.request.pieces:
        content += piece
        if len(content) > _MOST_BYTES:
            raise BadRequest(413, "A domain is described in less")
    return content


def _named(world: World, cls: str, ref: str) -> Id:
    found = world.find_ref(ref)
    row = world.get(found) if found else None
    if row is None or row.cls != cls:
        raise Failure("HANDLE_INVALID", cls, ref)
    return found


HANDLERS: Handlers = {(b"PUT", MEMORY_PATH.encode()): admitting("put_services_xenops", _receive)}
