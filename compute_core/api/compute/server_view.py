"""A server in the API's words: one table of fields, each with the versions and the answers that have it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compute_core.api.call import Call
from compute_core.api.compute.links import links_of
from compute_core.api.compute.operations import date_of
from compute_core.api.schemas.types import LAST
from compute_core.model.hosts import ComputeNode
from compute_core.model.instances import Instance
from compute_core.model.transitions import status_of

IN_PROGRESS = frozenset({"ACTIVE", "BUILD", "REBOOT", "HARD_REBOOT", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING"})
"""The statuses in which a server shows its progress."""

WHOLE_SINCE = 75
"""From here on the answer of an update has all fields."""


Groups = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class View:
    """What is shown, to whom: ``hosts`` by name is there for admins only. ``groups``: names of security groups, by server."""

    call: Call
    server: Instance
    hosts: dict[str, ComputeNode]
    groups: Groups


@dataclass(frozen=True, slots=True)
class Field:
    """One field. ``in_list``/``in_update``: whether listings and old updates have it; ``when``: a further condition."""

    name: str
    value: Callable[[View], Any]
    since: int = 1
    until: int = LAST
    is_admins: bool = False
    in_list: bool = True
    in_update: bool = False
    when: Callable[[Instance], bool] | None = None

    def is_in(self, view: View, *, is_update: bool, is_list: bool) -> bool:
        """Whether this answer has it."""
        call = view.call
        return (
            self.since <= call.version <= self.until
            and (not self.is_admins or call.context.is_admin)
            and (self.in_update or not is_update or call.version >= WHOLE_SINCE)
            and (self.in_list or not is_list)
            and (self.when is None or self.when(view.server))
        )


def host_id(server: Instance) -> str:
    """The host as its users may see it: the same for one project's servers on one host, and telling nothing else."""
    return host_id_of(server.project_id, server.host)


def host_id_of(project_id: str, host: str | None) -> str:
    """As ``host_id``, of any host; "" for none."""
    return hashlib.sha224(f"{project_id}{host}".encode()).hexdigest() if host else ""


def _image(view: View) -> Any:
    image = view.server.image_ref
    bookmark = {"rel": "bookmark", "href": f"{view.call.host_url}/images/{image}"}
    return {"id": image, "links": [bookmark]} if image else ""


def _flavor(view: View) -> dict[str, Any]:
    flavor = view.server.flavor
    return {"id": flavor.id, "links": [links_of(view.call, "flavors", flavor.id)[1]]}


def _whole_flavor(view: View) -> dict[str, Any]:
    flavor = view.server.flavor
    return {
        "vcpus": flavor.vcpus,
        "ram": flavor.memory_mb,
        "disk": flavor.root_gb,
        "ephemeral": flavor.ephemeral_gb,
        "swap": flavor.swap_mb,
        "original_name": flavor.name,
        "extra_specs": dict(flavor.extra_specs),
    }


def addresses(server: Instance, *, is_plain: bool) -> dict[str, list[dict[str, Any]]]:
    """The server's addresses by network; ``is_plain`` leaves out kind and MAC."""
    networks: dict[str, list[dict[str, Any]]] = {}
    for vif in server.vifs:
        more = {} if is_plain else {"OS-EXT-IPS:type": "fixed", "OS-EXT-IPS-MAC:mac_addr": vif.mac}
        networks.setdefault(vif.network_label, []).append({"version": 6 if ":" in vif.ip else 4, "addr": vif.ip, **more})
    return networks


def _fault(view: View) -> dict[str, Any]:
    fault = view.server.fault
    assert fault is not None  # noqa: S101 - the table asks `_is_broken` first
    details = {"details": fault.details} if view.call.context.is_admin and fault.details else {}
    return {"code": fault.code, "created": fault.created_at, "message": fault.message, **details}


def _is_broken(server: Instance) -> bool:
    return server.fault is not None and server.vm_state in {"error", "deleted"}


def _host_status(view: View) -> str:
    node = view.hosts.get(view.server.host or "")
    if node is None:
        return "" if view.server.host is None else "UNKNOWN"
    if not node.is_up or node.is_forced_down:
        return "DOWN"
    return "UP" if node.is_enabled else "MAINTENANCE"


def _volumes(view: View) -> list[dict[str, Any]]:
    devices = [device for device in view.server.block_devices if device.is_shown]
    since = view.call.version >= 3
    return [{"id": device.volume_id, **({"delete_on_termination": device.deletes_volume} if since else {})} for device in devices]


def _security_groups(view: View) -> list[dict[str, str]]:
    return [{"name": name} for name in view.groups.get(view.server.uuid, ())]


def _hostname(view: View) -> str:
    return view.server.hostname or view.server.name


