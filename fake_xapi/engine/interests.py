"""The events that a caller wants: ``*``, a class, or one object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.datamodel.failure import Failure
from fake_xapi.state.ids import Id, class_numbers, number_of
from fake_xapi.state.world import World


@dataclass(frozen=True, slots=True)
class Interest:
    """The events that a caller wants: class numbers and single objects."""

    classes: frozenset[int] = frozenset()
    objects: frozenset[Id] = frozenset()

    def covers(self, identity: Id) -> bool:
        """Whether an object is included."""
        return number_of(identity) in self.classes or identity in self.objects

    def __or__(self, other: Interest) -> Interest:
        return Interest(self.classes | other.classes, self.objects | other.objects)

    def __sub__(self, other: Interest) -> Interest:
        return Interest(self.classes - other.classes, self.objects - other.objects)


@lru_cache(maxsize=1)
def _eventful() -> frozenset[int]:
    """The numbers of the classes that have events."""
    return frozenset(class_numbers()[cls.name] for cls in datamodel().classes.values() if cls.has_events)


@lru_cache(maxsize=1)
def _by_lower_name() -> Mapping[str, int]:
    return {name.lower(): class_numbers()[name] for name in datamodel().classes}


def interest_in(world: World, names: Iterable[str]) -> Interest:
    """The interest in ``*``, ``vm`` and ``vm/OpaqueRef:...``; EVENT_SUBSCRIPTION_PARSE_FAILURE [name] for anything else."""
    found = Interest()
    for name in names:
        cls, slash, ref = name.partition("/")
        if name == "*":
            found |= Interest(_eventful())
        elif cls.lower() not in _by_lower_name() or "/" in ref:
            raise Failure("EVENT_SUBSCRIPTION_PARSE_FAILURE", name)
        elif slash:
            found |= Interest(objects=frozenset({world.find_ref(ref)}))
        else:
            found |= Interest(frozenset({_by_lower_name()[cls.lower()]}) & _eventful())
    return found
