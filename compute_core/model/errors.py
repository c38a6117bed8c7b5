"""What can go wrong, as the caller sees it. Adapters raise these; the API translates them once, at its border."""

from __future__ import annotations


class ComputeError(Exception):
    """The family; ``message`` is a sentence for the user that names the cure where there is one."""

    status = 500
    name = "computeFault"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NotFound(ComputeError):
    """A thing that does not exist, or that the caller may not see."""

    status = 404
    name = "itemNotFound"

    @classmethod
    def of(cls, kind: str, identity: object) -> NotFound:
        """The usual sentence: ``Instance 17 could not be found.``"""
        return cls(f"{kind} {identity} could not be found.")


class Invalid(ComputeError):
    """A request that cannot be meant."""

    status = 400
    name = "badRequest"


class Forbidden(ComputeError):
    """A request that needs another role, or that goes over a quota."""

    status = 403
    name = "forbidden"


class Conflict(ComputeError):
    """A request that does not fit the present state of the thing."""

    status = 409
    name = "conflictingRequest"


class OverQuota(Conflict):
    """More of a thing than there may be, as Neutron says it."""

    name = "OverQuota"


class NoValidHost(ComputeError):
    """No host passes the scheduler's filters, or the last one tried has failed."""


class BuildFailed(ComputeError):
    """A server could not be built on one host; another host may be tried when ``is_retryable``."""

    def __init__(self, message: str, *, is_retryable: bool = True) -> None:
        super().__init__(message)
        self.is_retryable = is_retryable


class HostUnreachable(ComputeError):
    """XenAPI, a broker or an agent does not answer."""


class BadImage(ComputeError):
    """Bytes that are not the image that they claim to be; ``message`` says where and what."""

    status = 400
    name = "badRequest"
