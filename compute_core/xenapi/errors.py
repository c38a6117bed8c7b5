"""What may go wrong between a call and its answer. Recipes decide by these what to look up, what to undo and what to report."""

from __future__ import annotations

from collections.abc import Sequence


class XenApiFailure(Exception):
    """XenAPI's own refusal: ``details`` is its ErrorDescription, the code first."""

    def __init__(self, details: Sequence[str]) -> None:
        super().__init__(*details)
        self.details = tuple(details)

    @property
    def code(self) -> str:
        """The error's name in the catalogue, ``VM_BAD_POWER_STATE``."""
        return self.details[0] if self.details else ""

    @property
    def params(self) -> tuple[str, ...]:
        """What the catalogue says about this code's parameters, in order."""
        return self.details[1:]

    def __str__(self) -> str:
        return f"{self.code} [{', '.join(self.params)}]"


class Unanswered(Exception):
    """A request without a usable answer."""

    def __init__(self, method: str, reason: str) -> None:
        super().__init__(f"{method}: {reason}")
        self.method = method
        self.reason = reason


class NotSent(Unanswered):
    """The server never had the request: nothing has happened there."""


class ReplyLost(Unanswered):
    """The request went out and no answer came back: it may have been done, may be under way, or may be lost. Look, do not repeat."""


class TransferFailed(Exception):
    """Bytes of a disk did not arrive whole, in either direction."""


class Redirected(Exception):
    """A host has sent the bytes of a disk to another one, by the URL ``location``."""

    def __init__(self, what: str, location: str) -> None:
        super().__init__(f"{what}: go to {location}")
        self.location = location
