"""The verbs of console. Real consoles are made along with their domains; those that callers create are mere rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb


def create(call: Call, record: dict[str, Any]) -> Id:
    """Create a console's row, with nothing behind it."""
    with call.world.edit() as edit:
        return edit.create("console", **record)


def destroy(call: Call, console: Id) -> None:
    """Remove the row."""
    with call.world.edit() as edit:
        edit.destroy(console)


VERBS: Mapping[str, Verb] = {"console.create": create, "console.destroy": destroy}
