"""What was asked of a server: ``os-instance-actions``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from compute_core.api.call import Call
from compute_core.api.compute.server_view import host_id_of
from compute_core.api.paging import limit_of, links_when_full
from compute_core.api.texts import exact_date
from compute_core.model.errors import Invalid, NotFound
from compute_core.model.instance_actions import ActionEvent, InstanceAction

DELETED_SINCE, UPDATED_SINCE, EVENTS_SINCE, HOST_SINCE, DETAILS_SINCE = 21, 58, 51, 62, 84


async def _listed(call: Call) -> tuple[InstanceAction, ...]:
    server_id = call.path["server_id"]
    if call.version < DELETED_SINCE:
        await call.services.compute.get_server(call.context, server_id)
    return await call.services.compute.list_actions(call.context, server_id)


async def index(call: Call) -> dict[str, Any]:
    """All of them, the newest first."""
    listed = _page(call, _in_time(call, await _listed(call)))
    answer: dict[str, Any] = {"instanceActions": [_action(call, action) for action in listed]}
    if call.version >= UPDATED_SINCE:
        path = f"/servers/{call.path['server_id']}/os-instance-actions"
        links = links_when_full(call, path, [action.request_id for action in listed])
        answer |= {"links": links} if links else {}
    return answer


async def show(call: Call) -> dict[str, Any]:
    """One by its request, with its events."""
    for action in await _listed(call):
        if action.request_id == call.path["request_id"]:
            return {"instanceAction": {**_action(call, action), **_events(call, action)}}
    raise NotFound(f"Action for request_id {call.path['request_id']} on instance {call.path['server_id']} not found")


def _in_time(call: Call, actions: Sequence[InstanceAction]) -> list[InstanceAction]:
    since, before = call.query.get("changes-since"), call.query.get("changes-before")
    earliest = "" if since is None else exact_date("changes-since", since)
    latest = "~" if before is None else exact_date("changes-before", before)
    return [action for action in actions if earliest <= action.updated_at <= latest]


def _page(call: Call, actions: list[InstanceAction]) -> list[InstanceAction]:
    """Behind the marker, as many as were asked for. Before 2.58 there are no pages."""
    if call.version < UPDATED_SINCE:
        return actions
    marker = call.query.get("marker")
    requests = [action.request_id for action in actions]
    if marker is not None and marker not in requests:
        raise Invalid(f"marker [{marker}] not found")
    first = 0 if marker is None else requests.index(marker) + 1
    return actions[first : first + limit_of(call.query)]


def _action(call: Call, action: InstanceAction) -> dict[str, Any]:
    updated_at = {"updated_at": action.updated_at} if call.version >= UPDATED_SINCE else {}
    return {
        "action": action.action,
        "instance_uuid": action.instance_uuid,
        "request_id": action.request_id,
        "user_id": action.user_id,
        "project_id": action.project_id,
        "start_time": action.started_at,
        "message": action.message or None,
        **updated_at,
    }


def _events(call: Call, action: InstanceAction) -> dict[str, Any]:
    """The newest first. For others than admins from 2.51 on, and then without what only an operator may see."""
    if not call.context.is_admin and call.version < EVENTS_SINCE:
        return {}
    return {"events": [_event(call, action, event) for event in reversed(action.events)]}


def _event(call: Call, action: InstanceAction, event: ActionEvent) -> dict[str, Any]:
    is_admin = call.context.is_admin
    told = {"event": event.event, "start_time": event.started_at, "finish_time": event.finished_at, "result": event.result}
    trace = {"traceback": event.details} if is_admin or call.version < EVENTS_SINCE else {}
    host = {"host": event.host or ""} if is_admin and call.version >= HOST_SINCE else {}
    host_id = {"hostId": host_id_of(action.project_id, event.host)} if call.version >= HOST_SINCE else {}
    details = {"details": event.details} if call.version >= DETAILS_SINCE else {}
    return {**told, **trace, **host, **host_id, **details}
