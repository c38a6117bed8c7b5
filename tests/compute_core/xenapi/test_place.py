"""Where on a host a server's disks go."""

from __future__ import annotations

from typing import Any

import pytest

from compute_core.model.errors import HostUnreachable
from compute_core.xenapi.place import NULL, disk_sr


def sr(kind: str, size: int, content_type: str = "user") -> dict[str, Any]:
    return {"type": kind, "content_type": content_type, "physical_size": size, "uuid": f"{kind}-{size}"}


SRS = {"ext": sr("ext", 100), "big": sr("nfs", 900), "iso": sr("iso", 5000, "iso"), "dvd": sr("udev", 9000, "iso"), "far": sr("nfs", 9999)}
PBDS = {f"pbd-{name}": {"host": "h2" if name == "far" else "h1", "SR": name, "currently_attached": True} for name in SRS}


@pytest.mark.parametrize(("default", "chosen"), [("ext", "ext"), (NULL, "big"), ("far", "big")])
def test_disks_go_to_the_pools_default_if_plugged_else_to_the_roomiest(default: str, chosen: str) -> None:
    assert disk_sr("h1", {"pool": {"default_SR": default}}, PBDS, SRS) == chosen


def test_a_host_without_an_sr_for_disks_is_of_no_use() -> None:
    pbds = {name: {**pbd, "currently_attached": pbd["SR"] in {"iso", "dvd"}} for name, pbd in PBDS.items()}

    with pytest.raises(HostUnreachable, match="Cure: plug a PBD"):
        disk_sr("h1", {"pool": {"default_SR": "ext"}}, pbds, SRS)
