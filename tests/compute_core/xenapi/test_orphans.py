"""What is an orphan and what is not: every class, and that nothing that is not ours is ever among them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from compute_core.model.orphans import Orphan
from compute_core.xenapi.orphans import FINDERS, Asked, Known, Sight, lost, orphans
from compute_core.xenapi.place import NULL, Place
from compute_core.xenapi.plugins import Leftover
from compute_core.xenapi.targets import sr_label

PLACE = Place("host", "sr", {}, "h", "xs1", "10.0.0.1", "8", 4, "", 1, 1, True, True, "")
POOLED = replace(PLACE, is_alone=False)
EMPTY: dict[str, Any] = {"vm": {}, "vbd": {}, "vdi": {}, "vif": {}, "sr": {}, "pbd": {}, "task": {}}
KNOWN = {
    "here": Known(is_here=True, ports=("port",), volumes=("volume",)),
    "gone": Known(is_gone=True),
    "elsewhere": Known(),
    "busy": Known(is_gone=True),
}


def marked(**marks: str) -> dict[str, str]:
    return {f"inova-{name.replace('_', '-')}": value for name, value in marks.items()}


def vm(uuid: str, vbds: tuple[str, ...] = (), home: str = "host", *, is_template: bool = False, is_dom0: bool = False, **marks: str) -> Any:
    flags = {"is_a_template": is_template, "is_control_domain": is_dom0, "resident_on": NULL, "affinity": home}
    return {"uuid": uuid, "name_label": f"vm {uuid}", "VBDs": list(vbds), "other_config": marked(**marks), **flags}


def vdi(uuid: str, vbds: tuple[str, ...] = (), sr: str = "sr", **marks: str) -> Any:
    facts = {"VBDs": list(vbds), "SR": sr, "managed": True, "is_a_snapshot": False, "physical_utilisation": 7}
    return {"uuid": uuid, "name_label": f"disk {uuid}", "other_config": marked(**marks), **facts}


def vbd(uuid: str, of: str, disk: str, mode: str = "RW", **marks: str) -> Any:
    return {
        "uuid": uuid,
        "VM": of,
        "VDI": disk,
        "mode": mode,
        "userdevice": "0",
        "currently_attached": True,
        "other_config": marked(**marks),
    }


def seen(tables: dict[str, Any], place: Place = PLACE, files: tuple[Leftover, ...] = ()) -> dict[str, str]:
    sight = Sight(place, {**EMPTY, **tables}, files, "cell1", "agent")
    found = orphans(sight, Asked(KNOWN, {"busy", "busy image"}.__contains__, {"held"}.__contains__))
    return {each.orphan.id: each.orphan.why + ("" if each.orphan.is_certain else " (perhaps)") for each in found}


VMS = {
    "1": vm("somebody's", ()),
    "2": vm("nova's", instance_uuid=""),
    "3": vm("web", instance_uuid="here"),
    "4": vm("dead", instance_uuid="gone"),
    "5": vm("moved", instance_uuid="elsewhere"),
    "6": vm("strange", instance_uuid="unheard of"),
    "7": vm("worked on", instance_uuid="busy"),
    "8": vm("another cell's", instance_uuid="unheard of", cell="api!cell2"),
    "9": vm("our cell's", instance_uuid="unheard of", cell="api!cell1"),
    "10": vm("another host's", instance_uuid="gone", home="other"),
    "11": vm("former", former_of="gone"),
    "12": vm("former, wanted", former_of="here"),
    "13": vm("rescue", rescue_of="gone"),
    "14": vm("first generation's", instance_uuid="gone", firstgen_move="m"),
    "15": vm("template", instance_uuid="gone", is_template=True),
    "16": vm("dom0", instance_uuid="gone", is_dom0=True),
}


def test_vms_of_servers_that_are_not_here_are_orphans_and_no_others() -> None:
    expected = {
        "dead": "its server was deleted",
        "moved": "its server is on another host",
        "strange": "the cell has never heard of its server (perhaps)",
        "our cell's": "the cell has never heard of its server (perhaps)",
        "former": "its server was deleted",
        "rescue": "its server was deleted",
    }
    assert seen({"vm": VMS}, POOLED) == {**expected, "moved": "its server is on another host (perhaps)"}
    assert seen({"vm": VMS}) == expected | {"another host's": "its server was deleted"}
    assert [lost(KNOWN.get(name)) for name in ("here", "gone")] == ["", "its server was deleted"]


@pytest.mark.parametrize("other", [{"instance_uuid": "elsewhere"}, {"former_of": "elsewhere"}, {"instance_uuid": "here"}])
def test_in_a_pool_the_vm_of_a_server_of_another_host_is_certainly_a_double_only_when_it_has_one_there(other: dict[str, Any]) -> None:
    tables = {"vm": {"1": vm("double", instance_uuid="elsewhere"), "2": vm("other", home="other", **other)}}
    perhaps = "" if other == {"instance_uuid": "elsewhere"} else " (perhaps)"
    assert seen(tables, POOLED) == {"double": f"its server is on another host{perhaps}"}


def test_a_vm_weighs_what_its_own_disks_do() -> None:
    tables = {
        "vm": {"v": vm("dead", ("b1", "b2", "b3"), instance_uuid="gone")},
        "vbd": {"b1": vbd("x1", "v", "d1"), "b2": vbd("x2", "v", "d2", "RO"), "b3": vbd("x3", "v", "d3")},
        "vdi": {"d1": vdi("root", ("b1",), instance_uuid="gone"), "d2": vdi("cd", ("b2",)), "d3": vdi("a volume", ("b3",), "iscsi")},
    }
    (found,) = FINDERS["VM"](Sight(PLACE, {**EMPTY, **tables}, (), "cell1"), Asked(KNOWN, set().__contains__, set().__contains__))
    assert found.orphan == Orphan("VM", "dead", "vm dead", "its server was deleted", "gone", 7)


VDIS = {
    "1": vdi("somebody's"),
    "2": vdi("root", instance_uuid="gone", disk="root"),
    "3": vdi("strange", instance_uuid="unheard of", disk="root"),
    "4": vdi("here", instance_uuid="here", disk="root"),
    "5": vdi("attached", ("b",), instance_uuid="gone", disk="root"),
    "6": vdi("half fetched", image_id="i", imported_for="s"),
    "7": vdi("being fetched", image_id="busy image", imported_for="s"),
    "8": vdi("first generation's", instance_uuid="gone", firstgen_move="m"),
    "9": vdi("of another SR", sr="other", instance_uuid="gone"),
}


def test_disks_of_nobody_are_orphans_and_in_a_pool_only_those_of_servers_that_are_gone() -> None:
    tables = {"vdi": VDIS, "vm": {"v": vm("web", instance_uuid="here")}}
    lonely = "the disk of a server that has no VM"
    assert seen(tables) == {"root": lonely, "strange": f"{lonely} (perhaps)", "half fetched": "an image half fetched"}
    assert seen(tables, POOLED) == {"root": lonely}


def test_disks_left_in_the_agents_own_vm_and_volumes_that_are_not_the_servers_any_more_are_orphans() -> None:
    tables = {
        "vm": {
            "a": vm("agent"),
            "0": vm("dom0", is_dom0=True),
            "w": vm("web", instance_uuid="here"),
            "o": vm("o", home="other", is_dom0=True),
        },
        "vdi": {
            "d": vdi("d", ("x",), instance_uuid="here"),
            "b": vdi("b", ("x",), instance_uuid="busy"),
            "f": vdi("f", ("x",)),
            "v": vdi("v", ("x",), "iscsi"),
        },
        "vbd": {
            "1": vbd("plugged", "a", "d"),
            "2": vbd("being fitted", "0", "b"),
            "3": vbd("the agent's own", "a", "f"),
            "4": vbd("attached", "w", "v", volume_id="volume"),
            "5": vbd("forgotten", "w", "v", volume_id="another"),
            "6": vbd("root", "w", "d"),
            "7": vbd("in another dom0", "o", "d"),
            "8": vbd("empty", "w", NULL),
        },
    }  # fmt: skip
    assert seen(tables, POOLED) == {
        "plugged": "the disk of a server is still in the VM in which its agent works",
        "forgotten": "the volume is not the server's any more",
    }


def test_interfaces_whose_port_is_not_the_servers_are_orphans() -> None:
    def vif(uuid: str, of: str, **marks: str) -> Any:
        return {"uuid": uuid, "VM": of, "MAC": "m", "currently_attached": True, "other_config": marked(**marks)}

    vms = {"w": vm("web", instance_uuid="here"), "d": vm("dead", instance_uuid="gone"), "s": vm("somebody's")}
    vifs = {
        "1": vif("plugged", "w", vif_id="port"),
        "2": vif("left", "w", vif_id="another"),
        "3": vif("somebody's", "w"),
        "4": vif("of a dead one", "d", vif_id="another"),
        "5": vif("of somebody's", "s", vif_id="another"),
        "6": vif("of nobody", "?", vif_id="another"),
    }
    assert FINDERS.keys() == {"VM", "VDI", "VBD", "VIF", "SR", "task", "file"}
    assert seen({"vif": vifs, "vm": vms}) == {"dead": "its server was deleted", "left": "its port is not the server's any more"}


@pytest.mark.parametrize("place", [PLACE, POOLED])
def test_targets_that_no_vm_uses_are_orphans_unless_another_host_has_them(place: Place) -> None:
    def sr(uuid: str, *pbds: str, description: str = "volumes of iqn at 10.0.0.9:3260", label: str = "") -> Any:
        return {"uuid": uuid, "name_label": label or sr_label(uuid), "name_description": description, "PBDs": list(pbds)}

    tables = {
        "sr": {
            "1": sr("left", "p1"),
            "2": sr("unplugged"),
            "3": sr("used", "p1"),
            "4": sr("nova's", "p1", description="Disk-for:instance-1"),
            "5": sr("held", "p1"),
            "6": sr("another host's", "p1", "p2"),
            "7": sr("somebody's", label="Local storage"),
        },
        "pbd": {"p1": {"host": "host"}, "p2": {"host": "other"}},
        "vdi": {"d": vdi("lun", ("b",), "3")},
    }
    left = ("left", "unplugged") if place.is_alone else ("left",)  # one that no host has may be another agent's, just introduced
    assert dict.fromkeys(left, "no VM has a volume of this target") == seen(tables, place)


def test_tasks_that_nobody_works_for_and_idle_folders_are_orphans() -> None:
    def task(label: str, status: str = "pending", on: str = "host") -> Any:
        return {"uuid": label, "name_label": label, "status": status, "resident_on": on}

    tasks = {
        label: task(label, **facts)
        for label, facts in {
            "inova import of image i for s": {},
            "inova import of image busy image for s": {},
            "inova transfer m of gone disk 0": {},
            "inova transfer m of busy disk 0": {},
            "inova transfer m of gone disk 1": {"status": "success"},
            "inova transfer m of gone disk 2": {"on": "other"},
            "VM.start": {},
        }.items()
    }
    files = (Leftover("/run/sr-mount/s/.inova-staging/x", 5, 3600.0), Leftover("/run/sr-mount/s/.inova-incoming/y", 5, 3599.0))
    assert seen({"task": tasks}, POOLED, files) == {
        "inova transfer m of gone disk 0": "nobody moves the bytes that it is for",
        "/run/sr-mount/s/.inova-staging/x": "nothing was written there for 3600 seconds",
    } | {"inova import of image i for s": "nobody moves the bytes that it is for"}
