"""What an installation says about its two generations: the Xen hosts that VMs come from, and where on the XenServer side disks are filled.

May not know how any of it is used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema

from compute_core.firstgen.shell import SshHost
from compute_core.settings import BadSettings, HostEntry

WORK = "/var/lib/inova-firstgen"
_TEXT = {"type": "string", "minLength": 1}
_SSH: Mapping[str, Any] = {
    "name": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$"},
    "address": _TEXT,
    "port": {"type": "integer", "minimum": 1, "maximum": 65535},
    "user": _TEXT,
    "options": {"type": "array", "items": _TEXT},
    "work": {"type": "string", "pattern": "^/"},
}


def _objects(required: list[str], **properties: Any) -> dict[str, Any]:
    item = {"type": "object", "additionalProperties": False, "required": required, "properties": {**_SSH, **properties}}
    return {"type": "array", "minItems": 1, "items": item}


SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["known_hosts", "kit", "sources", "destinations"],
    "properties": {
        "key": _TEXT,
        "known_hosts": _TEXT,
        "kit": _TEXT,
        "bridges": {"type": "object", "additionalProperties": _TEXT},
        "vm_mode": {"enum": ["xen", "hvm", "pvh"]},
        "room_mib": {"type": "integer", "minimum": 0},
        "sources": _objects(["name", "address"], configs={"type": "string", "pattern": "^/"}),
        "destinations": _objects(["name", "address"], domain=_TEXT, devices={"type": "string", "pattern": "^/"}),
    },
}


@dataclass(frozen=True, slots=True)
class Source:
    """A Xen host of the first generation. ``configs`` is the folder of its VMs' files, ``work`` where snapshots are mounted."""

    ssh: SshHost
    configs: str = "/etc/xen"
    work: str = WORK


@dataclass(frozen=True, slots=True)
class Destination:
    """A XenServer host, and the shell of the Linux machine in which its new disks are filled.

    ``domain`` is that machine's own VM on the host, by uuid, when it is one: disks are then plugged into it, and seen below
    ``devices``. Without ``domain`` they are filled as files below ``work`` and streamed to the host when they are whole.
    """

    host: HostEntry
    ssh: SshHost
    domain: str = ""
    devices: str = "/dev"
    work: str = WORK


@dataclass(frozen=True, slots=True)
class Generations:
    """Both generations. ``kit`` is the tar with kernel, ramdisk and agent; ``bridges`` are XenServer's by those of the Xen hosts.

    ``room_mib`` is added to each disk, for what was outside it; ``vm_mode`` is how copies boot, as image properties say it.
    """

    known_hosts: Path
    kit: Path
    sources: Mapping[str, Source]
    destinations: Mapping[str, Destination]
    key: Path | None = None
    bridges: Mapping[str, str] = field(default_factory=dict)
    vm_mode: str = "xen"
    room_mib: int = 256

    def bridge(self, name: str) -> str:
        """The bridge of the second generation that stands for one of the first."""
        return self.bridges.get(name, name)


def read_generations(path: Path, hosts: Mapping[str, HostEntry]) -> Generations:
    """The file that says it all, in JSON; ``destinations`` bear the names of ``hosts``. Files in it are beside it. BadSettings."""
    said = _checked(path)
    missing = [each["name"] for each in said["destinations"] if each["name"] not in hosts]
    if missing:
        raise BadSettings(f"{path}: the inventory has no host {missing[0]}. Cure: name destinations as the inventory names hosts.")
    return Generations(
        known_hosts=path.parent / said["known_hosts"],
        kit=path.parent / said["kit"],
        key=path.parent / said["key"] if "key" in said else None,
        sources={each["name"]: _source(each) for each in said["sources"]},
        destinations={each["name"]: _destination(each, hosts[each["name"]]) for each in said["destinations"]},
        **{name: said[name] for name in ("bridges", "vm_mode", "room_mib") if name in said},
    )


def _checked(path: Path) -> Any:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        jsonschema.validate(said, SCHEMA)
    except (OSError, UnicodeDecodeError) as problem:
        raise BadSettings(f"{path}: cannot be read ({problem}). Cure: name the file by --generations.") from None
    except json.JSONDecodeError as problem:
        raise BadSettings(f"{path}:{problem.lineno}: not JSON ({problem.msg}). Cure: correct the line.") from None
    except jsonschema.ValidationError as problem:
        raise BadSettings(f"{path}: {problem.json_path}: {problem.message}. Cure: correct it there.") from None
    for key in ("sources", "destinations"):
        names = [each["name"] for each in said[key]]
        if len(set(names)) < len(names):
            raise BadSettings(f"{path}: two of the {key} have the same name. Cure: give each its own.")
    return said


def _ssh(said: Mapping[str, Any], *, lends_agent: bool) -> SshHost:
    options = tuple(said.get("options", ()))
    return SshHost(said["name"], said["address"], said.get("port", 22), said.get("user", "root"), options, lends_agent)


def _source(said: Mapping[str, Any]) -> Source:
    return Source(_ssh(said, lends_agent=False), **{name: said[name] for name in ("configs", "work") if name in said})


def _destination(said: Mapping[str, Any], host: HostEntry) -> Destination:
    optional = {name: said[name] for name in ("domain", "devices", "work") if name in said}
    return Destination(host, _ssh(said, lends_agent=True), **optional)
