"""Refusals of the control plane: an HTTP status, a code for programs, and a sentence with the cure for people."""

from __future__ import annotations

from collections.abc import Sequence

from fake_xapi.datamodel.names import suggestion


class Refused(Exception):
    """The request cannot be fulfilled."""

    status = 400
    code = "bad_request"


class NotFound(Refused):
    """Nothing has that name."""

    status = 404
    code = "not_found"


class Forbidden(Refused):
    """The caller is not allowed to do this."""

    status = 403
    code = "forbidden"


class Conflict(Refused):
    """The present state does not allow it."""

    status = 409
    code = "conflict"


class TooMany(Refused):
    """The maximum number of watchers is served already."""

    status = 503
    code = "busy"


class TooSlow(Refused):
    """The simulation did not answer in time."""

    status = 503
    code = "too_slow"


def nothing_called(what: str, name: str, known: Sequence[str]) -> NotFound:
    """The refusal of an unknown name, with suggestions."""
    return NotFound(f"no {what} is called {name!r}; {suggestion(name, known) if known else 'there is none at all'}")
