"""The layout of a class's rows: the position of each field, its first value, and which fields mirror which.

A row has every field of the newest datamodel, whatever release the world pretends to be: a personality filters what clients see.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.datamodel.model import ClassModel, Relation
from fake_xapi.state.ids import class_numbers
from fake_xapi.state.unseen import stored_classes


@dataclass(frozen=True, slots=True)
class Link:
    """One end of a relation: a field of this class, and the field of the other class that holds the other end."""

    index: int
    other_index: int
    is_set: bool
    other_is_set: bool


class Layout:
    """The positions of a class's fields. ``links`` are written ends, ``mirrors`` the ends that the store maintains."""

    __slots__ = ("cls", "defaults", "index", "links", "mirrors", "name_index", "names", "number", "uuid_index")

    def __init__(self, model: ClassModel) -> None:
        self.cls = model.name
        self.number = class_numbers()[model.name]
        self.names = tuple(field.name for field in model.fields)
        self.index: Mapping[str, int] = {name: place for place, name in enumerate(self.names)}
        self.defaults = tuple(field.default for field in model.fields)
        self.uuid_index = self.index.get("uuid", -1)
        self.name_index = next((i for i, field in enumerate(model.fields) if field.column == "name__label"), -1)
        self.links: dict[int, Link] = {}
        self.mirrors: dict[int, Link] = {}

    def __repr__(self) -> str:
        return f"Layout({self.cls})"


@lru_cache(maxsize=1)
def layouts() -> Mapping[str, Layout]:
    """The layout of every class."""
    made = {name: Layout(model) for name, model in stored_classes().items()}
    for relation in datamodel().relations:
        if (relation.from_class, relation.from_field) != (relation.to_class, relation.to_field):
            _link(made, relation)
    return made


def _link(made: Mapping[str, Layout], relation: Relation) -> None:
    source, target = made[relation.from_class], made[relation.to_class]
    here, there = source.index[relation.from_field], target.index[relation.to_field]
    here_is_set, there_is_set = isinstance(source.defaults[here], tuple), isinstance(target.defaults[there], tuple)
    source.links[here] = Link(here, there, here_is_set, there_is_set)
    target.mirrors[there] = Link(there, here, there_is_set, here_is_set)


@lru_cache(maxsize=1)
def layouts_by_number() -> tuple[Layout | None, ...]:
    """The layout for every class number; number 0 stands for no class."""
    return (None, *(layouts()[name] for name in class_numbers()))
