"""``POST /os-server-external-events``: what other services tell of a server, passed on to its host."""

from __future__ import annotations

from typing import Any

from compute_core.api.call import Call, Reply
from compute_core.model.errors import NotFound

TELLING = "completed"
POWER_UPDATES = ("POWER_ON", "POWER_OFF")


async def create(call: Call) -> Reply:
    """Pass them on; each is answered by itself, and the whole by 207 when some could not be."""
    answers = [await _taken(call, event) for event in call.body["events"]]
    codes = {answer["code"] for answer in answers}
    if codes == {404}:
        raise NotFound("No instances found for any event")
    return Reply({"events": answers}, 200 if codes == {200} else 207)


async def _taken(call: Call, event: dict[str, Any]) -> dict[str, Any]:
    """One event with its code: 200, 404 for a server that is not there, 422 for one that is on no host, 400 for a tag that says nothing."""
    told = {**event, "status": event.get("status", TELLING)}
    if event["name"] == "power-update" and event.get("tag") not in POWER_UPDATES:
        return {**told, "status": "failed", "code": 400}
    try:
        server = await call.services.compute.get_server(call.context, event["server_uuid"])
    except NotFound:
        return {**told, "status": "failed", "code": 404}
    if server.host is None:
        return {**told, "status": "failed", "code": 422}
    await call.services.compute.tell_host(call.context, server.uuid, event["name"], status=told["status"], tag=event.get("tag"))
    return {**told, "code": 200}
