"""Keeps what was asked of each instance of a cell, in the same transaction as the change that it caused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from compute_core.cells.ledger import Also
from compute_core.model.instance_actions import ActionEvent, InstanceAction, names_of
from compute_core.model.instances import Instance
from compute_core.model.transitions import is_unshelving
from compute_core.store import instance_actions

SUCCESS, ERROR = "Success", "Error"


def note(connection: Connection, instance: Instance, context: Mapping[str, Any], action: str, now: str, host: str = "") -> None:
    """Somebody has asked for an action; ``now`` is an ISO text with microseconds. ``host``: whose part it is, "" for the instance's."""
    names = names_of(action)
    events = (ActionEvent(names.event, now, host or instance.host),) if names.event else ()
    asked = InstanceAction(
        instance.uuid, context["request_id"], names.action, context["user_id"], context["project_id"], now, now, "", events
    )  # fmt: skip
    instance_actions.add(connection, asked)


def noted(context: Mapping[str, Any], action: str, now: str) -> Also:
    """``note`` as part of a change."""
    return lambda connection, instance: note(connection, instance, context, action, now)


def ended(action: str, error: str | None, host: str, now: str) -> Also:
    """The action has ended, well when ``error`` is None: the newest that is open learns so."""

    def also(connection: Connection, instance: Instance) -> None:
        end(connection, instance, action, error, host, now)

    return also


def end(connection: Connection, instance: Instance, action: str, error: str | None, host: str, now: str, note: str = "") -> None:
    """As ``ended``, for whoever has a transaction. ``note``: what there is to say of one that ended well."""
    event = names_of(action).event
    open_one = next((each for each in instance_actions.of_instance(connection, instance.uuid) if _is_open(each, event)), None)
    if open_one is None:
        return
    result = SUCCESS if error is None else ERROR
    where = host or instance.host or open_one.events[-1].host
    last = replace(open_one.events[-1], finished_at=now, result=result, details=error or note or None, host=where)
    message = "" if error is None else ERROR
    instance_actions.change(connection, replace(open_one, updated_at=now, message=message, events=(*open_one.events[:-1], last)))


def go_on(connection: Connection, uuid: str, action: str, host: str, now: str) -> None:
    """The newest action of an instance has one more part, which begins on a host."""
    newest = next(iter(instance_actions.of_instance(connection, uuid)), None)
    if newest is not None and newest.events:
        begun = ActionEvent(names_of(action).event, now, host)
        instance_actions.change(connection, replace(newest, updated_at=now, events=(*newest.events, begun)))


def building(instance: Instance) -> str:
    """What a build is called here: servers that were offloaded are built by being unshelved."""
    return "unshelve" if is_unshelving(instance) else "create"


def _is_open(action: InstanceAction, event: str) -> bool:
    return bool(action.events) and action.events[-1].event == event and action.events[-1].result is None
