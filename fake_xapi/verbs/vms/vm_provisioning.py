"""VM.provision: give the clone of a template the disks that the template describes, and turn it into a VM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from xml.parsers import expat

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.disks import storage, vdi_disks
from fake_xapi.verbs.disks.vbd import create_row as create_vbd

_DISKS = "disks"


@dataclass(frozen=True, slots=True)
class WantedDisk:
    """A disk that a template describes. ``sr`` is a uuid, or empty for the pool's default."""

    device: str
    size: int
    sr: str
    is_bootable: bool
    type: str


async def provision(call: Call, vm: Id) -> None:
    """Create the disks that ``other_config["disks"]`` describes; when one fails, none is left."""
    wanted = read_disks(call.world[vm]["other_config"].get(_DISKS, ""))
    places = [_sr_of(call, disk) for disk in wanted]
    made: list[Id] = []
    try:
        for disk, sr in zip(wanted, places, strict=True):
            made.append(await _make_disk(call, vm, disk, sr))
    except BaseException:
        with call.world.edit() as edit:
            for vdi in made:
                storage.drop_vdi(call, edit, vdi)
        raise
    with call.world.edit() as edit:
        for disk, vdi in zip(wanted, made, strict=True):
            create_vbd(
                edit,
                VM=vm,
                VDI=vdi,
                userdevice=disk.device,
                bootable=disk.is_bootable,
                mode="RW",
                type="Disk",
                other_config={"owner": ""},
            )
        edit.drop(vm, "other_config", _DISKS)
        edit.set(vm, is_a_template=False)
        edit.set(edit[vm]["metrics"], install_time=call.now())


async def _make_disk(call: Call, vm: Id, disk: WantedDisk, sr: Id) -> Id:
    async with call.operating((sr, "vdi_create")):
        storage.assert_reachable(call, sr)
        await call.takes("VDI.create")
        name = call.world[vm]["name_label"]
        with call.world.edit() as edit:
            return vdi_disks.create_disk(
                call, edit, sr, disk.size, name_label=name, name_description="Created by template provisioner", type=disk.type
            )


def _sr_of(call: Call, disk: WantedDisk) -> Id:
    """The SR that a disk names, or the pool's default; Failures UUID_INVALID, DEFAULT_SR_NOT_FOUND."""
    if disk.sr:
        named = call.world.by_uuid("SR", disk.sr)
        if not named:
            raise Failure("UUID_INVALID", "SR", disk.sr)
        return named
    pool = call.world.get(POOL)
    default: Id = pool["default_SR"] if pool else 0
    if not default or call.world.get(default) is None:
        raise Failure("DEFAULT_SR_NOT_FOUND", Handle(default))
    return default


def read_disks(text: str) -> tuple[WantedDisk, ...]:
    """The disks in a ``<provision>`` document; INTERNAL_ERROR for malformed text. Entities are never expanded."""
    found: list[WantedDisk] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        if tag == "disk":
            found.append(_wanted(attributes))

    def refuse(*_declaration: object) -> None:
        raise ValueError("entities are not allowed")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(text or "<provision/>", True)
    except (expat.ExpatError, ValueError, KeyError) as error:
        raise Failure("INTERNAL_ERROR", f"malformed disk description: {error}") from error
    return tuple(found)


def _wanted(attributes: dict[str, str]) -> WantedDisk:
    return WantedDisk(
        attributes["device"],
        int(attributes["size"]),
        attributes.get("sr", ""),
        attributes.get("bootable") == "true",
        attributes.get("type", "system"),
    )


VERBS: Mapping[str, Verb] = {"VM.provision": provision}
