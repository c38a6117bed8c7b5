"""A handler's transfer as a call: what a verb may do, a handler may, and its task is seen, followed and cancelled like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fake_xapi.datamodel.model import Message
from fake_xapi.datamodel.types import VOID
from fake_xapi.engine.call import RunningCall
from fake_xapi.engine.tasks import FINAL
from fake_xapi.state.ids import Id

if TYPE_CHECKING:
    from fake_xapi.engine.xapi import Xapi


def begin_transfer(xapi: Xapi, name: str, session: Id, task_ref: str) -> RunningCall:
    """A call whose task is the one that the client named, or a new one. ``name``: "VM.export".

    Whoever begins it ends it (``end_now``). The task can be cancelled until then.
    """
    cls, _, verb = name.partition(".")
    message = Message(cls, verb, "custom", (), VOID, release=0, roles="", is_async=True)
    call = RunningCall(xapi, message, name, session, outlives=True)
    named = xapi.world.find_ref(task_ref) if task_ref else 0
    with xapi.world.edit() as edit:
        call.task = named or xapi.tasks.begin(edit, name, session)
        if edit[call.task]["status"] not in FINAL:
            edit.set(call.task, allowed_operations=("cancel",))
    xapi.tasks.remember(call.task)
    xapi.calls[call.task] = call
    return call


def unseen_call(xapi: Xapi, name: str) -> RunningCall:
    """What happens of itself, as a call that nobody sees: it has no session and no task. ``name``: "VM.key"."""
    cls, _, verb = name.partition(".")
    return RunningCall(xapi, Message(cls, verb, "custom", (), VOID, release=0, roles="", is_async=False), name, 0)
