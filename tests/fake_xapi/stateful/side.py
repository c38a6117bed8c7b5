"""One pool of a fleet as its client has it: who leads it, a session, and the copy of the database that events keep."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fake_xapi.datamodel.failure import Failure
from fake_xapi.engine.xapi import Xapi
from fake_xapi.state.ids import class_of
from fake_xapi.state.row import Row
from fake_xapi.state.value import Value, diff
from fake_xapi.state.world import World
from tests.fake_xapi.stateful import holding
from tests.fake_xapi.stateful.cache import EventCache

NULL = "OpaqueRef:NULL"
NOT_DATABASE = frozenset({"session", "task"})
Where = Callable[[Row], bool]


@dataclass(slots=True)
class Side:
    """A pool by the name of the host that answers for it. ``ask`` dispatches a call and lets the clock go until it is answered."""

    name: str
    xapi: Xapi
    ask: Callable[[Xapi, str, list[Any]], Any]
    session: str = ""
    cache: EventCache = field(default_factory=EventCache)
    seen: Value | None = None

    def log_in(self) -> None:
        """Begin a session."""
        self.session = str(self.ask(self.xapi, "session.login_with_password", ["root", "xenroot"]))

    @property
    def world(self) -> World:
        """The pool's world."""
        return self.xapi.world

    def call(self, method: str, *params: Any) -> Any:
        """The answer of a call; Failure as the client sees it."""
        return self.ask(self.xapi, method, [self.session, *params])

    def refusal(self, method: str, *params: Any) -> list[str]:
        """The ErrorDescription of a call, [] when it was served."""
        try:
            self.call(method, *params)
        except Failure as failure:
            return failure.details
        return []

    def any(self, pick: random.Random, cls: str, where: Where = lambda row: True) -> str:
        """Any object of a class, always the same for the same draw; NULL when there is none."""
        found = sorted(identity for identity, row in self.world.rows(cls) if where(row))
        return self.world.ref(pick.choice(found)) if found else NULL

    def changes(self, before: Value) -> list[str]:
        """The classes of what is other than before, sessions and tasks aside."""
        changed = (class_of(change.identity) for change in diff(before, self.world.value))
        return sorted(cls for cls in changed if cls not in NOT_DATABASE)

    def holds(self) -> None:
        """Assert what always holds, unless nothing has changed since it did."""
        holding.a_cache_kept_from_events_is_the_database(self.world, self.cache, self.call)
        if self.seen is self.world.value:
            return
        holding.both_ends_of_every_relation_agree(self.world)
        holding.nobody_holds_what_nobody_does(self.world)
        holding.what_is_shown_is_what_the_rules_say_now(self.world)
        self.seen = self.world.value
