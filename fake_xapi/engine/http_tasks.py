"""The tasks of HTTP transfers: a client makes one with ``task.create`` and names it in the request."""

from __future__ import annotations

from fake_xapi.datamodel.failure import Failure
from fake_xapi.engine.tasks import FINAL, Tasks
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World


class UnseenTask:
    """The task of a transfer whose client named none."""

    __slots__ = ()

    def progress(self, fraction: float) -> None:
        """Do nothing: nobody watches."""

    def result(self, text: str) -> None:
        """Do nothing: nobody watches."""

    def fail(self, failure: Failure) -> None:
        """Do nothing: the reply says it."""


class TransferTask:
    """A client's own task while its transfer runs."""

    __slots__ = ("_task", "_tasks", "_world")

    def __init__(self, world: World, tasks: Tasks, task: Id) -> None:
        self._world = world
        self._tasks = tasks
        self._task = task

    def progress(self, fraction: float) -> None:
        """Report progress; Failure TASK_CANCELLED [task] when somebody has cancelled the task."""
        row = self._world.get(self._task)
        if row is None or row["status"] in FINAL:
            return
        if "cancel" in row["current_operations"].values():
            raise Failure("TASK_CANCELLED", self._world.ref(self._task))
        with self._world.edit() as edit:
            edit.set(self._task, progress=round(fraction, 2))

    def result(self, text: str) -> None:
        """End as a success."""
        with self._world.edit() as edit:
            self._tasks.succeed(edit, self._task, text)

    def fail(self, failure: Failure) -> None:
        """End as a failure, or as cancelled when that is what stopped it."""
        with self._world.edit() as edit:
            if failure.code == "TASK_CANCELLED":
                self._tasks.cancel(edit, self._task)
            else:
                self._tasks.fail(edit, self._task, failure.details)
