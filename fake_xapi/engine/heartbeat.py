"""The pool's watch over its hosts: one that falls silent is missed after a while. Nothing runs while all are well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fake_xapi.engine.call import RunningCall
from fake_xapi.state.ids import NULL, Id
from fake_xapi.verbs.hosts import host_failure

if TYPE_CHECKING:
    from fake_xapi.engine.xapi import Xapi


def fell_silent(pool: Xapi, host: Id) -> None:
    """Note that a host no longer answers."""
    pool.spawn(_name(host), host_failure.miss(_own_call(pool), host))


def came_back(pool: Xapi, host: Id) -> None:
    """Note that it answers again."""
    pool.spawn(_name(host), host_failure.welcome(_own_call(pool), host))


def joined(pool: Xapi, host: Id) -> None:
    """Let a machine that has become a member say hello."""
    pool.spawn(_name(host), host_failure.hello(_own_call(pool), host))


def _name(host: Id) -> str:
    return f"heartbeat of {host}"


def _own_call(pool: Xapi) -> RunningCall:
    """A call that XAPI makes of its own accord."""
    return RunningCall(pool, pool.routes["host.evacuate"].message, "heartbeat", NULL)
