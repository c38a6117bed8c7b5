"""The world as a value: edits are whole or nothing, mirrors follow, a fork is free and apart."""

from __future__ import annotations

import pytest

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.state.ids import NULL, Id
from fake_xapi.state.value import Change, diff
from fake_xapi.state.world import World
from tests.fake_xapi.state.worlds import empty_world


def test_a_new_object_has_the_datamodels_first_values() -> None:
    world = empty_world()
    with world.edit() as edit:
        vm = edit.create("VM", name_label="web")
    row = world[vm]
    assert (row["name_label"], row["domid"], row["other_config"], row["VBDs"], row["resident_on"]) == ("web", 0, {}, (), NULL)


def test_writing_one_end_of_a_relation_writes_the_other() -> None:
    world = empty_world()
    with world.edit() as edit:
        vm, vdi = edit.create("VM"), edit.create("VDI")
        vbd = edit.create("VBD", VM=vm, VDI=vdi)
    assert (world[vm]["VBDs"], world[vdi]["VBDs"]) == ((vbd,), (vbd,))


def test_an_edit_knows_the_objects_of_a_class_as_it_will_leave_them() -> None:
    world = empty_world()
    with world.edit() as edit:
        kept, gone = edit.create("VM"), edit.create("VM")
        edit.create("VDI")
    with world.edit() as edit:
        edit.destroy(gone)
        made, undone = edit.create("VM"), edit.create("VM")
        edit.destroy(undone)
        assert edit.ids("VM") == [kept, made]


def test_moving_one_end_moves_the_other() -> None:
    world = empty_world()
    with world.edit() as edit:
        first, second = edit.create("network"), edit.create("network")
        vif = edit.create("VIF", network=first)
    with world.edit() as edit:
        edit.set(vif, network=second)
    assert (world[first]["VIFs"], world[second]["VIFs"]) == ((), (vif,))


def test_the_mirrored_end_cannot_be_written() -> None:
    world = empty_world()
    with world.edit() as edit:
        vm = edit.create("VM")
    with pytest.raises(TypeError, match=r"VM\.VBDs mirrors"), world.edit() as edit:
        edit.set(vm, VBDs=(1,))


def test_destroying_an_object_leaves_no_end_of_a_relation_that_leads_to_it() -> None:
    world = empty_world()
    with world.edit() as edit:
        vm, vdi = edit.create("VM"), edit.create("VDI")
        vbd = edit.create("VBD", VM=vm, VDI=vdi)
    with world.edit() as edit:
        edit.destroy(vdi)
    assert (world.get(vdi), world[vbd]["VDI"], world[vbd]["VM"]) == (None, NULL, vm)
    with world.edit() as edit:
        edit.destroy(vbd)
    assert world[vm]["VBDs"] == ()


def test_many_to_many_relations_are_mutual() -> None:
    world = empty_world()
    with world.edit() as edit:
        vm, other = edit.create("VM"), edit.create("VM")
        pci = edit.create("PCI", attached_VMs=(vm, other))
    assert (world[vm]["attached_PCIs"], world[other]["attached_PCIs"]) == ((pci,), (pci,))
    with world.edit() as edit:
        edit.destroy(vm)
    assert world[pci]["attached_VMs"] == (other,)


def test_an_edit_that_fails_changes_nothing() -> None:
    world = empty_world()
    with world.edit() as edit:
        vm = edit.create("VM", name_label="web")
    before = world.value
    with pytest.raises(ZeroDivisionError):
        _fail_after_writing(world, vm)
    assert world.value is before


def _fail_after_writing(world: World, vm: Id) -> None:
    with world.edit() as edit:
        edit.set(vm, name_label="db")
        edit.create("VM")
        raise ZeroDivisionError


def test_writing_what_is_there_already_is_no_commit() -> None:
    world = empty_world()
    with world.edit() as edit:
        vm = edit.create("VM", name_label="web")
    before = world.value
    with world.edit() as edit:
        edit.set(vm, name_label="web")
    assert world.value is before


def test_a_commit_is_one_generation_and_tells_its_listeners_whole_changes() -> None:
    world = empty_world()
    heard: list[tuple[int, tuple[Change, ...]]] = []
    world.listeners.append(lambda generation, changes: heard.append((generation, changes)))
    with world.edit() as edit:
        vm = edit.create("VM")
        edit.create("VBD", VM=vm)
    (generation, changes) = heard[0]
    assert (len(heard), generation, world.generation) == (1, 1, 1)
    assert sorted(change.new.cls for change in changes if change.new is not None) == ["VBD", "VM"]


