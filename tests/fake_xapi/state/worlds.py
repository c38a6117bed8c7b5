"""Small worlds for tests."""

from __future__ import annotations

from fake_xapi.datamodel.personality import personality
from fake_xapi.state.value import Value
from fake_xapi.state.world import World


def empty_world(seed: str = "7") -> World:
    """A world with nothing in it."""
    return World(Value.empty(), seed, personality())
