"""Tempest's published response schemas as the judge of every answer of the Compute API: statuses, members, formats, nothing beside.

A successful answer that no line of the table speaks of is an error too, so that a new route cannot go unjudged.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import tempest.lib.api_schema.response.compute as published
from tempest.lib.common.rest_client import RestClient

from compute_core.api.wsgi import Reply

ACTIONS: Mapping[str, tuple[str, str]] = {
    "createImage": ("images", "create_image"),
    "createBackup": ("servers", "create_backup"),
    "createIncrementalBackup": ("images", "create_image"),
    "os-getConsoleOutput": ("servers", "get_console_output"),
    "os-getVNCConsole": ("servers", "get_vnc_console"),
    "confirmResize": ("servers", "server_actions_confirm_resize"),
    "evacuate": ("servers", "evacuate_server"),
    "rescue": ("servers", "rescue_server_with_admin_pass"),
    "rebuild": ("servers", "rebuild_server_with_admin_pass"),
}
PLAIN_ACTION = ("servers", "server_actions_common_schema")


@dataclass(frozen=True, slots=True)
class Line:
    """Which schema judges which answers."""

    method: str
    path: str
    module: str
    schema: str

    def fits(self, method: str, path: str) -> bool:
        """Whether the line speaks of the request."""
        return self.method == method and re.fullmatch(self.path.replace("{}", "[^/]+"), path) is not None


# fmt: off
LINES = (
    Line("GET", "/servers", "servers", "list_servers"),
    Line("GET", "/servers/detail", "servers", "list_servers_detail"),
    Line("POST", "/servers", "servers", "create_server_with_admin_pass"),
    Line("GET", "/servers/{}", "servers", "get_server"),
    Line("PUT", "/servers/{}", "servers", "update_server"),
    Line("DELETE", "/servers/{}", "servers", "delete_server"),
    Line("GET", "/servers/{}/ips", "servers", "list_addresses"),
    Line("GET", "/servers/{}/ips/{}", "servers", "list_addresses_by_network"),
    Line("GET", "/servers/{}/metadata", "servers", "list_server_metadata"),
    Line("POST", "/servers/{}/metadata", "servers", "update_server_metadata"),
    Line("PUT", "/servers/{}/metadata", "servers", "set_server_metadata"),
    Line("GET", "/servers/{}/metadata/{}", "servers", "set_show_server_metadata_item"),
    Line("PUT", "/servers/{}/metadata/{}", "servers", "set_show_server_metadata_item"),
    Line("DELETE", "/servers/{}/metadata/{}", "servers", "delete_server_metadata_item"),
    Line("GET", "/servers/{}/os-instance-actions", "servers", "list_instance_actions"),
    Line("GET", "/servers/{}/os-instance-actions/{}", "servers", "show_instance_action"),
    Line("GET", "/servers/{}/diagnostics", "servers", "show_server_diagnostics"),
    Line("GET", "/servers/{}/os-server-password", "servers", "show_password"),
    Line("DELETE", "/servers/{}/os-server-password", "servers", "server_actions_delete_password"),
    Line("POST", "/servers/{}/remote-consoles", "servers", "get_remote_consoles"),
    Line("GET", "/servers/{}/os-interface", "interfaces", "list_interfaces"),
    Line("POST", "/servers/{}/os-interface", "interfaces", "get_create_interfaces"),
    Line("GET", "/servers/{}/os-interface/{}", "interfaces", "get_create_interfaces"),
    Line("DELETE", "/servers/{}/os-interface/{}", "interfaces", "delete_interface"),
    Line("GET", "/servers/{}/os-security-groups", "security_groups", "list_security_groups"),
    Line("GET", "/servers/{}/os-volume_attachments", "servers", "list_volume_attachments"),
    Line("POST", "/servers/{}/os-volume_attachments", "servers", "attach_volume"),
    Line("GET", "/servers/{}/os-volume_attachments/{}", "servers", "show_volume_attachment"),
    Line("PUT", "/servers/{}/os-volume_attachments/{}", "servers", "update_attached_volume"),
    Line("DELETE", "/servers/{}/os-volume_attachments/{}", "servers", "detach_volume"),
    Line("POST", "/os-server-external-events", "server_external_events", "create"),
    Line("GET", "/flavors", "flavors", "list_flavors"),
    Line("GET", "/flavors/detail", "flavors", "list_flavors_details"),
    Line("POST", "/flavors", "flavors", "create_update_get_flavor_details"),
    Line("GET", "/flavors/{}", "flavors", "create_update_get_flavor_details"),
    Line("DELETE", "/flavors/{}", "flavors", "delete_flavor"),
    Line("GET", "/flavors/{}/os-extra_specs", "flavors_extra_specs", "set_get_flavor_extra_specs"),
    Line("POST", "/flavors/{}/os-extra_specs", "flavors_extra_specs", "set_get_flavor_extra_specs"),
    Line("GET", "/flavors/{}/os-extra_specs/{}", "flavors_extra_specs", "set_get_flavor_extra_specs_key"),
    Line("PUT", "/flavors/{}/os-extra_specs/{}", "flavors_extra_specs", "set_get_flavor_extra_specs_key"),
    Line("DELETE", "/flavors/{}/os-extra_specs/{}", "flavors_extra_specs", "unset_flavor_extra_specs"),
    Line("GET", "/os-keypairs", "keypairs", "list_keypairs"),
    Line("POST", "/os-keypairs", "keypairs", "create_keypair"),
    Line("GET", "/os-keypairs/{}", "keypairs", "get_keypair"),
    Line("DELETE", "/os-keypairs/{}", "keypairs", "delete_keypair"),
    Line("GET", "/limits", "limits", "get_limit"),
    Line("GET", "/os-availability-zone", "availability_zone", "list_availability_zone_list"),
    Line("GET", "/os-availability-zone/detail", "availability_zone", "list_availability_zone_list_detail"),
    Line("GET", "/os-services", "services", "list_services"),
    Line("PUT", "/os-services/enable", "services", "enable_disable_service"),
    Line("PUT", "/os-services/disable", "services", "enable_disable_service"),
    Line("PUT", "/os-services/disable-log-reason", "services", "disable_log_reason"),
    Line("PUT", "/os-services/force-down", "services", "update_forced_down"),
    Line("PUT", "/os-services/{}", "services", "update_service"),
    Line("GET", "/os-hypervisors", "hypervisors", "list_search_hypervisors"),
    Line("GET", "/os-hypervisors/detail", "hypervisors", "list_hypervisors_detail"),
    Line("GET", "/os-hypervisors/statistics", "hypervisors", "get_hypervisor_statistics"),
    Line("GET", "/os-hypervisors/{}", "hypervisors", "get_hypervisor"),
    Line("GET", "/os-hypervisors/{}/search", "hypervisors", "list_search_hypervisors"),
    Line("GET", "/os-hypervisors/{}/servers", "hypervisors", "get_hypervisors_servers"),
    Line("GET", "/os-simple-tenant-usage", "tenant_usages", "list_tenant_usage"),
    Line("GET", "/os-simple-tenant-usage/{}", "tenant_usages", "get_tenant_usage"),
    Line("GET", "/os-migrations", "migrations", "list_migrations"),
    Line("GET", "/os-hosts", "hosts", "list_hosts"),
    Line("GET", "/os-hosts/{}", "hosts", "get_host_detail"),
    Line("PUT", "/os-hosts/{}", "hosts", "update_host"),
    Line("GET", "/os-hosts/{}/startup", "hosts", "startup_host"),
    Line("GET", "/os-hosts/{}/shutdown", "hosts", "shutdown_host"),
    Line("GET", "/os-hosts/{}/reboot", "hosts", "reboot_host"),
    Line("GET", "/os-aggregates", "aggregates", "list_aggregates"),
    Line("POST", "/os-aggregates", "aggregates", "create_aggregate"),
    Line("GET", "/os-aggregates/{}", "aggregates", "get_aggregate"),
    Line("PUT", "/os-aggregates/{}", "aggregates", "update_aggregate"),
    Line("DELETE", "/os-aggregates/{}", "aggregates", "delete_aggregate"),
    Line("POST", "/os-aggregates/{}/action", "aggregates", "aggregate_add_remove_host"),
    Line("GET", "/extensions", "extensions", "list_extensions"),
)
# fmt: on
UNKNOWN_MEMBERS = frozenset({"keypairs_links", "migrations_links"})
"""What Nova answers and Tempest's schemas do not know: the pages of key pairs, since 2.35, and of migrations, since 2.59."""

