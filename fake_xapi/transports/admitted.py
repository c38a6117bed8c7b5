"""What all transfer handlers have in common: callers are admitted or refused, and the task is told the outcome.

May not know HTTP, nor what is transferred.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from inspect import isawaitable

from fake_xapi.datamodel.failure import Failure
from fake_xapi.engine.dispatch import rendered
from fake_xapi.transports.ports import HttpTask, Xapi
from fake_xapi.transports.streams import BodyLost
from fake_xapi.transports.transfers import BadRequest, Handler, TransferAnswer, TransferRequest

_PROGRESS_STEP = 0.05


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request with its session and its task."""

    request: TransferRequest
    session: int
    task: HttpTask

    @property
    def xapi(self) -> Xapi:
        """The XAPI that was called."""
        return self.request.xapi

    @property
    def parameters(self) -> Mapping[str, str]:
        """The parameters in query and cookies."""
        return self.request.parameters


Work = Callable[[Admitted], Awaitable[TransferAnswer]]


def nothing_moved(admitted: Admitted) -> int:
    """The size of a transfer whose bytes take no noticeable time."""
    return admitted.request.length or 0


def admitting(action: str, work: Work, size: Callable[[Admitted], int] = nothing_moved) -> Handler:
    """Make a handler that admits only authorised callers, and tells the task the outcome.

    ``action`` is the schema's name of the HTTP action ("put_import_raw_vdi"), ``size`` says how many bytes will be moved.
    """
    return letting_in(action, lambda admitted: admitted.xapi.transfer(action, size(admitted), lambda: work(admitted)))


def letting_in(action: str, work: Work) -> Handler:
    """The same for work that lets the time pass by itself (``Xapi.transfer``)."""

    async def handle(request: TransferRequest) -> TransferAnswer:
        xapi = request.xapi
        try:
            session = _authorise(request, action)
        except Failure as failure:
            with contextlib.suppress(Failure):  # who is not let in does not hear whether there is such a task
                _task(request).fail(rendered(xapi.world, failure))
            raise
        try:
            return await _told(Admitted(request, session, _task(request)), work)
        finally:
            if session and not isinstance(request.credential, str):
                await answer_of(xapi.dispatch("session.logout", [xapi.world.ref(session)]))

    return handle


def _task(request: TransferRequest) -> HttpTask:
    return request.xapi.http_task(request.parameters.get("task_id", ""))


async def _told(admitted: Admitted, work: Work) -> TransferAnswer:
    """Run the work and tell its task about a failure."""
    try:
        return await work(admitted)
    except Failure as failure:
        told = rendered(admitted.xapi.world, failure)
        admitted.task.fail(told)
        raise told from failure
    except BadRequest as bad:
        admitted.task.fail(bad.failure)
        raise


async def answer_of(value: object) -> object:
    """The answer of a dispatched call, awaited if necessary."""
    return await value if isawaitable(value) else value


def _authorise(request: TransferRequest, action: str) -> int:
    if request.credential is None:
        raise Failure("SESSION_AUTHENTICATION_FAILED", "", "No session and no password given")
    return request.xapi.authorise(request.credential, action)


def steps(task: HttpTask, length: int | None) -> Callable[[int], None]:
    """Make a function that reports each twentieth of a transfer to the task; it reports nothing when the length is unknown."""
    told = 0.0

    def tell(moved: int) -> None:
        nonlocal told
        if length and moved / length >= told + _PROGRESS_STEP:
            told = moved / length
            task.progress(told)

    return tell


async def whole_body(admitted: Admitted, most_bytes: int, *, too_long: Failure, cut_short: Failure) -> bytes:
    """Read a body into memory, reporting progress to the task.

    Raises ``too_long`` when it exceeds ``most_bytes``, ``cut_short`` when the client goes away before its end.
    """
    tell, kept = steps(admitted.task, admitted.request.length), bytearray()
    try:
        async for piece in admitted.request.pieces:
            kept += piece
            if len(kept) > most_bytes:
                raise too_long
            tell(len(kept))
    except BodyLost as lost:
        raise cut_short from lost
    return bytes(kept)
