"""Which objects on a host are strays."""

from __future__ import annotations

from typing import Any

from compute_core.xenapi.sweep import strays


def vdi(uuid: str = "u1", *, vbds: int = 0, is_a_snapshot: bool = False, **marks: str) -> dict[str, Any]:
    config = {name.replace("_", "-"): value for name, value in marks.items()}
    return {"uuid": uuid, "VBDs": ["OpaqueRef:vbd"] * vbds, "is_a_snapshot": is_a_snapshot, "other_config": config}


VDIS = {
    "somebody's": vdi(),
    "cached image": vdi("u1", inova_image_id="i", inova_imported_for="s", inova_image_vdi="u1"),
    "half fetched": vdi("u1", inova_image_id="i", inova_imported_for="s"),
    "being fetched": vdi("u1", inova_image_id="busy", inova_imported_for="s"),
    "stray clone": vdi("u2", inova_image_id="i", inova_imported_for="s", inova_image_vdi="u1"),
    "clone being renamed": vdi("u2", inova_image_id="busy", inova_imported_for="s", inova_image_vdi="u1"),
    "disk in use": vdi(vbds=1, inova_instance_uuid="busy", inova_disk="root"),
    "disk not yet attached": vdi(inova_instance_uuid="busy", inova_disk="root"),
    "disk of a VM without a VBD": vdi(inova_instance_uuid="idle", inova_disk="root"),
    "disk without a VM": vdi(inova_instance_uuid="dead", inova_disk="root"),
    "snapshot being read": vdi(is_a_snapshot=True, inova_instance_uuid="busy", inova_disk="root"),
    "snapshot": vdi(is_a_snapshot=True, inova_instance_uuid="idle", inova_disk="root"),
}


def test_only_what_bears_our_mark_and_is_used_by_nobody_is_a_stray() -> None:
    assert dict(strays(VDIS, {"idle"}, {"busy"}.__contains__)) == {
        "half fetched": "an image half fetched",
        "stray clone": "a clone without a server",
        "disk without a VM": "the disk of a server that has no VM",
        "snapshot": "a snapshot that no image or backup needs",
    }


def backup(server: str) -> dict[str, Any]:
    return vdi(is_a_snapshot=True, inova_instance_uuid=server, inova_disk="backup", inova_backup="image")


def test_what_the_next_backup_is_compared_with_is_none_as_long_as_there_is_a_server() -> None:
    vdis = {"kept": backup("idle"), "of a busy one": backup("busy"), "of none": backup("dead")}

    assert dict(strays(vdis, {"idle", "busy"}, {"busy"}.__contains__)) == {"of none": "a snapshot that no image or backup needs"}
