"""What SRs say is used of them: what is charged can be taken back, whatever a client wrote there."""

from __future__ import annotations

import pytest

from fake_xapi.verbs.disks import storage
from tests.fake_xapi.verbs.kit.hosts import Host, over_host

LEAST, MOST = -(1 << 63), (1 << 63) - 1
FIELDS = ("physical_utilisation", "virtual_allocation")


@pytest.mark.parametrize("written", [0, LEAST, MOST])
def test_what_was_charged_is_taken_back_to_the_byte(written: int) -> None:
    async def body(host: Host) -> None:
        sr = host.id(host.sr)
        for field in FIELDS:
            await host.call(f"SR.set_{field}", host.sr, str(written))
        for bytes_more in (4096, -4096):
            with host.world.edit() as edit:
                storage.charge(edit, sr, physical=bytes_more, virtual=bytes_more)
            assert all(LEAST <= host.row(host.sr)[field] <= MOST for field in FIELDS)
        assert [host.row(host.sr)[field] for field in FIELDS] == [written, written]

    over_host(body)
