"""What one installation of the compute core is told: hosts, accounts, addresses, files. Read from files here, used by `wiring`.

May not know how any of it is used.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from compute_core.model.cached_images import EvictionPolicy
from compute_core.model.limits import QuotaLimits
from compute_core.model.networks import Filtering
from compute_core.model.rsync import Rsync

DEFAULT_NETWORK = ("private", "xenbr0", "10.0.0.0/12")
"""Label, bridge and addresses."""

DISKS_BY = ("", "rsync", "xenapi")


class BadSettings(Exception):
    """Something that was told cannot be; the message names file, line and cure."""


@dataclass(frozen=True, slots=True)
class Account:
    """One user's roles in one project. A user with several projects has one account for each, with one password."""

    user: str
    project: str
    roles: tuple[str, ...]
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class HostEntry:
    """One XenAPI host of the inventory. ``uuid`` is the host's own, when it is known.

    ``compute_vm`` is the uuid of the VM of the host's pool in which its agent runs, "" when that is elsewhere. ``disks_by``: "rsync" or
    "xenapi" is how disks of servers come and go, "" as with the other hosts.
    """

    name: str
    url: str
    user: str
    password: str = field(repr=False)
    uuid: str = ""
    compute_vm: str = ""
    disks_by: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """One installation. Sizes in bytes, times in seconds; None for ``database``, ``api_database``, ``broker`` (URLs): embedded.

    ``volume_targets``: the file that lists the LUNs for volumes (see `volumes.luns`), None: there are none. ``cinder``: the file that says
    how a real Cinder is reached (see `volumes.cinder_wire`), None: volumes are the core's own. ``rsync``: how disks go from
    host to host, None: as streams by XenAPI.

    ``guest_agents``: the file of what is known of the agents in guests (see `guest_agent_rules`), None: as usual.

    ``reclaim_s``: so long a deleted server may be restored, 0: not at all. ``shelved_offload_s``: see the compute cell's settings.
    ``resumes_guests``: whether servers that were stopped for their host's reboot are started after it.
    ``copies_whole``: whether servers get disks that share nothing with their images. ``eviction``: when the images that hosts keep go.
    ``usage_s``: so often agents make their rounds, 0 never. ``orphans_kept_s``: orphans go so long after they were seen, 0: when asked.
    ``networks``: label, bridge and CIDR of each, the first
    one is for servers that name none. ``filtering``: how hosts keep servers to their addresses and groups. ``rxtx_base_kib_s``: what an
    interface of a server may send of a flavor with the factor 1, 0: as much as it likes.
    """

    state: Path
    hosts: tuple[HostEntry, ...] = ()
    accounts: tuple[Account, ...] = ()
    api_host: str = "127.0.0.1"
    api_port: int = 0
    api_threads: int = 8
    console_host: str = "127.0.0.1"
    console_port: int = 0
    region: str = "RegionOne"
    api_cell: str = "api"
    cell: str = "cell1"
    database: str | None = None
    api_database: str | None = None
    broker: str | None = None
    seed: int | None = None
    volume_targets: Path | None = None
    cinder: Path | None = None
    rsync: Rsync | None = None
    token_life_s: float = 12 * 3600.0
    image_limit_bytes: int = 16 << 30
    body_limit_bytes: int = 1 << 20
    is_synced: bool = True
    reclaim_s: float = 0.0
    shelved_offload_s: float = 0.0
    resumes_guests: bool = False
    copies_whole: bool = False
    guest_agents: Path | None = None
    networks: tuple[tuple[str, str, str], ...] = (DEFAULT_NETWORK,)
    filtering: Filtering = "locking"
    rxtx_base_kib_s: int = 0
    usage_s: float = 600.0
    orphans_kept_s: float = 0.0
    eviction: EvictionPolicy = field(default_factory=EvictionPolicy)
    quotas: QuotaLimits = field(default_factory=QuotaLimits)

    def rsync_of(self, host: HostEntry) -> Rsync | None:
        """How disks of a host's servers go elsewhere, or come; None: as streams."""
        ways = {"rsync": self.rsync or Rsync(), "xenapi": None}
        return ways.get(host.disks_by, self.rsync)


def read_inventory(path: Path, *, user: str | None = None, password: str | None = None) -> tuple[HostEntry, ...]:
    """The hosts of an inventory file, a JSON list of ``{"name", "uuid", "url", "user", "password", "compute_vm", "disks_by"}``.

    ``user`` and ``password`` stand in where an entry has none. Raises BadSettings.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise BadSettings(f"{path}: cannot be read ({problem}). Cure: name the file that `sim serve --inventory` wrote.") from problem
    entries = tuple(_host_of(path, line, entry, user, password) for line, entry in _entries(path, text))
    if not entries:
        raise BadSettings(f"{path}:1: no host in it. Cure: list at least one.")
    _refuse_twins(path, text, entries)
    return entries


def _entries(path: Path, text: str) -> Iterator[tuple[int, object]]:
    """The members of the list, each with the line on which it begins."""
    try:
        if not isinstance(json.loads(text), list):
            raise BadSettings(f'{path}:1: not a list. Cure: write [{{"name": ..., "url": ..., "user": ...}}, ...].')
    except json.JSONDecodeError as problem:
        raise BadSettings(f"{path}:{problem.lineno}: not JSON ({problem.msg}). Cure: correct the line.") from problem
    decoder, at = json.JSONDecoder(), text.index("[") + 1
    while True:
        at = _skip(text, at)
        if text[at] == "]":
            return
        entry, end = decoder.raw_decode(text, at)
        yield text.count("\n", 0, at) + 1, entry
        at = end


def _skip(text: str, at: int) -> int:
    while text[at] in " \t\r\n,":
        at += 1
    return at


def _host_of(path: Path, line: int, entry: object, user: str | None, password: str | None) -> HostEntry:
    if not isinstance(entry, Mapping):
        raise BadSettings(f"{path}:{line}: a host is an object with name and url, this is {json.dumps(entry)}. Cure: correct the line.")
    texts = {key: entry.get(key, default) for key, default in (("name", None), ("url", None), ("user", user), ("password", password))}
    for key, value in texts.items():
        if not isinstance(value, str) or not value:
            raise BadSettings(f"{path}:{line}: the host has no {key}. Cure: add it to the entry{_OPTION.get(key, '')}.")
    url = urlsplit(texts["url"])
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise BadSettings(f"{path}:{line}: {texts['url']!r} is no URL of a host. Cure: write http://ADDRESS or https://ADDRESS.")
    uuid, compute_vm, disks_by = (str(entry.get(key, "")) for key in ("uuid", "compute_vm", "disks_by"))
    if disks_by not in DISKS_BY:
        raise BadSettings(f'{path}:{line}: disks_by is {disks_by!r}. Cure: write "rsync" or "xenapi", or leave it out.')
    return HostEntry(texts["name"], texts["url"], texts["user"], texts["password"], uuid, compute_vm, disks_by)


_OPTION = {"user": ", or give --user", "password": ", or give --password-file or the variable INOVA_XENAPI_PASSWORD"}


def _refuse_twins(path: Path, text: str, entries: tuple[HostEntry, ...]) -> None:
    seen: dict[str, int] = {}
    for (line, _), host in zip(_entries(path, text), entries, strict=True):
        if host.name in seen:
            raise BadSettings(f"{path}:{line}: host {host.name} is on line {seen[host.name]} already. Cure: give each host its own name.")
        seen[host.name] = line
