"""Hosts cared for with our own commands beside the unmodified ``openstack`` client, over two simulated hosts with our plugin in dom0."""

from __future__ import annotations

import json
import xmlrpc.client
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from compute_core.xenapi import dom0_bundle, marks
from compute_core.xenapi.records import vdi_record
from tests.compute_core.api import tour
from tests.compute_core.api.tour import PATIENCE, Client, Step

BEGIN: tuple[Step, ...] = (
    Step("image create debian --disk-format vhd --container-format bare --public --file debian.vhd -f value -c status", "active"),
    Step("flavor create m1.lab --ram 256 --disk 1 --vcpus 1 --property quota:disk_io_weight=300 -f value -c name", "m1.lab"),
    Step("server create web --image debian --flavor m1.lab --wait -f value -c status", "ACTIVE"),
)
AHEAD: tuple[Step, ...] = (
    Step("aggregate create everywhere -f value -c name", "everywhere"),
    Step("aggregate add host everywhere xs00001 -f value -c hosts", "xs00001"),
    Step("aggregate add host everywhere xs00002 -f value -c hosts", "xs00002"),
    Step("aggregate cache image everywhere debian"),
)
USED: tuple[Step, ...] = (
    Step("server show web --diagnostics -f value -c cpu_details -c memory_details", "maximum"),
    Step("usage list -c Servers -c 'CPU Hours'", r"\|\s*1\s+\|\s*0\.\d+\s+\|"),
    Step("usage show -c Servers -c 'Disk GB-Hours'", r"Servers\s+\|\s*1\s"),
    Step("hypervisor stats show -f value -c vcpus_used", "^1"),
    Step("hypervisor show xs00001 -f value -c hypervisor_hostname -c aggregates", "xs00001"),
)
END: tuple[Step, ...] = (
    Step("server delete web --wait"),
    Step("usage list -c Servers", r"\|\s*1\s+\|"),
)


def cloud(folder: Path) -> AbstractContextManager[Client]:
    """The hosts, the core over them, whose agents make their rounds every second, and the client."""
    dom0_bundle.write(folder / "dom0-plugins")
    care = "--rounds 1 --image-days 30 --image-room 95 80 --orphan-hours 24"
    return tour.cloud(folder, sim="--plugins dom0-plugins", core=care)


def core(folder: Path, line: str) -> tuple[int, str]:
    """One of our own commands."""
    return tour.ask_core(folder, *line.split())


def rows(folder: Path, line: str) -> list[dict[str, Any]]:
    """What a command answers in JSON."""
    code, output = core(folder, f"{line} --json")
    assert code == 0, output
    found: list[dict[str, Any]] = json.loads(output)
    return found


def until(folder: Path, line: str, is_there: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    """The same, asked again and again until it is as wanted; a command takes its time anyway."""
    found: list[dict[str, Any]] = []
    for _ in range(PATIENCE):
        found = rows(folder, line)
        if is_there(found):
            return found
    raise AssertionError(f"{line}: {found}")


def a_lost_disk(folder: Path, server: str) -> str:
    """The uuid of a disk, made on the first host, of a server that is gone."""
    host = json.loads((folder / "hosts.json").read_text())[0]
    with xmlrpc.client.ServerProxy(host["url"]) as xapi:

        def call(method: str, *params: Any) -> Any:
            answer: Any = getattr(xapi, method)(*params)
            return answer["Value"]

        session = call("session.login_with_password", host["user"], "xenroot")
        (pool,) = call("pool.get_all_records", session).values()
        record = vdi_record(pool["default_SR"], f"instance-{server}", 1 << 20, {marks.INSTANCE: server, marks.DISK: "root"})
        ref = call("VDI.create", session, {**record, "virtual_size": str(record["virtual_size"])})
        return str(call("VDI.get_uuid", session, ref))
