"""Which function answers which message of a personality, with everything known beforehand: made once, shared by all XAPIs."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.model import Message, Parameter
from fake_xapi.datamodel.personality import personality
from fake_xapi.engine import event_calls, logins, messages, tasks
from fake_xapi.engine.accessors import Accessor, accessor_of
from fake_xapi.engine.audit import Plan, plan_of
from fake_xapi.engine.marshal import Marshal, Unmarshal, marshaller, texts_in, unmarshaller
from fake_xapi.lifecycle.registry import OPERATIONS
from fake_xapi.verbs.call import Verb
from fake_xapi.verbs.declined import DECLINED
from fake_xapi.verbs.migrations.migration_journey import FOREIGN
from fake_xapi.verbs.registry import VERBS
from fake_xapi.verbs.updates.licensed import licensed

ENGINE_VERBS: Mapping[str, Verb] = {**logins.VERBS, **tasks.VERBS, **event_calls.VERBS, **messages.VERBS}
"""Messages about the running XAPI itself: their verbs get the engine's own kind of call."""


@dataclass(frozen=True, slots=True)
class Route:
    """How one message is answered: by an accessor where there is one, else by the body of a verb."""

    message: Message
    least: int
    most: int
    enter: tuple[Unmarshal, ...]
    leave: Marshal
    accessor: Accessor | None
    body: Verb
    is_coroutine: bool
    operation: str
    self_cls: str
    audit: Plan | None

    foreign: tuple[int, ...] = ()
    """The positions of parameters whose refs may belong to another pool."""

    @property
    def defaults(self) -> tuple[Any, ...]:
        """The wire values of optional parameters."""
        return tuple(param.default for param in self.message.params[self.least :])


class RouteTable(dict[str, Route]):
    """Routes by the name on the wire, each made when first needed; KeyError for a message that the release lacks."""

    def __init__(self, release: str) -> None:
        super().__init__()
        self._messages = personality(release).messages

    def __missing__(self, name: str) -> Route:
        made = self[name] = _route(self._messages[name])
        return made


@cache
def routes(release: str) -> RouteTable:
    """The table of a personality."""
    return RouteTable(release)


def _declining(message: Message) -> Verb:
    """The answer to a message without a verb."""
    declined = DECLINED.get(message.wire_name)
    code = declined.code if declined is not None else "NOT_IMPLEMENTED"

    def refuse(call: object, *params: object) -> None:
        raise Failure(code, message.wire_name)

    return refuse


_LENIENT = frozenset({("host.call_plugin", "args"), ("VM.call_host_plugin", "args")})
"""The map parameters in which numbers are accepted as texts."""


def _enters(message: Message, param: Parameter) -> Unmarshal:
    return texts_in if (message.wire_name, param.name) in _LENIENT else unmarshaller(param.type)


def _route(message: Message) -> Route:
    verb = ENGINE_VERBS.get(message.wire_name) or VERBS.get(message.wire_name)
    verb = licensed(message.wire_name, verb) if verb is not None else None
    first = message.params[0].type if message.params else None
    return Route(
        message,
        message.min_params,
        len(message.params),
        tuple(_enters(message, param) for param in message.params),
        marshaller(message.result),
        accessor_of(message) if verb is None else None,
        verb or _declining(message),
        inspect.iscoroutinefunction(verb),
        OPERATIONS.get(message.wire_name, ""),
        first.name if first is not None and first.is_ref and first.name == message.cls else "",
        plan_of(message),
        tuple(place for place, param in enumerate(message.params) if param.name in FOREIGN.get(message.wire_name, ())),
    )
