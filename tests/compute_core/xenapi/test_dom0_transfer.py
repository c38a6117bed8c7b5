"""Room for disks that come by rsync."""

from __future__ import annotations

from pathlib import Path

import pytest

from compute_core.xenapi import dom0_transfer
from compute_core.xenapi.errors import XenApiFailure
from compute_core.xenapi.parcel import ParcelDisk
from tests.compute_core.dom0.simulated import Site, over_dom0


def disk(device: str, used_bytes: int) -> ParcelDisk:
    return ParcelDisk("vdi", "uuid", device, "Disk", "RW", True, size_bytes=1 << 62, used_bytes=used_bytes)


def test_a_disk_that_has_no_room_is_refused_before_anything_is_sent_by_what_it_takes_and_not_by_its_size(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        assert await dom0_transfer.prepared(site.session, site.place, [disk("0", 4096)], "m") == site.sr_uuid
        with pytest.raises(XenApiFailure, match=rf"SR_FULL \[{1 << 60} bytes are needed, the SR has"):
            await dom0_transfer.prepared(site.session, site.place, [disk("0", 4096), disk("1", 1 << 60)], "m")

    over_dom0(tmp_path, body)
