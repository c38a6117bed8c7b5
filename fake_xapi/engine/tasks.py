"""Tasks: what is seen of a call while it runs, and for a while after it.

A finished task is forgotten 65 minutes later, a pending one without progress after a day, the oldest when there are over 200.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from fake_xapi.datamodel.types import NEVER
from fake_xapi.engine.rbac import ANY_TASK, denied
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.state.row import Row
from fake_xapi.verbs.call import Verb

if TYPE_CHECKING:
    from fake_xapi.engine.call import RunningCall
    from fake_xapi.engine.xapi import Xapi

FINISHED_S = 65 * 60.0
PENDING_S = 24 * 3600.0
MOST = 200
SLACK = 20
"""XAPI's collector comes by now and then: so many more may be there before the oldest go, all in one commit."""
FINAL = frozenset({"success", "failure", "cancelled"})


class Tasks:
    """The task rows of one XAPI: made, ended and forgotten here alone."""

    __slots__ = ("_ages", "_timer", "_xapi")

    def __init__(self, xapi: Xapi) -> None:
        self._xapi = xapi
        self._ages: dict[Id, float] = {}
        """When each task that outlives its call began or ended, oldest first."""
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, edit: Edit, name: str, session: Id, *, description: str = "", can_cancel: bool = True) -> Id:
        """A pending task."""
        return edit.create(
            "task",
            name_label=name,
            name_description=description,
            status="pending",
            created=self._xapi.now(),
            session=session,
            resident_on=self._xapi.host,
            type="<none/>",
            backtrace="()",
            allowed_operations=("cancel",) if can_cancel else (),
        )

    def succeed(self, edit: Edit, task: Id, result: str) -> None:
        """End as a success; ``result`` is XML. A task that has ended stays as it is."""
        self._end(edit, task, "success", result=result)

    def fail(self, edit: Edit, task: Id, details: list[str]) -> None:
        """End as a failure with its ErrorDescription."""
        self._end(edit, task, "failure", error_info=tuple(details))

    def cancel(self, edit: Edit, task: Id) -> None:
        """End as cancelled."""
        self._end(edit, task, "cancelled")

    def _end(self, edit: Edit, task: Id, status: str, **fields: object) -> None:
        row = edit.get(task)
        if row is None or row["status"] in FINAL:
            return
        if "destroy" in row["current_operations"].values():
            edit.destroy(task)
            return
        edit.set(task, allowed_operations=(), finished=self._xapi.now(), progress=1.0, status=status, current_operations={}, **fields)
        self.remember(task)

    def remember(self, task: Id) -> None:
        """Count a task's age from now: it is forgotten when it is too old, or one of too many."""
        self._ages.pop(task, None)
        self._ages[task] = asyncio.get_running_loop().time()
        if len(self._ages) > MOST + SLACK:
            self._forget_excess()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FINISHED_S, self._expire)

    def close(self) -> None:
        """Stop the clock of expiry."""
        if self._timer is not None:
            self._timer.cancel()

    def _forget_excess(self) -> None:
        world = self._xapi.world
        finished = (task for task in self._ages if self._is_final(world.get(task)))
        self._forget(list(islice(finished, len(self._ages) - MOST)))

    def _expire(self) -> None:
        now_s, world = asyncio.get_running_loop().time(), self._xapi.world
        limits = ((task, age, FINISHED_S if self._is_final(world.get(task)) else PENDING_S) for task, age in self._ages.items())
        self._forget([task for task, age, limit in limits if now_s - age >= limit])
        self._timer = None
        if self._ages:
            oldest_s = next(iter(self._ages.values()))
            self._timer = asyncio.get_running_loop().call_later(max(60.0, oldest_s + FINISHED_S - now_s), self._expire)

    @staticmethod
    def _is_final(row: Row | None) -> bool:
        return row is None or row["status"] in FINAL

    def _forget(self, tasks: list[Id]) -> None:
        with self._xapi.world.edit() as edit:
            for task in tasks:
                del self._ages[task]
                if edit.get(task) is not None:
                    edit.destroy(task)


def assert_own(call: RunningCall, task: Id) -> None:
    """Raise RBAC_PERMISSION_DENIED ["task.destroy/any", message] unless the caller's user made the task, or may end those of others."""
    world = call.world
    caller = world.get(call.session)
    if caller is None or caller["is_local_superuser"] or ANY_TASK in caller["rbac_permissions"]:
        return
    owner = world.get(world[task]["session"])
    if owner is None or owner["auth_user_sid"] != caller["auth_user_sid"]:
        raise denied(world.personality.name, ANY_TASK)


def create(call: RunningCall, label: str, description: str) -> Id:
    """A task for a client's own transfer."""
    with call.world.edit() as edit:
        task = call.xapi.tasks.begin(edit, label, call.session, description=description, can_cancel=False)
        call.xapi.tasks.remember(task)
    return task


def destroy(call: RunningCall, task: Id) -> None:
    """Forget a finished task at once, a pending one when it ends. RBAC_PERMISSION_DENIED for another user's."""
    assert_own(call, task)
    with call.world.edit() as edit:
        if edit[task]["status"] in FINAL:
            edit.destroy(task)
        else:
            edit.put(task, "current_operations", "task", "destroy")


def cancel(call: RunningCall, task: Id) -> None:
    """Ask the call behind a task to stop. One that cannot, does not: that is no error. RBAC_PERMISSION_DENIED for another user's."""
    assert_own(call, task)
    if call.world[task]["status"] in FINAL:
        return
    with call.world.edit() as edit:
        edit.put(task, "current_operations", call.world.ref(call.task or task), "cancel")
    call.xapi.cancel(task)


def set_status(call: RunningCall, task: Id, value: str) -> None:
    """A client ends its own task. RBAC_PERMISSION_DENIED for another user's."""
    assert_own(call, task)
    with call.world.edit() as edit:
        edit.set(task, status=value, finished=call.now() if value in FINAL else NEVER)
        if value in FINAL:
            edit.set(task, progress=1.0, allowed_operations=())


def _writes(field: str) -> Verb:
    """A verb that writes one field of a task; RBAC_PERMISSION_DENIED for another user's."""

    def write(call: RunningCall, task: Id, value: Any) -> None:
        assert_own(call, task)
        with call.world.edit() as edit:
            edit.set(task, **{field: tuple(value) if isinstance(value, list) else value})

    return write


VERBS: Mapping[str, Verb] = {
    "task.create": create,
    "task.destroy": destroy,
    "task.cancel": cancel,
    "task.set_status": set_status,
    "task.set_progress": _writes("progress"),
    "task.set_result": _writes("result"),
    "task.set_error_info": _writes("error_info"),
}
