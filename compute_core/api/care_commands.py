"""The commands ``core images``, ``core orphans``, ``core usage`` and ``core io-weight``: what is on hosts, seen and cared for.

They know what to tell people; what is done is behind the REST API.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from compute_core.api.backup_commands import logged_in, named, server_named, state_option
from compute_core.api.client import LONG_S, Client
from compute_core.tables import Column, Refused, json_option, show

TOP = "/operator/v1"
MIB = 1 << 20
host_option = click.option("--host", help="One host. [default: every host]")


def _mib(name: str) -> Column:
    return Column(name.removesuffix("_bytes").replace("_", " ") + " MiB", lambda row: f"{row[name] / MIB:.1f}")


def _disk_mib(name: str) -> Column:
    return Column(f"disk {name} MiB", lambda row: f"{row['disk'][f'{name}_bytes'] / MIB:.1f}")


def _hosts(client: Client, host: str | None) -> list[str]:
    """The names of hosts, or the one that is meant."""
    return [host] if host is not None else [row["service"]["host"] for row in client.pages("/v2.1/os-hypervisors/detail", "hypervisors")]


def _of_hosts(client: Client, host: str | None, resource: str) -> Iterator[dict[str, Any]]:
    """The rows of a resource of each host, with the host's name."""
    for name in _hosts(client, host):
        for row in client.send("GET", f"{TOP}/hosts/{quote(name)}/{resource}")[resource]:
            yield {"host": name, **row}


# ---- images -----------------------------------------------------------------------------------------------------------------------

HOST = Column("host", lambda row: row["host"])
IMAGES = (
    HOST,
    Column("image", lambda row: row["image_id"]),
    Column("name", lambda row: row["name"]),
    Column("kind", lambda row: row["kind"]),
    _mib("own_bytes"),
    _mib("shared_bytes"),
    Column("used", lambda row: row["used"] or "unknown"),
    Column("in use", lambda row: row["in_use"]),
)
"""``own``: what is free when it goes."""
EVICTED = (HOST, Column("image", lambda row: row["image_id"]), Column("kind", lambda row: row["kind"]), _mib("own_bytes"))


@click.group()
def images() -> None:
    """Images that hosts keep: fetched ahead, listed, taken away."""


@images.command("list-cached")
@state_option
@host_option
@json_option
def list_cached(*, state: Path, host: str | None, is_json: bool) -> None:
    """List what hosts keep, and why it stays."""
    with logged_in(state) as client:
        names = _image_names(client)
        show([{**row, "name": names.get(row["image_id"], "")} for row in _of_hosts(client, host, "images")], IMAGES, is_json=is_json)


@images.command()
@state_option
@host_option
@click.argument("wanted", nargs=-1, required=True, metavar="IMAGE...")
def cache(state: Path, host: str | None, wanted: Sequence[str]) -> None:
    """Have hosts fetch IMAGEs, ids or names, before servers need them; nobody waits for it: list-cached tells."""
    with logged_in(state) as client:
        ids = [_image(client, name) for name in wanted]
        for name in _hosts(client, host):
            client.send("POST", f"{TOP}/hosts/{quote(name)}/images", {"cache": [{"id": image_id} for image_id in ids]})
            click.echo(f"{name}: fetches {len(ids)}")


@images.command()
@state_option
@host_option
@click.argument("wanted", nargs=-1, metavar="[IMAGE...]")
@json_option
def evict(*, state: Path, host: str | None, wanted: Sequence[str], is_json: bool) -> None:
    """Take IMAGEs away that nothing needs; all of them when none is named."""
    with logged_in(state) as client:
        ids = [_image(client, name) for name in wanted] or None
        gone: list[dict[str, Any]] = []
        for name in _hosts(client, host):
            answer = client.send("POST", f"{TOP}/hosts/{quote(name)}/images/evict", {"evict": {"images": ids}}, LONG_S)
            gone += [{"host": name, **row} for row in answer["evicted"]]
    show(gone, EVICTED, is_json=is_json)


def _image_names(client: Client) -> Mapping[str, str]:
    found: dict[str, str] = {}
    path = "/image/v2/images?limit=1000"
    while path:
        body = client.send("GET", path)
        found |= {image["id"]: image["name"] for image in body["images"]}
        path = f"/image{body['next']}" if "next" in body else ""
    return found


def _image(client: Client, wanted: str) -> str:
    return named([{"id": image_id, "name": name} for image_id, name in _image_names(client).items()], "image", wanted)


# ---- orphans ----------------------------------------------------------------------------------------------------------------------

ORPHANS = (
    HOST,
    Column("kind", lambda row: row["kind"]),
    Column("id", lambda row: row["id"]),
    Column("name", lambda row: row["name"]),
    _mib("size_bytes"),
    Column("seen for s", lambda row: f"{row['age_s']:.0f}"),
    Column("why", lambda row: row["why"] + ("" if row["is_certain"] else " (goes only by its id)")),
)
CLEANED = (
    HOST,
    Column("kind", lambda row: row["kind"]),
    Column("id", lambda row: row["id"]),
    Column("name", lambda row: row["name"]),
    Column("problem", lambda row: row["problem"]),
)


@click.group()
def orphans() -> None:
    """What is on hosts and belongs to no server there."""


@orphans.command("list")
@state_option
@host_option
@json_option
def list_orphans(*, state: Path, host: str | None, is_json: bool) -> None:
    """List orphans, how large they are, for how long they have been seen, and why they are orphans."""
    with logged_in(state) as client:
        show(list(_of_hosts(client, host, "orphans")), ORPHANS, is_json=is_json)


