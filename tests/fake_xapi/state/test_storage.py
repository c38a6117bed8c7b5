"""A world as one file: what is loaded is what was saved, and what is no world is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from fake_xapi.state import storage
from fake_xapi.state.value import diff
from fake_xapi.state.world import World
from tests.fake_xapi.state.worlds import empty_world


def _furnished() -> World:
    world = empty_world()
    with world.edit() as edit:
        host = edit.create("host", name_label="h", supported_bootloaders=("pygrub", "eliloader"))
        vm = edit.create("VM", name_label="web", resident_on=host, other_config={"mac_seed": "x"}, VCPUs_params={"weight": "256"})
        edit.create("VBD", VM=vm, uuid="0165f154-ba3e-034e-6b27-5d271af109ba")
        edit.create("VM", name_label="gone")
    with world.edit() as edit:
        edit.destroy(world.named("VM", "gone")[0])
    return world


def test_a_loaded_world_equals_the_saved_one(tmp_path: Path) -> None:
    world = _furnished()
    storage.save(world, tmp_path / "w")
    loaded = storage.load(tmp_path / "w")
    assert list(diff(world.value, loaded.value)) == []
    assert (loaded.value.names, loaded.value.uuids, loaded.value.ordinals, loaded.generation, loaded.seed) == (
        world.value.names,
        world.value.uuids,
        world.value.ordinals,
        world.generation,
        world.seed,
    )


def test_objects_made_after_loading_get_the_ids_that_they_would_have_had(tmp_path: Path) -> None:
    world = _furnished()
    storage.save(world, tmp_path / "w")
    loaded = storage.load(tmp_path / "w")
    refs = []
    for each in (world, loaded):
        with each.edit() as edit:
            refs.append(each.ref(edit.create("VM")))
    assert refs[0] == refs[1]


def test_a_dump_over_a_base_holds_the_difference_only() -> None:
    world = _furnished()
    base = world.value
    vm = world.named("VM", "web")[0]
    with world.edit() as edit:
        edit.set(vm, name_label="db")
    content = storage.dump(world.value, base)
    assert [(cls, list(rows)) for cls, rows in content["rows"].items()] == [("VM", [vm])]
    assert list(diff(storage.restore(content, base), world.value)) == []


def test_nothing_is_left_beside_the_file(tmp_path: Path) -> None:
    storage.save(_furnished(), tmp_path / "w")
    assert [path.name for path in tmp_path.iterdir()] == ["w"]


@pytest.mark.parametrize("content", [b"", b"not msgpack at all", b"\x81\xa6format\xa5other"])
def test_a_file_that_is_no_world_is_refused_with_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w"
    path.write_bytes(content)
    with pytest.raises(storage.BadWorldFile, match=str(path)):
        storage.load(path)
