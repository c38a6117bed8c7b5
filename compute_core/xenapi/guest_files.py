"""What a server's guest is told in files, as OpenStack's metadata service lays them out: who it is, its network, its user's data. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from ipaddress import ip_interface
from typing import Any

from compute_core.model.instances import Instance, Vif

JSON = Mapping[str, Any]


def files(instance: Instance, admin_password: str = "") -> dict[str, bytes]:
    """The files of a config drive by their paths. ``admin_password`` is in it as guests expect; "" for none."""
    user_data = base64.b64decode(instance.user_data) if instance.user_data else None
    optional = {"openstack/latest/user_data": user_data, "ec2/latest/user-data": user_data}
    return {
        "openstack/latest/meta_data.json": _json(meta_data(instance, admin_password)),
        "openstack/latest/network_data.json": _json(network_data(instance)),
        "openstack/latest/vendor_data.json": _json({}),
        "ec2/latest/meta-data.json": _json(ec2_meta_data(instance)),
        **{path: content for path, content in optional.items() if content is not None},
        **{f"openstack{place}": base64.b64decode(file.contents) for place, file in _placed(instance)},
    }


def meta_data(instance: Instance, admin_password: str = "") -> JSON:
    """``meta_data.json``."""
    keys = {instance.key_name: instance.key_data} if instance.key_name and instance.key_data else {}
    placed = [{"path": file.path, "content_path": place} for place, file in _placed(instance)]
    return {
        "uuid": instance.uuid,
        "name": instance.name,
        "hostname": instance.hostname or instance.name,
        "project_id": instance.project_id,
        "launch_index": instance.launch_index,
        "availability_zone": instance.availability_zone or "nova",
        "meta": dict(instance.metadata),
        "devices": [],
        **({"public_keys": keys, "keys": [{"name": name, "type": "ssh", "data": key} for name, key in keys.items()]} if keys else {}),
        **({"admin_pass": admin_password} if admin_password else {}),
        **({"files": placed} if placed else {}),
    }


def _placed(instance: Instance) -> Iterator[tuple[str, Any]]:
    """The user's files, each with the place of its content."""
    return ((f"/content/{number:04d}", file) for number, file in enumerate(instance.personality))


def network_data(instance: Instance) -> JSON:
    """``network_data.json``."""
    return {
        "links": [_link(vif) for vif in instance.vifs],
        "networks": [_network(vif, number) for number, vif in enumerate(instance.vifs)],
        "services": [],
    }


def _link(vif: Vif) -> JSON:
    return {"id": _tap(vif), "vif_id": vif.id, "type": "bridge", "mtu": 1500, "ethernet_mac_address": vif.mac}


def _network(vif: Vif, number: int) -> JSON:
    address = ip_interface(f"{vif.ip}/{vif.prefix_length}")
    anywhere = "0.0.0.0" if address.version == 4 else "::"  # noqa: S104  # a route, not an address that anybody listens on
    route = {"network": anywhere, "netmask": anywhere, "gateway": vif.gateway}
    return {
        "id": f"network{number}",
        "type": f"ipv{address.version}",
        "link": _tap(vif),
        "network_id": vif.network_id,
        "ip_address": vif.ip,
        "netmask": str(address.netmask),
        "routes": [route] if vif.gateway else [],
    }


def _tap(vif: Vif) -> str:
    return f"tap{vif.id[:11]}"


def ec2_meta_data(instance: Instance) -> JSON:
    """What Amazon's metadata service says, in one file."""
    first = next(iter(instance.vifs), None)
    number = int(instance.uuid.replace("-", "")[:8], 16)
    return {
        "ami-launch-index": instance.launch_index,
        "hostname": instance.hostname or instance.name,
        "local-hostname": instance.hostname or instance.name,
        "instance-id": f"i-{number:08x}",
        "instance-type": instance.flavor.name,
        "local-ipv4": first.ip if first else "",
        "placement": {"availability-zone": instance.availability_zone or "nova"},
        "reservation-id": instance.reservation_id,
        **({"public-keys": {"0": {"openssh-key": instance.key_data}}} if instance.key_data else {}),
    }


def _json(value: JSON) -> bytes:
    return json.dumps(value, sort_keys=True).encode()