FIELDS: tuple[Field, ...] = (
    Field("id", lambda v: v.server.uuid, in_update=True),
    Field("name", lambda v: v.server.name, in_update=True),
    Field("status", lambda v: status_of(v.server), in_update=True),
    Field("tenant_id", lambda v: v.server.project_id, in_update=True),
    Field("user_id", lambda v: v.server.user_id, in_update=True),
    Field("metadata", lambda v: dict(v.server.metadata), in_update=True),
    Field("hostId", lambda v: host_id(v.server), in_update=True),
    Field("image", _image, in_update=True),
    Field("flavor", _flavor, until=46, in_update=True),
    Field("flavor", _whole_flavor, since=47, in_update=True),
    Field("created", lambda v: v.server.created_at, in_update=True),
    Field("updated", lambda v: v.server.updated_at, in_update=True),
    Field("addresses", lambda v: addresses(v.server, is_plain=False), in_update=True),
    Field("accessIPv4", lambda v: v.server.access_ip_v4, in_update=True),
    Field("accessIPv6", lambda v: v.server.access_ip_v6, in_update=True),
    Field("links", lambda v: links_of(v.call, "servers", v.server.uuid), in_update=True),
    Field("OS-DCF:diskConfig", lambda v: v.server.disk_config, in_update=True),
    Field("progress", lambda v: v.server.progress, in_update=True, when=lambda server: status_of(server) in IN_PROGRESS),
    Field("fault", _fault, in_update=True, when=_is_broken),
    Field("OS-EXT-AZ:availability_zone", lambda v: v.server.availability_zone or ""),
    Field("config_drive", lambda v: "True" if v.server.has_config_drive else ""),
    Field("key_name", lambda v: v.server.key_name),
    Field("security_groups", _security_groups, when=lambda server: bool(server.vifs)),
    Field("OS-SRV-USG:launched_at", lambda v: date_of(v.server.launched_at)),
    Field("OS-SRV-USG:terminated_at", lambda v: date_of(v.server.terminated_at)),
    Field("OS-EXT-STS:task_state", lambda v: v.server.task_state),
    Field("OS-EXT-STS:vm_state", lambda v: v.server.vm_state),
    Field("OS-EXT-STS:power_state", lambda v: v.server.power_state),
    Field("os-extended-volumes:volumes_attached", _volumes),
    Field("OS-EXT-SRV-ATTR:host", lambda v: v.server.host, is_admins=True),
    Field("OS-EXT-SRV-ATTR:hypervisor_hostname", lambda v: v.server.hypervisor_hostname, is_admins=True),
    Field("OS-EXT-SRV-ATTR:instance_name", lambda v: v.server.domain_name, is_admins=True),
    Field("OS-EXT-SRV-ATTR:hostname", _hostname, since=3, is_admins=True),
    Field("OS-EXT-SRV-ATTR:kernel_id", lambda _: "", since=3, is_admins=True),
    Field("OS-EXT-SRV-ATTR:ramdisk_id", lambda _: "", since=3, is_admins=True),
    Field("OS-EXT-SRV-ATTR:launch_index", lambda v: v.server.launch_index, since=3, is_admins=True),
    Field("OS-EXT-SRV-ATTR:reservation_id", lambda v: v.server.reservation_id, since=3, is_admins=True),
    Field("OS-EXT-SRV-ATTR:root_device_name", lambda v: v.server.root_device_name, since=3, is_admins=True),
    Field("OS-EXT-SRV-ATTR:user_data", lambda v: v.server.user_data, since=3, is_admins=True),
    Field("locked", lambda v: v.server.is_locked, since=9, in_update=True),
    Field("host_status", _host_status, since=16, is_admins=True),
    Field("description", lambda v: v.server.description, since=19, in_update=True),
    Field("tags", lambda v: list(v.server.tags), since=26, in_update=True),
    Field("trusted_image_certificates", lambda _: None, since=63, in_update=True),
    Field("server_groups", lambda _: [], since=71, in_list=False, in_update=True),
    Field("locked_reason", lambda v: v.server.locked_reason, since=73, in_update=True),
)


def brief(call: Call, server: Instance) -> dict[str, Any]:
    """A server in a list without details."""
    return {"id": server.uuid, "name": server.name, "links": links_of(call, "servers", server.uuid)}


def shown(call: Call, server: Instance, hosts: dict[str, ComputeNode], groups: Groups) -> dict[str, Any]:
    """A server by itself."""
    view = View(call, server, hosts, groups)
    return {field.name: field.value(view) for field in FIELDS if field.is_in(view, is_update=False, is_list=False)}


def listed(call: Call, servers: Iterable[Instance], hosts: dict[str, ComputeNode], groups: Groups) -> list[dict[str, Any]]:
    """Servers in a list with details."""
    views = [View(call, server, hosts, groups) for server in servers]
    return [{field.name: field.value(view) for field in FIELDS if field.is_in(view, is_update=False, is_list=True)} for view in views]


def updated(call: Call, server: Instance, hosts: dict[str, ComputeNode], groups: Groups) -> dict[str, Any]:
    """A server as the answer to its update."""
    view = View(call, server, hosts, groups)
    answer = {field.name: field.value(view) for field in FIELDS if field.is_in(view, is_update=True, is_list=False)}
    if call.version < WHOLE_SINCE:
        answer["addresses"] = addresses(server, is_plain=call.version < 3)
    return answer
