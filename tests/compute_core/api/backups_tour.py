"""Backups with the unmodified ``openstack`` client and our own command, over a simulated host."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from tests.compute_core.api import tour
from tests.compute_core.api.tour import Client, Step, state

BEGIN: tuple[Step, ...] = (
    Step("image create debian --disk-format vhd --container-format bare --public --file debian.vhd -f value -c status", "active"),
    Step("flavor create m1.lab --ram 256 --disk 1 --vcpus 1 -f value -c name", "m1.lab"),
    Step("server create web --image debian --flavor m1.lab --wait -f value -c status", "ACTIVE"),
    Step("server image create web --name copy --wait -f value -c status -c container_format", "ovf"),
    Step("server backup create web --name monday --type daily --rotate 2 --wait -f value -c name", "monday"),
    Step("image show monday -f value -c status", "active"),
    state("web", "ACTIVE"),
    Step("server backup create web --name tuesday --type daily --rotate 2 --wait -f value -c name", "tuesday"),
    Step("image show tuesday -f value -c status", "active"),
    state("web", "ACTIVE"),
    Step("server backup create web --name wednesday --type daily --rotate 2 --wait -f value -c name", "wednesday"),
    Step("image show wednesday -f value -c status", "active"),
    state("web", "ACTIVE"),
    Step("image list --property image_type=backup --sort-column Name -f value -c Name", "^tuesday\nwednesday$"),
    Step("server create second --image wednesday --flavor m1.lab --wait -f value -c status", "ACTIVE"),
)


def cloud(folder: Path) -> AbstractContextManager[Client]:
    """A simulated host, the core over it, and the client."""
    return tour.cloud(folder, hosts=1)


def inova(folder: Path, *arguments: str) -> tuple[int, str]:
    """Our own command."""
    return tour.ask_core(folder, "backup", *arguments)


def made(folder: Path, *arguments: str) -> dict[str, Any]:
    """The point that a command has made."""
    code, output = inova(folder, "create", "web", "--json", *arguments)
    assert code == 0, output
    point: dict[str, Any] = json.loads(output)[0]
    return point
