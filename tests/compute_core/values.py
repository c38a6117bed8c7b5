"""Servers and images to test with, as the cell would send them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from compute_core.model.flavors import Flavor
from compute_core.model.images import Image
from compute_core.model.instances import Instance, Vif

UUID = "6f70656e-7374-4163-8b00-696e6f766131"
CELL = "cell1"
DATE = "2012-08-01T00:00:00Z"


def a_vif(device: int = 0, bridge: str = "xenbr0") -> Vif:
    mac, ip = f"fa:16:3e:00:00:0{device + 1}", f"10.0.0.{device + 11}"
    return Vif(f"port-{device}", mac, "net-1", "private", bridge, ip, 24, "10.0.0.1", device)


def an_instance(uuid: str = UUID, **changes: Any) -> Instance:
    server = Instance(
        uuid=uuid,
        name="web",
        project_id="p",
        user_id="u",
        flavor=Flavor("1", "m1.tiny", 512, 1, 1),
        image_ref="img-1",
        created_at=DATE,
        updated_at=DATE,
        cell=CELL,
        host="xs1",
        hostname="web",
        vifs=(a_vif(),),
    )
    return replace(server, **changes)


def an_image(**changes: Any) -> Image:
    image = Image("img-1", "debian", "active", "p", DATE, DATE, disk_format="vhd", container_format="bare")
    return replace(image, **changes)
