"""The VMs of a Xen host as its files and its volumes tell of them: read, checked, never changed.

A file of ``xm`` is a Python script; only plain values in it are taken, and nothing of it is run.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from compute_core.firstgen.fleet import Source
from compute_core.firstgen.shell import CommandFailed, Shell, as_lines, script

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")
FILE_SYSTEMS = frozenset({"ext2", "ext3", "ext4"})
NO_DOMAIN = "does not exist"
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_VOLUME = re.compile(r"/?[A-Za-z0-9._+/-]+")


class Unmovable(Exception):
    """A VM that cannot be moved as it is; the message says why and, where there is one, the cure."""


@dataclass(frozen=True, slots=True)
class GuestVif:
    """An interface: which address it has on which bridge of the Xen host; ``ip`` is "" where the file says none."""

    mac: str
    bridge: str
    ip: str = ""


@dataclass(frozen=True, slots=True)
class Config:
    """What the file of a VM says. ``volume`` is its device in dom0, ``device`` its disk as the VM sees it (``sda1``)."""

    name: str
    memory_mib: int
    vcpus: int
    volume: str
    device: str
    vifs: tuple[GuestVif, ...]


@dataclass(frozen=True, slots=True)
class Guest:
    """A VM that can be moved: its file, and what its volume holds. ``path`` is the file's."""

    config: Config
    path: str
    size_bytes: int
    file_system: str
    fs_uuid: str
    fs_label: str
    is_running: bool

    @property
    def name(self) -> str:
        """The VM's name."""
        return self.config.name


def parse(text: str, name: str) -> Config:
    """Read a file of ``xm``. Unmovable for what is no plain value and for VMs of another make."""
    values = dict(_values(text, name))
    volume, device = _disk(values.get("disk"), name)
    memory, vcpus = (_number(values.get(key, default), key, name) for key, default in (("memory", None), ("vcpus", 1)))
    if values.get("name", name) != name:
        raise Unmovable(f"{name}: its file says that it is {values['name']}. Cure: name the file after the VM.")
    return Config(name, memory, vcpus, volume, device, tuple(_vif(each, name) for each in values.get("vif", ())))


def _values(text: str, name: str) -> Iterator[tuple[str, Any]]:
    try:
        statements = ast.parse(text).body
    except SyntaxError as problem:
        raise Unmovable(f"{name}: line {problem.lineno} of its file is not Python. Cure: correct it.") from None
    for statement in statements:
        match statement:
            case ast.Assign(targets=[ast.Name(id=key)], value=value):
                yield key, _literal(value, name)
            case ast.Expr(value=ast.Constant()):
                pass
            case _:
                raise Unmovable(f"{name}: line {statement.lineno} of its file is no plain value. Cure: write what it comes to.")


def _literal(value: ast.expr, name: str) -> Any:
    try:
        return ast.literal_eval(value)
    except ValueError:
        raise Unmovable(f"{name}: line {value.lineno} of its file is no plain value. Cure: write what it comes to.") from None


def _number(value: Any, key: str, name: str) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise Unmovable(f"{name}: its file says no number of {key}. Cure: add it.") from None


def _disk(disks: Any, name: str) -> tuple[str, str]:
    """The volume and the device of the only disk."""
    if not isinstance(disks, list) or len(disks) != 1:
        count = len(disks) if isinstance(disks, list) else 0
        raise Unmovable(f"{name} has {count} disks; VMs with one volume are moved. Cure: detach the others, move what they hold by itself.")
    kind, _, rest = str(disks[0]).partition(":")
    parts = rest.split(",")
    if kind != "phy" or len(parts) != 3 or not _VOLUME.fullmatch(parts[0]) or ".." in parts[0]:
        raise Unmovable(f"{name}: its disk {disks[0]!r} is no LVM volume.")
    return parts[0] if parts[0].startswith("/") else f"/dev/{parts[0]}", parts[1]


def _vif(text: Any, name: str) -> GuestVif:
    said = dict(part.strip().partition("=")[::2] for part in str(text).split(","))
    mac = said.get("mac", "").lower()
    if not _MAC.fullmatch(mac):
        raise Unmovable(f"{name}: an interface has no MAC, so that its copy would have another. Cure: write mac= into its file.")
    return GuestVif(mac, said.get("bridge", "xenbr0"), said.get("ip", ""))


PROBE = as_lines(
    'test -e "$1"',
    'lvs --noheadings --nosuffix --units b -o lv_size "$1"',
    'for tag in TYPE UUID LABEL; do blkid -c /dev/null -o value -s $tag "$1" || echo; done',
)


async def inspect(shell: Shell, source: Source, name: str) -> Guest:
    """One VM of a host. Unmovable, CommandFailed, HostLost."""
    if not NAME.fullmatch(name):
        raise Unmovable(f"{name!r} cannot be the name of a VM here: letters, digits, dots, dashes and underscores can.")
    path = f"{source.configs}/{name}"
    try:
        config = parse(await shell.run(source.ssh, "cat", path), name)
    except CommandFailed as problem:
        raise Unmovable(f"{source.ssh.name} has no VM {name} ({problem.said}).") from None
    size, facts = await _probed(shell, source, config)
    if facts["TYPE"] not in FILE_SYSTEMS:
        raise Unmovable(f"{name}: {config.volume} holds {facts['TYPE'] or 'no file system'}; ext2, ext3 and ext4 are moved.")
    is_on = await is_running(shell, source, name)
    return Guest(config, path, size, facts["TYPE"], facts["UUID"], facts["LABEL"], is_on)


async def _probed(shell: Shell, source: Source, config: Config) -> tuple[int, Mapping[str, str]]:
    try:
        size, *tags = (await shell.run(source.ssh, *script(PROBE, config.volume))).split("\n")
    except CommandFailed as problem:
        raise Unmovable(f"{config.name}: {config.volume} is no volume ({problem.said or 'it is not there'}).") from None
    padded = (*(tag.strip() for tag in tags), "", "", "")
    return int(size.strip()), dict(zip(("TYPE", "UUID", "LABEL"), padded, strict=False))


async def is_running(shell: Shell, source: Source, name: str) -> bool:
    """Whether the VM has a domain. CommandFailed when that cannot be said: a VM must not be taken for one that is off.

    For a VM without a domain old ones print None, others say that there is none.
    """
    try:
        return (await shell.run(source.ssh, "xm", "domid", name)).strip().isdigit()
    except CommandFailed as problem:
        if NO_DOMAIN not in problem.said:
            raise
        return False


async def names(shell: Shell, source: Source) -> list[str]:
    """The VMs of a host: the files of its folder that give a disk, the examples of Xen itself left out."""
    search = 'cd "$1" && for file in *; do if [ -f "$file" ] && grep -q "^ *disk *=" "$file"; then echo "$file"; fi; done'
    found = (await shell.run(source.ssh, *script(search, source.configs))).split()
    return [name for name in found if not name.startswith("xmexample")]
