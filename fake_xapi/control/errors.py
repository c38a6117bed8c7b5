"""Refusals of the control plane: a status, a word for programs, and a sentence with the cure for people."""

from __future__ import annotations

from collections.abc import Sequence

from fake_xapi.datamodel.names import suggestion


class Refused(Exception):
    """What was asked cannot be done."""

    status = 400
    code = "bad_request"


class NotFound(Refused):
    """There is nothing of that name."""

    status = 404
    code = "not_found"


class Forbidden(Refused):
    """Who asks may not."""

    status = 403
    code = "forbidden"


class Conflict(Refused):
    """It cannot be done as things are now."""

    status = 409
    code = "conflict"


class TooMany(Refused):
    """So many are served already."""

    status = 503
    code = "busy"


class TooSlow(Refused):
    """The simulation did not answer in time."""

    status = 503
    code = "too_slow"


def nothing_called(what: str, name: str, known: Sequence[str]) -> NotFound:
    """The refusal of a name that is none, with those that it may have meant."""
    return NotFound(f"no {what} is called {name!r}; {suggestion(name, known) if known else 'there is none at all'}")
