"""A world becomes what it was: the same database, in generations that go on."""

from __future__ import annotations

from fake_xapi.state.ids import NULL
from fake_xapi.state.value import Change, Value, diff
from fake_xapi.state.world import World
from tests.fake_xapi.state.worlds import empty_world


def eventful() -> tuple[World, Value]:
    """A world to which much has happened since the value."""
    world = empty_world()
    with world.edit() as edit:
        web, disk = edit.create("VM", name_label="web"), edit.create("VDI", name_label="disk", uuid="11111111-0000-0000-0000-000000000000")
        edit.create("VBD", VM=web, VDI=disk)
        edit.create("VM", name_label="web", name_description="the younger")
    then = world.value
    with world.edit() as edit:
        edit.set(web, name_label="gone away")
        edit.destroy(disk)
        edit.create("VM", name_label="web", name_description="the youngest")
        edit.create("session")
    return world, then


def test_the_database_is_as_it_was_with_its_indexes() -> None:
    world, then = eventful()
    world.become(then)
    assert (list(diff(then, world.value)), world.value.names, world.value.uuids) == ([], then.names, then.uuids)


def test_generations_go_on_and_listeners_hear_of_one_commit() -> None:
    world, then = eventful()
    before, heard = world.value, list[tuple[int, tuple[Change, ...]]]()
    world.listeners.append(lambda generation, changes: heard.append((generation, changes)))
    world.become(then)
    [(generation, changes)] = heard
    assert (generation, world.generation) == (before.generation + 1, before.generation + 1)
    assert {change.identity for change in changes} == {change.identity for change in diff(before, then)}
    assert world.feed.since(before.generation) == {change.identity for change in changes}
    assert all(change.new is None or change.new.modified == generation for change in changes)


def test_what_is_there_again_counts_as_made_again() -> None:
    world, then = eventful()
    world.become(then)
    [disk] = world.ids("VDI")
    assert (world[disk].created, world.feed.graves.get(disk)) == (world.generation, None)


def test_numbers_of_what_was_made_since_are_never_given_again() -> None:
    world, then = eventful()
    youngest = max(world.ids("VM"))
    world.become(then)
    with world.edit() as edit:
        made = edit.create("VM")
    assert made > youngest


def test_classes_that_are_kept_stay_as_they_are() -> None:
    world, then = eventful()
    [session] = world.ids("session")
    world.become(then, keeping=("session",))
    assert list(world.ids("session")) == [session]
    assert world.count("VM") == 2


def test_what_is_restored_and_what_is_kept_agree_about_each_other() -> None:
    world = empty_world()
    with world.edit() as edit:
        stays, goes = edit.create("session"), edit.create("session")
        old, orphan = edit.create("task", session=stays), edit.create("task", session=goes)
    then = world.value
    with world.edit() as edit:
        edit.destroy(old)
        young = edit.create("task", session=stays)
        edit.destroy(goes)
    world.become(then, keeping=("session",))
    assert (world[stays]["tasks"], world[old]["session"], world[orphan]["session"]) == ((old,), stays, NULL)
    assert (list(world.ids("session")), world.get(young)) == ([stays], None)


def test_becoming_what_it_is_changes_nothing() -> None:
    world, _ = eventful()
    before = world.value
    world.become(before)
    assert world.value is before


def test_a_world_may_go_there_and_back() -> None:
    world, then = eventful()
    now = world.value
    world.become(then)
    world.become(now)
    assert (list(diff(now, world.value)), world.value.names, world.value.uuids) == ([], now.names, now.uuids)


def test_a_ref_of_what_is_gone_leads_nowhere() -> None:
    world, then = eventful()
    ref = world.ref(max(world.ids("VM")))
    world.become(then)
    assert world.get(world.find_ref(ref) or NULL) is None
