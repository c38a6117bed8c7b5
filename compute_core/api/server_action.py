"""``POST /servers/{id}/action``: one key in the body says what is meant, and a table says who does it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compute_core.api.call import Call, Handler, Reply
from compute_core.api.route import Action, schema_of
from compute_core.api.validation import check_body
from compute_core.model.errors import Forbidden, Invalid, NotFound


def act(actions: tuple[Action, ...]) -> Handler:
    """The handler that looks the action up. A body of several keys, or of an unknown one, is refused as Nova does."""
    by_key = {action.key: action for action in actions}

    async def handler(call: Call) -> Reply:
        action = _find(by_key, call.body)
        _check_access(call, action)
        check_body(call.body[action.key], schema_of(action.body, call.version) or {})
        answer = await action.act(call, call.path["server_id"], call.body[action.key])
        reply = answer if isinstance(answer, Reply) else Reply(answer)
        return Reply(reply.body, reply.status or action.status, reply.headers, reply.stream)

    return handler


def _check_access(call: Call, action: Action) -> None:
    if not action.since <= call.version <= action.until:
        raise NotFound("The resource could not be found.")
    if call.token is None or action.access.value not in call.token.roles:
        raise Forbidden(f"Policy doesn't allow the action {action.key} to be performed: it needs the role {action.access.value}.")


def _find(by_key: Mapping[str, Action], body: Mapping[str, Any]) -> Action:
    if len(body) != 1:
        raise Invalid("Malformed request body")
    key = next(iter(body))
    action = by_key.get(key)
    if action is None:
        raise Invalid(f"There is no such action: {key}")
    return action
