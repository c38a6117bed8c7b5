"""The command ``core hosts``: list the hosts, take them in and out of use, empty them, boot them, switch them off and on.

Knows what to tell people; what is done is behind the operator's REST API.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from compute_core.api.backup_commands import logged_in, state_option
from compute_core.api.client import Client
from compute_core.tables import Column, json_option, show

HOSTS = "/operator/v1/hosts"
LOOK_S = 0.5
RESTING = frozenset({"in maintenance", "stuck", "off"})
"""Stages in which nothing goes on by itself."""

WHAT_THERE_IS = (
    Column("host", lambda row: row["service"]["host"]),
    Column("name", lambda row: row["hypervisor_hostname"]),
    Column("address", lambda row: row["host_ip"]),
    Column("VMs", lambda row: row["running_vms"]),
    Column("vCPUs", lambda row: f"{row['vcpus_used']}/{row['vcpus']}"),
    Column("memory MiB", lambda row: f"{row['memory_mb_used']}/{row['memory_mb']}"),
    Column("disk GiB", lambda row: f"{row['local_gb_used']}/{row['local_gb']}"),
    Column("state", lambda row: f"{row['status']}, {row['state']}"),
)
WHAT_IS_DONE = (
    Column("host", lambda row: row["host"]),
    Column("zone", lambda row: row["zone"]),
    Column("aggregates", lambda row: ", ".join(row["aggregates"])),
    Column("pool", lambda row: row["pool"][:8] + (" (master)" if row["is_master"] else "")),
    Column("servers", lambda row: row["servers"]),
    Column("state", lambda row: f"{row['status']}, {row['state']}"),
    Column("upkeep", lambda row: row["upkeep"]["stage"] if row["upkeep"] else ""),
    Column("reason", lambda row: row["reason"] or ""),
)

no_wait_option = click.option("--no-wait", is_flag=True, help="Do not wait until it is done.")
live_only_option = click.option("--live-only", is_flag=True, help="Halt no server on its way: those that do not go while they run stay.")
stop_option = click.option("--stop-servers", is_flag=True, help="Stop the servers and leave them there. [default: they go to other hosts]")


@click.group(invoke_without_command=True)
@state_option
@json_option
@click.pass_context
def hosts(context: click.Context, *, state: Path, is_json: bool) -> None:
    """List the hosts, what they have and what of it is used; or do something with one."""
    if context.invoked_subcommand is None:
        with logged_in(state) as client:
            show(client.pages("/v2.1/os-hypervisors/detail", "hypervisors"), WHAT_THERE_IS, is_json=is_json)


@hosts.command("list")
@state_option
@json_option
def list_hosts(*, state: Path, is_json: bool) -> None:
    """List the hosts with their zones, aggregates and pools, and what is being done with them."""
    with logged_in(state) as client:
        show(client.send("GET", HOSTS)["hosts"], WHAT_IS_DONE, is_json=is_json)


@hosts.command()
@state_option
@click.argument("host")
@click.option("--reason", help="Is shown wherever the host is.")
@click.option("--on-host", is_flag=True, help="Tell XenServer as well: it starts no VM there any more.")
def disable(*, state: Path, host: str, reason: str | None, on_host: bool) -> None:
    """Have no new servers come to HOST; those that are there stay."""
    _ask(state, host, "disable", {"on_host": on_host, **({"reason": reason} if reason else {})})


@hosts.command()
@state_option
@click.argument("host")
@click.option("--on-host", is_flag=True, help="Tell XenServer as well: it starts VMs there again.")
def enable(*, state: Path, host: str, on_host: bool) -> None:
    """Have new servers come to HOST again."""
    _ask(state, host, "enable", {"on_host": on_host})


@hosts.command()
@state_option
@click.argument("host")
@click.option("--off", "is_over", is_flag=True, help="End it: the host is in use again.")
@click.option("--reason", help="Is shown wherever the host is.")
@live_only_option
@no_wait_option
def maintenance(*, state: Path, host: str, is_over: bool, reason: str | None, live_only: bool, no_wait: bool) -> None:
    """Take every server of HOST elsewhere, live where that can be, and have none come. What cannot leave is told, with the reason."""
    asked = {"may_halt": not live_only, **({"reason": reason} if reason else {})}
    _ask(state, host, *(("end_maintenance", None) if is_over else ("maintenance", asked)))
    _wait(state, host, no_wait=no_wait)


@hosts.command()
@state_option
@click.argument("host")
@stop_option
@live_only_option
@no_wait_option
def reboot(*, state: Path, host: str, stop_servers: bool, live_only: bool, no_wait: bool) -> None:
    """Boot HOST again once its servers have made way. One in maintenance stays there, others are in use then as before."""
    _clear(state, host, "reboot", stop_servers=stop_servers, live_only=live_only, no_wait=no_wait)


@hosts.command()
@state_option
@click.argument("host")
@stop_option
@live_only_option
@no_wait_option
def shutdown(*, state: Path, host: str, stop_servers: bool, live_only: bool, no_wait: bool) -> None:
    """Switch HOST off once its servers have made way."""
    _clear(state, host, "shutdown", stop_servers=stop_servers, live_only=live_only, no_wait=no_wait)


@hosts.command("power-on")
@state_option
@click.argument("host")
@no_wait_option
def power_on(*, state: Path, host: str, no_wait: bool) -> None:
    """Have a neighbour in HOST's pool switch it on."""
    _ask(state, host, "power_on", None)
    _wait(state, host, no_wait=no_wait)


def _ask(state: Path, host: str, action: str, asked: Any) -> None:
    with logged_in(state) as client:
        client.send("POST", f"{HOSTS}/{quote(host, safe='')}/action", {action: asked})


def _clear(state: Path, host: str, action: str, *, stop_servers: bool, live_only: bool, no_wait: bool) -> None:
    """Have something done with a host as soon as its servers have made way."""
    _ask(state, host, action, {"clearing": "stop" if stop_servers else "move", "may_halt": not live_only})
    _wait(state, host, no_wait=no_wait)


def _wait(state: Path, host: str, *, no_wait: bool) -> None:
    """Until nothing goes on by itself any more; what could not leave is an error."""
    with logged_in(state) as client:
        found = _look(client, host)
        while not no_wait and found["upkeep"] and found["upkeep"]["stage"] not in RESTING:
            time.sleep(LOOK_S)
            found = _look(client, host)
    _tell(host, found)


def _look(client: Client, host: str) -> dict[str, Any]:
    found: dict[str, Any] = client.send("GET", f"{HOSTS}/{quote(host, safe='')}")["host"]
    return found


def _tell(host: str, found: dict[str, Any]) -> None:
    job = found["upkeep"]
    click.echo(f"{host}: {job['stage'] if job else found['status']}")
    stuck = job["stuck"] if job else ()
    for server in stuck:
        click.echo(f"  {server['id']} {server['name']}: {server['reason']}")
    if job and job["stage"] == "stuck":
        raise click.ClickException(f"{len(stuck)} could not make way. Cure: see to these, and ask again.")
