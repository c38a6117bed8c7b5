"""Volumes with the unmodified ``openstack`` client: what the chapter of the tour does, over a simulated array."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import msgspec

from fake_xapi.dom0.arrays import STANDARD
from tests.compute_core.api import tour
from tests.compute_core.api.tour import Client, Step, state


def volume(name: str, status: str) -> Step:
    """Wait until a volume is in a state."""
    return Step(f"volume show {name} -f value -c status", until=status)


STEPS: tuple[Step, ...] = (
    Step("image create debian --disk-format vhd --container-format bare --file debian.vhd -f value -c status", "active"),
    Step("flavor create m1.lab --ram 256 --disk 1 --vcpus 1 -f value -c name", "m1.lab"),
    Step("volume create data --size 10 --description 'of the web' --property tier=gold -f value -c name -c size -c status", "available"),
    Step("volume create more --size 20 -f value -c name", "more"),
    Step("volume list -c Name -c Status -c Size", "data .* available .* 10"),
    Step("server create web --image debian --flavor m1.lab --wait -f value -c status", "ACTIVE"),
    Step("server add volume web data -c Device -c 'Volume ID'", "/dev/xvdb"),
    volume("data", "in-use"),
    state("web", "ACTIVE"),
    Step("server add volume web more --enable-delete-on-termination --os-compute-api-version 2.79 -f value -c Device", "/dev/xvdc"),
    volume("more", "in-use"),
    Step("server volume list web --os-compute-api-version 2.79 -c Device -c 'Delete On Termination?'", "/dev/xvdb .* False"),
    Step("volume set data --size 15 --name data15 --property tier=silver"),
    Step("volume show data15 -f value -c size -c properties", "15"),
    Step("server reboot web --hard --wait", "Complete"),
    volume("data15", "in-use"),
    Step("server remove volume web data15"),
    volume("data15", "available"),
    Step("volume snapshot create before --volume data15 --description 'as it was' -f value -c name -c size", "before"),
    Step("volume snapshot show before -f value -c status", until="available"),
    Step("volume snapshot list -c Name -c Status -c Size", "before .* available .* 15"),
    Step("volume create again --snapshot before --size 15 -f value -c name", "again"),
    volume("again", "available"),
    Step("volume delete again"),
    Step("volume snapshot delete before"),
    Step("volume snapshot list -f value", "^$"),
    Step("volume delete data15"),
    Step("server delete web --wait"),
    Step("volume create root --size 5 --bootable -f value -c name", "root"),
    Step(
        "server create booted --volume root --flavor m1.lab --wait -f value -c status "
        "--block-device source_type=blank,destination_type=volume,volume_size=2,delete_on_termination=true",
        "ACTIVE",
    ),
    Step("server show booted -f value -c image", "booted from volume"),
    Step("server volume list booted -c Device -f value", "/dev/xvda"),
    Step("server delete booted --wait"),
    volume("root", "available"),
    Step("volume delete root"),
    Step("volume list -f value", "^$"),
)


def cloud(folder: Path) -> AbstractContextManager[Client]:
    """A simulated host, the core over it with the LUNs of the simulator's arrays, and the client."""
    (folder / "array.json").write_bytes(msgspec.json.encode({"targets": STANDARD.targets}))
    return tour.cloud(folder, hosts=1, sim="--storage array.json", core="--volumes array.json")
