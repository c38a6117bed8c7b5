"""Files of dom0: part of the world, and seen by no client."""

from __future__ import annotations

from pathlib import Path

from fake_xapi.state.storage import load, save
from fake_xapi.verbs.hosts import dom0_files
from tests.fake_xapi.engine.kit import Kit, over_xapi


def test_a_file_is_of_one_host_or_of_the_pool() -> None:
    async def body(kit: Kit) -> None:
        other = kit.made("host", name_label="h2")
        with kit.world.edit() as edit:
            for path, content, host in (("/a/x", "pool", 0), ("/a/x", "mine", kit.xapi.host), ("/a/w", "w", 0), ("/b", "b", 0)):
                dom0_files.write(kit.world, edit, path, content, host)
        assert [dom0_files.read(kit.world, "/a/x", host) for host in (0, kit.xapi.host, other)] == ["pool", "mine", None]
        assert list(dom0_files.listed(kit.world, "/a/")) == [("w", "w"), ("x", "pool")]
        with kit.world.edit() as edit:
            dom0_files.write(kit.world, edit, "/a/x", "changed")
            dom0_files.remove(kit.world, edit, "/a/w")
            dom0_files.remove(kit.world, edit, "/never")
        assert list(dom0_files.listed(kit.world, "/a/")) == [("x", "changed")]

    over_xapi(body)


def test_no_client_sees_a_file() -> None:
    async def body(kit: Kit) -> None:
        token = (await kit.call("event.from", ["*"], "", 0.0))["token"]
        with kit.world.edit() as edit:
            dom0_files.write(kit.world, edit, "/a", "secret")
        assert (await kit.call("event.from", ["*"], token, 0.0))["events"] == []
        assert await kit.refused("dom0_file.get_all") == ["MESSAGE_METHOD_UNKNOWN", "dom0_file.get_all"]
        assert await kit.refused("event.from", ["dom0_file"], "", 0.0) == ["EVENT_SUBSCRIPTION_PARSE_FAILURE", "dom0_file"]

    over_xapi(body)


def test_files_are_saved_with_the_world(tmp_path: Path) -> None:
    async def body(kit: Kit) -> None:
        with kit.world.edit() as edit:
            dom0_files.write(kit.world, edit, "/a", "kept", kit.xapi.host)
        save(kit.world, tmp_path / "world")
        assert dom0_files.read(load(tmp_path / "world"), "/a", kit.xapi.host) == "kept"

    over_xapi(body)