UNPUBLISHED = (
    "/servers/{}/migrations",
    "/servers/{}/migrations/{}",
    "/servers/{}/migrations/{}/action",
    "/extensions/{}",
    "/os-console-auth-tokens/{}",
)
"""What Tempest has no schema for."""


class Answer(dict[str, str]):
    """An answer as Tempest's client has it: its headers, and its status beside them."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.headers)
        self.status = reply.status


def judge(method: str, path: str, minor: int, reply: Reply, sent: Any) -> None:
    """Raise when a successful answer is not what Tempest's clients would take. ``path`` is without mount and query."""
    if any(re.fullmatch(known.replace("{}", "[^/]+"), path) for known in UNPUBLISHED):
        return
    module, name = _schema_of(method, path, sent)
    RestClient.validate_response(_published(module, name, minor), Answer(reply), _known(reply.json))


def _known(body: Any) -> Any:
    if not isinstance(body, dict):
        return body
    return {name: value for name, value in body.items() if name not in UNKNOWN_MEMBERS}


def _schema_of(method: str, path: str, sent: Any) -> tuple[str, str]:
    if path.endswith("/action") and path.startswith("/servers/"):
        return ACTIONS.get(next(iter(sent)), PLAIN_ACTION)
    # The longest line wins: /servers/detail before /servers/{}.
    lines = sorted((line for line in LINES if line.fits(method, path)), key=lambda line: line.path.count("{}"))
    assert lines, f"nothing judges {method} {path}"
    return lines[0].module, lines[0].schema


@cache
def _versions() -> tuple[int, ...]:
    folders = (folder.name for folder in Path(published.__path__[0]).glob("v2_*"))
    return tuple(sorted((int(name.removeprefix("v2_")) for name in folders), reverse=True))


@cache
def _published(module: str, name: str, minor: int) -> Mapping[str, Any]:
    """The newest schema that is not newer than the version."""
    for version in (version for version in _versions() if version <= minor):
        try:
            schemas = importlib.import_module(f"{published.__name__}.v2_{version}.{module}")
        except ModuleNotFoundError:
            continue
        if hasattr(schemas, name):
            schema: Mapping[str, Any] = getattr(schemas, name)
            return schema
    raise LookupError(f"Tempest has no {module}.{name} for 2.{minor}")
