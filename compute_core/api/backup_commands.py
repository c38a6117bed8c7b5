"""The command ``core backup``: have servers backed up by what has changed, see what was moved for it, and bring any point back.

Knows what to tell people; what is done is behind the REST API.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from compute_core.api.client import ApiUnavailable, Client
from compute_core.model.backups import HOW, MOVED, PARENT, POINT, SEQUENCE, WHOLE
from compute_core.tables import Column, Refused, json_option, show

ACCESS = "access.json"
LOOK_S = 0.5
POINTS = (
    Column("point", lambda row: row["id"]),
    Column("name", lambda row: row["name"]),
    Column("server", lambda row: row["instance_uuid"]),
    Column("number", lambda row: row.get(SEQUENCE, "")),
    Column("method", lambda row: row.get(HOW, "")),
    Column("moved", lambda row: row.get(MOVED, "")),
    Column("full copy", lambda row: row.get(WHOLE, "")),
    Column("needs", lambda row: row.get(PARENT, "")),
    Column("status", lambda row: row["status"]),
)
"""``moved``: bytes that the host has sent; ``full copy``: those that it would have sent for the whole disk."""

state_option = click.option(
    "--state", type=click.Path(path_type=Path, file_okay=False), default=Path("inova-state"), show_default=True,
    help="The folder of the core that runs.",
)  # fmt: skip


@contextmanager
def logged_in(state: Path) -> Iterator[Client]:
    """The admin of the core whose state this is."""
    try:
        access = json.loads((state / ACCESS).read_bytes())
    except OSError:
        raise Refused(f"No core has run with {state}. Cure: name its folder by --state, or start one with `core up`.") from None
    try:
        yield Client.log_in(**access)
    except ApiUnavailable as problem:
        raise click.ClickException(f"{problem} Cure: start it with `core up --state {state}`.") from None


@click.group()
def backup() -> None:
    """Back servers up by what has changed, and bring any point back."""


@backup.command()
@state_option
@click.argument("server")
@click.option("--name", default="backup", show_default=True, help="What the point is called.")
@click.option("--rotation", type=click.IntRange(0), default=0, help="So many points are left, and what they need. [default: all]")
@click.option("--full", "is_full", is_flag=True, help="Send everything, whatever has changed.")
@json_option
def create(*, state: Path, server: str, name: str, rotation: int, is_full: bool, is_json: bool) -> None:
    """Back up SERVER, an id or a name, and wait until it is done."""
    with logged_in(state) as client:
        uuid = server_named(client, server)
        asked = {"createIncrementalBackup": {"name": name, "rotation": rotation, "full": is_full}}
        point = client.send("POST", f"/v2.1/servers/{uuid}/action", asked)["image_id"]
        while client.send("GET", f"/v2.1/servers/{uuid}")["server"]["OS-EXT-STS:task_state"] is not None:
            time.sleep(LOOK_S)
        made = [row for row in _points(client) if row["id"] == point]
    if not made:
        raise click.ClickException(f"The backup of {server} has failed. Cure: `openstack server event list {uuid}` tells why.")
    show(made, POINTS, is_json=is_json)


@backup.command("list")
@state_option
@click.option("--server", help="Those of one server. [default: of all]")
@json_option
def list_points(*, state: Path, server: str | None, is_json: bool) -> None:
    """List the points, and what was moved for each beside what a full copy would have moved."""
    with logged_in(state) as client:
        show(_points(client, "" if server is None else server_named(client, server)), POINTS, is_json=is_json)


@backup.command()
@state_option
@click.argument("point")
@click.option("--into", "server", metavar="SERVER", help="Bring it back in place: the server's disk is made anew.")
@click.option("--new", "name", metavar="NAME", help="Build a new server of it.")
@click.option("--flavor", help="The size of the new server, an id or a name.")
def restore(*, state: Path, point: str, server: str | None, name: str | None, flavor: str | None) -> None:
    """Bring POINT back, with all that it needs, into a server that is there or into a new one."""
    if (server is None) == (name is None) or (name is None) != (flavor is None):
        raise Refused("Into what? Cure: give either --into SERVER, or --new NAME and --flavor FLAVOR.")
    with logged_in(state) as client:
        if server is not None:
            uuid = server_named(client, server)
            client.send("POST", f"/v2.1/servers/{uuid}/action", {"rebuild": {"imageRef": point}})
        else:
            flavor_id = named(client.pages("/v2.1/flavors?is_public=None", "flavors"), "flavor", flavor or "")
            asked = {"name": name, "imageRef": point, "flavorRef": flavor_id, "networks": "auto"}
            uuid = client.send("POST", "/v2.1/servers", {"server": asked})["server"]["id"]
    click.echo(uuid)


@backup.command()
@state_option
@click.argument("point")
def delete(*, state: Path, point: str) -> None:
    """Forget POINT; one that others need stays until they are gone."""
    with logged_in(state) as client:
        needing = [row["id"] for row in _points(client) if row.get(PARENT) == point]
        if needing:
            raise Refused(f"{point} is needed by {', '.join(needing)}. Cure: delete these first.")
        client.send("DELETE", f"/image/v2/images/{point}")


def _points(client: Client, server: str = "") -> list[dict[str, Any]]:
    """The oldest first."""
    path = f"/image/v2/images?image_type={POINT}&limit=1000&sort=created_at:asc,name:asc" + (f"&instance_uuid={server}" if server else "")
    found: list[dict[str, Any]] = []
    while path:
        body = client.send("GET", path)
        found += body["images"]
        path = f"/image{body['next']}" if "next" in body else ""
    return sorted(found, key=lambda row: (row["instance_uuid"], int(row.get(SEQUENCE) or 0)))


def server_named(client: Client, wanted: str) -> str:
    """The id of the server that has this id or this name."""
    return named(client.pages("/v2.1/servers?all_tenants=1", "servers"), "server", wanted)


def named(rows: list[dict[str, Any]], what: str, wanted: str) -> str:
    """The id of what has this id or this name."""
    found: Mapping[str, str] = {row["id"]: row["name"] for row in rows}
    ids = [uuid for uuid, name in found.items() if wanted in (uuid, name)]
    if len(ids) != 1:
        raise Refused(f"There are {len(ids)} of the {what} {wanted!r}. Cure: give its id.")
    return ids[0]