def test_an_edit_inside_another_is_part_of_it() -> None:
    world = empty_world()
    with world.edit() as outer:
        vm = outer.create("VM")
        with world.edit() as inner:
            inner.set(vm, name_label="web")
        assert world.generation == 0
    assert (world.generation, world[vm]["name_label"]) == (1, "web")


def test_reads_in_an_edit_see_what_is_pending() -> None:
    world = empty_world()
    with world.edit() as edit:
        vm = edit.create("VM", other_config={"a": "1"})
        edit.put(vm, "other_config", "b", "2")
        edit.drop(vm, "other_config", "a")
        assert edit[vm]["other_config"] == {"b": "2"}


def test_an_object_that_is_gone_is_refused_by_class_and_ref() -> None:
    world = empty_world()
    with world.edit() as edit:
        vm = edit.create("VM")
    with world.edit() as edit:
        edit.destroy(vm)
    with pytest.raises(Failure) as caught:
        world[vm]
    assert (caught.value.code, caught.value.params) == ("HANDLE_INVALID", ("VM", Handle(vm)))


def test_names_lead_to_objects_oldest_first() -> None:
    world = empty_world()
    with world.edit() as edit:
        first, second = edit.create("VM", name_label="web"), edit.create("VM", name_label="web")
    assert world.named("VM", "web") == (first, second)
    with world.edit() as edit:
        edit.set(first, name_label="db")
    assert (world.named("VM", "web"), world.named("VM", "db"), world.named("SR", "web")) == ((second,), (first,), ())
    with world.edit() as edit:
        edit.destroy(second)
    assert world.named("VM", "web") == ()


def test_a_uuid_leads_to_its_object_be_it_derived_or_forced() -> None:
    world = empty_world()
    forced = "0165f154-ba3e-034e-6b27-5d271af109ba"
    with world.edit() as edit:
        vm, sr = edit.create("VM"), edit.create("SR", uuid=forced)
    assert (world.by_uuid("VM", world.uuid(vm)), world.by_uuid("SR", forced), world.uuid(sr)) == (vm, sr, forced)
    assert (world.by_uuid("SR", world.uuid(vm)), world.by_uuid("VM", "nonsense")) == (NULL, NULL)


def test_a_fork_begins_alike_and_goes_its_own_way() -> None:
    world = empty_world()
    with world.edit() as edit:
        vm = edit.create("VM", name_label="web")
    fork = world.fork("8")
    assert fork.value is world.value
    with fork.edit() as edit:
        edit.set(vm, name_label="db")
    assert (world[vm]["name_label"], fork[vm]["name_label"]) == ("web", "db")
    assert world.uuid(vm) != fork.uuid(vm)


def test_a_difference_names_what_was_made_changed_and_destroyed() -> None:
    world = empty_world()
    with world.edit() as edit:
        kept, gone = edit.create("VM", name_label="kept"), edit.create("VM", name_label="gone")
    before = world.value
    with world.edit() as edit:
        edit.set(kept, name_label="changed")
        edit.destroy(gone)
        made = edit.create("SR")
    changes = {change.identity: (change.old is not None, change.new is not None) for change in diff(before, world.value)}
    assert changes == {kept: (True, True), gone: (True, False), made: (False, True)}
    assert list(diff(before, before)) == []


def test_the_feed_tells_what_was_touched_since_and_when_things_went() -> None:
    world = empty_world()
    with world.edit() as edit:
        vm, sr = edit.create("VM"), edit.create("SR")
    with world.edit() as edit:
        edit.destroy(vm)
    assert world.feed.since(0) == {vm, sr}
    assert world.feed.since(1) == {vm}
    assert world.feed.since(2) == set()
    assert world.feed.graves == {vm: (1, 2)}


def test_the_feed_forgets_its_oldest_half_and_says_so() -> None:
    world = empty_world()
    with world.edit() as edit:
        vm = edit.create("VM")
    for number in range(20_000):
        with world.edit() as edit:
            edit.set(vm, name_label=str(number))
    assert world.feed.since(1) is None
    assert world.feed.since(world.generation - 1) == {vm}


def test_encoded_forms_go_with_their_object() -> None:
    world = empty_world()
    with world.edit() as edit:
        vm = edit.create("VM")
    world.encodings("xml")[vm] = (world[vm], b"<value/>")
    with world.edit() as edit:
        edit.destroy(vm)
    assert world.encodings("xml") == {}


def test_a_uuid_goes_over_to_another_object_in_one_edit() -> None:
    world = empty_world()
    with world.edit() as edit:
        first = edit.create("VM", uuid="11111111-2222-4333-8444-555555555555")
    with world.edit() as edit:
        edit.destroy(first)
        second = edit.create("VM", uuid="11111111-2222-4333-8444-555555555555")
    assert world.by_uuid("VM", "11111111-2222-4333-8444-555555555555") == second
