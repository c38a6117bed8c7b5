"""Random edits of a world: both ends of every relation agree, indexes lead to what is there, and the past does not change."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from fake_xapi.state import storage
from fake_xapi.state.ids import Id, class_names
from fake_xapi.state.layout import layouts
from fake_xapi.state.value import Value, diff
from fake_xapi.state.world import World
from tests.fake_xapi.state.worlds import empty_world

LINKS = {"VBD": ("VM", "VDI"), "VIF": ("VM", "network"), "VDI": ("SR",), "VM": ("resident_on", "snapshot_of")}
TARGETS = {"VM": "VM", "VDI": "VDI", "network": "network", "SR": "SR", "resident_on": "host", "snapshot_of": "VM"}


class Edits(RuleBasedStateMachine):
    """Creates, links, renames, destroys and forks; a second copy of the rows is kept beside the store."""

    objects: Bundle[Any] = Bundle("objects")

    def __init__(self) -> None:
        super().__init__()
        self.world = empty_world()
        self.past: list[tuple[Value, dict[Id, tuple[Any, ...]]]] = []

    @rule(target=objects, cls=st.sampled_from(["VM", "VBD", "VIF", "VDI", "SR", "network", "host"]), label=st.sampled_from("abc"))
    def create(self, cls: str, label: str) -> Any:
        with self.world.edit() as edit:
            made = edit.create(cls, **({"name_label": label} if "name_label" in layouts()[cls].index else {}))
        return multiple(made)

    @rule(source=objects, target_=objects, which=st.integers(0, 1))
    def link(self, source: Id, target_: Id, which: int) -> None:
        fields = LINKS.get(class_names()[source & 127], ())
        if which < len(fields) and self._alive(source, target_) and TARGETS[fields[which]] == class_names()[target_ & 127]:
            with self.world.edit() as edit:
                edit.set(source, **{fields[which]: target_})

    @rule(which=objects)
    def destroy(self, which: Id) -> None:
        if self._alive(which):
            with self.world.edit() as edit:
                edit.destroy(which)

    @rule()
    def remember(self) -> None:
        self.past.append((self.world.value, _rows(self.world.value)))

    @rule()
    def save_and_load(self) -> None:
        restored = storage.restore(storage.dump(self.world.value))
        assert list(diff(self.world.value, restored)) == []
        assert restored.names == self.world.value.names

    @invariant()
    def both_ends_agree(self) -> None:
        for cls in (*LINKS, "SR", "network", "host"):
            for identity, row in self.world.rows(cls):
                for link in row.layout.links.values():
                    target = row.values[link.index]
                    if target:
                        assert identity in self.world[target].values[link.other_index]
                for mirror in row.layout.mirrors.values():
                    for source in row.values[mirror.index] if mirror.is_set else ():
                        assert self.world[source].values[mirror.other_index] == identity

    @invariant()
    def names_lead_to_what_bears_them(self) -> None:
        for label in "abc":
            assert set(self.world.named("VM", label)) == {i for i, row in self.world.rows("VM") if row["name_label"] == label}

    @invariant()
    def the_past_stands_still(self) -> None:
        for value, rows in self.past:
            assert _rows(value) == rows

    def _alive(self, *ids: Id) -> bool:
        return all(self.world.get(identity) is not None for identity in ids)


def _rows(value: Value) -> dict[Id, tuple[Any, ...]]:
    return {identity: row.values for table in value.tables for identity, row in table.items()}


TestEdits = Edits.TestCase
TestEdits.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_a_second_world_is_untouched_by_the_first() -> None:
    first, second = empty_world(), empty_world()
    with first.edit() as edit:
        edit.create("VM")
    assert isinstance(second, World)
    assert second.count("VM") == 0