@orphans.command()
@state_option
@host_option
@click.option("--older-than", "older_than_s", type=click.FloatRange(0), default=0.0, metavar="SECONDS", help="Only those seen for so long.")
@click.argument("ids", nargs=-1, metavar="[ID...]")
@json_option
def clean(*, state: Path, host: str | None, older_than_s: float, ids: Sequence[str], is_json: bool) -> None:
    """Take the orphans with these IDs away; all that nobody else can want when none is named."""
    asked = {"clean": {"ids": list(ids) or None, "older_than_s": older_than_s}}
    with logged_in(state) as client:
        done = [
            {"host": name, **row}
            for name in _hosts(client, host)
            for row in client.send("POST", f"{TOP}/hosts/{quote(name)}/orphans/clean", asked, LONG_S)["cleaned"]
        ]
    show(done, CLEANED, is_json=is_json)
    if any(row["problem"] for row in done):
        raise click.ClickException("Some of them stay. Cure: look at their problem, and say it again.")


# ---- usage ------------------------------------------------------------------------------------------------------------------------

SERVER_USAGES = (
    HOST,
    Column("server", lambda row: row["uuid"]),
    Column("state", lambda row: row["power_state"]),
    Column("CPUs", lambda row: f"{row['rates']['cpu']:.2f}/{row['vcpus']}"),
    Column("CPU s", lambda row: f"{row['counters']['cpu_s']:.0f}"),
    _mib("memory_bytes"),
    _mib("own_disk_bytes"),
    _mib("base_disk_bytes"),
    _mib("virtual_disk_bytes"),
    Column("network B/s", lambda row: f"{row['rates']['received']:.0f} in, {row['rates']['sent']:.0f} out"),
    Column("disk B/s", lambda row: f"{row['rates']['read']:.0f} read, {row['rates']['written']:.0f} written"),
)
"""``own disk``: what is free when the server goes; ``base disk``: what it shares with others."""
HOST_USAGES = (
    HOST,
    Column("at", lambda row: row["at"]),
    Column("servers", lambda row: len(row["servers"])),
    Column("CPUs", lambda row: f"{row['cpu']:.2f}"),
    _mib("memory_bytes"),
    _mib("free_memory_bytes"),
    *map(_disk_mib, ("size", "used", "servers", "base", "cache", "other")),
)
now_option = click.option("--now", "is_now", is_flag=True, help="Have it measured now, and do not take the last measurement.")


@click.group()
def usage() -> None:
    """What servers and hosts really use, as agents measure it."""


@usage.command("servers")
@state_option
@host_option
@now_option
@json_option
def usage_of_servers(*, state: Path, host: str | None, is_now: bool, is_json: bool) -> None:
    """Server by server: processors, memory, network, and disks over their whole chains."""
    rows = [{"host": row["host"], **server} for row in _usages(state, host, is_now=is_now) for server in row["servers"]]
    show(rows, SERVER_USAGES, is_json=is_json)


@usage.command("hosts")
@state_option
@host_option
@now_option
@json_option
def usage_of_hosts(*, state: Path, host: str | None, is_now: bool, is_json: bool) -> None:
    """Host by host, and whose the bytes of its SR are."""
    show(_usages(state, host, is_now=is_now), HOST_USAGES, is_json=is_json)


def _usages(state: Path, host: str | None, *, is_now: bool) -> list[dict[str, Any]]:
    with logged_in(state) as client:
        if is_now:
            return [client.send("GET", f"{TOP}/hosts/{quote(name)}/usage")["usage"] for name in _hosts(client, host)]
        found: list[dict[str, Any]] = client.send("GET", f"{TOP}/usages" + (f"?host={quote(host)}" if host else ""))["usages"]
        return found


# ---- weights of disks -------------------------------------------------------------------------------------------------------------

DISKS = (
    Column("disk", lambda row: row["device"]),
    Column("level", lambda row: row["level"] or "usual"),
    Column("scheduler", lambda row: row["scheduler"] or "best effort"),
)


@click.group("io-weight")
def io_weight() -> None:
    """How much of the disks below each of a server's disks may have."""


@io_weight.command("list")
@state_option
@click.argument("server")
@json_option
def list_weights(*, state: Path, server: str, is_json: bool) -> None:
    """List the levels of SERVER's disks, an id or a name: 0 has the most, 7 the least."""
    with logged_in(state) as client:
        show(client.send("GET", f"{TOP}/servers/{server_named(client, server)}/io-weights")["disks"], DISKS, is_json=is_json)


@io_weight.command("set")
@state_option
@click.option("--disk", "devices", multiple=True, metavar="NUMBER", help="One disk; may be given several times. [default: all]")
@click.argument("server")
@click.argument("weight", type=click.IntRange(100, 1000))
def set_weight(*, state: Path, devices: Sequence[str], server: str, weight: int) -> None:
    """Give SERVER's disks a WEIGHT from 100 to 1000, at once if it runs, and at every boot until it is resized or rebuilt."""
    if not all(device.isdecimal() for device in devices):
        raise Refused("A disk is a number. Cure: see `core io-weight list`.")
    asked = {"io_weight": {"weight": weight, "devices": list(devices) or None}}
    with logged_in(state) as client:
        done = client.send("PUT", f"{TOP}/servers/{server_named(client, server)}/io-weights", asked)["devices"]
    click.echo(f"disks {', '.join(done)}: weight {weight}")


CARE_COMMANDS = (images, orphans, usage, io_weight)
