"""The machinery of every lifecycle: facts about an object, guards over them in the order of their errors, and the operations they allow.

A guard has two halves. ``holds`` decides on facts alone, so that its decisions can be cached; ``refusal`` writes the error, for
which it may look at the object again. `allowed_operations` and refusals come from the same guards and can never disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, Protocol, TypeVar

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.datamodel.personality import Era, Personality
from fake_xapi.state.ids import Id, class_numbers, make_id


class AnyRow(Protocol):
    """An object as it is stored, or as an edit will leave it."""

    def __getitem__(self, field: str, /) -> Any:
        """The value of a field."""
        ...

    @property
    def cls(self) -> str:
        """The class of the object."""
        ...


class Rows(Protocol):
    """Where objects are found by id: a world or an edit."""

    @property
    def personality(self) -> Personality:
        """The release that the world pretends to be."""
        ...

    def get(self, identity: Id, /) -> AnyRow | None:
        """The object of an id, None when it is gone."""
        ...

    def __getitem__(self, identity: Id, /) -> AnyRow:
        """The object of an id; Failure HANDLE_INVALID when it is gone."""
        ...


class View(Rows, Protocol):
    """Rows whose refs are known: a world."""

    def ref(self, identity: Id, /) -> str:
        """The ref of an object."""
        ...


POOL: Id = make_id(class_numbers()["pool"], 1)
"""A world has exactly one pool, so its id is that of the first."""


@dataclass(frozen=True, slots=True)
class Case:
    """One requested operation on one object."""

    view: View
    identity: Id
    row: AnyRow
    operation: str

    @property
    def me(self) -> Handle:
        """The object as a parameter of an error."""
        return Handle(self.identity)

    @property
    def era(self) -> Era:
        """The era whose spelling of errors applies."""
        return self.view.personality.era


class Facts(Protocol):
    """The facts that a lifecycle needs about an object: hashable, without ids or tasks, so that many objects share them."""

    def __hash__(self) -> int:
        """By value."""
        ...

    @property
    def release(self) -> str:
        """The name of the personality."""
        ...

    @property
    def era(self) -> Era:
        """Its era."""
        ...


F = TypeVar("F", bound=Facts)


@dataclass(frozen=True, slots=True)
class Guard(Generic[F]):
    """One reason to refuse. ``is_lenient`` ones are skipped when the caller insists (``strict=False``)."""

    holds: Callable[[F, str], bool]
    refusal: Callable[[Case], Failure]
    is_lenient: bool = False


class Lifecycle(Generic[F]):
    """The rules of one class. ``shown`` lists, by facts, the operations that `allowed_operations` may contain, in its order."""

    def __init__(
        self,
        facts: Callable[[Rows, AnyRow], F],
        guards: Callable[[F], tuple[Guard[F], ...]],
        shown: Callable[[F], tuple[str, ...]],
    ) -> None:
        self.facts = facts
        self.guards = guards
        self.shown = shown
        self._allowed = lru_cache(maxsize=4096)(self._decide)

    def check(self, view: View, identity: Id, operation: str, *, strict: bool = True) -> Failure | None:
        """Why the operation is refused, None when it may begin. Raises HANDLE_INVALID when the object is gone."""
        row = view[identity]
        facts = self.facts(view, row)
        for guard in self.guards(facts):
            if guard.holds(facts, operation) and (strict or not guard.is_lenient):
                return guard.refusal(Case(view, identity, row, operation))
        return None

    def allowed(self, rows: Rows, identity: Id) -> tuple[str, ...]:
        """What `allowed_operations` says, in the order in which XAPI stores it."""
        return self._allowed(self.facts(rows, rows[identity]))

    def _decide(self, facts: F) -> tuple[str, ...]:
        guards = self.guards(facts)
        return tuple(op for op in self.shown(facts) if not any(guard.holds(facts, op) for guard in guards))


def always(code: str, *params: str) -> Callable[[Case], Failure]:
    """A refusal with fixed parameters."""
    return lambda _case: Failure(code, *params)


def about_me(code: str) -> Callable[[Case], Failure]:
    """A refusal that names only the object."""
    return lambda case: Failure(code, case.me)


def about_me_and_operation(code: str) -> Callable[[Case], Failure]:
    """A refusal that names the object and the operation."""
    return lambda case: Failure(code, case.me, case.operation)


def operations_of(row: AnyRow) -> tuple[str, ...]:
    """The operations under way on an object, as a fact."""
    current: Mapping[str, str] = row["current_operations"]
    return tuple(current.values()) if current else ()


def joined(texts: list[str]) -> str:
    """A single text as it is; several in braces."""
    return texts[0] if len(texts) == 1 else "{" + ",".join(texts) + "}"


def busy(case: Case) -> Failure:
    """OTHER_OPERATION_IN_PROGRESS about the object of a case."""
    return busy_with(case.view, case.identity)


def busy_with(view: View, identity: Id) -> Failure:
    """OTHER_OPERATION_IN_PROGRESS about any object, as worded in the era: class, ref, operation, task."""
    row = view[identity]
    current: Mapping[str, str] = row["current_operations"]
    operation, task = joined(list(current.values())), joined(list(current))
    return _BUSY.get(view.personality.era, _busy_with_task)(row.cls, Handle(identity), operation, task)


def busy_because(view: View, identity: Id, cause: Id) -> Failure:
    """OTHER_OPERATION_IN_PROGRESS about an object, because of an operation on another one."""
    current: Mapping[str, str] = view[cause]["current_operations"]
    cls, me = view[identity].cls, Handle(identity)
    if view.personality.era != "modern":
        return Failure("OTHER_OPERATION_IN_PROGRESS", cls, me)
    return Failure("OTHER_OPERATION_IN_PROGRESS", cls, me, joined(list(current.values())), joined(list(current)))


def _busy_with_task(cls: str, me: Handle, operation: str, task: str) -> Failure:
    return Failure("OTHER_OPERATION_IN_PROGRESS", cls, me, operation, task)


def _busy_in_2012(cls: str, me: Handle, operation: str, _task: str) -> Failure:
    if cls == "VM":
        return Failure("OTHER_OPERATION_IN_PROGRESS", f"VM.{operation}", me)
    if cls == "VDI":
        return Failure("OTHER_OPERATION_IN_PROGRESS", "VDI", me)
    return Failure("OTHER_OPERATION_IN_PROGRESS", cls, me, operation)


_BUSY: Mapping[str, Callable[[str, Handle, str, str], Failure]] = {
    "boston": _busy_in_2012,
    "tampa": _busy_in_2012,
    "clearwater": _busy_in_2012,
}
