"""Plugins of one or two functions: ``dom0_plugin_version``, ``config_file``, ``console``, ``bandwidth``, ``simulated_guest``."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Literal, cast

from fake_xapi.dom0.plugins.place import Args, Dom0, PluginError, need, no_such_file
from fake_xapi.dom0.traffic import vif_bytes
from fake_xapi.guest import machine
from fake_xapi.guest.console_log import console_text
from fake_xapi.guest.life import leave_domain
from fake_xapi.state.ids import NULL, Id
from fake_xapi.verbs.dates import moment

VERSION = "2.1"
XAPI_CONF = "/etc/xapi.conf"
DEFAULT_CONF = "log_config_file = /etc/xensource/log.conf\nignore_vdi_update_errors = false\nmax_open_messages_per_session = 50\n"
KEPT_BYTES = 102_400
_LAST_DOMID = "last_dom_id"
"""Where drivers keep the number of a VM's domain beyond its end."""


def get_version(dom0: Dom0) -> str:
    """The version of the plugins."""
    return VERSION


def get_val(dom0: Dom0, args: Args) -> str:
    """A value in XAPI's own configuration, "" for a key that it lacks. Args: key."""
    key = need(args, "key")
    lines = (dom0.read(XAPI_CONF) or DEFAULT_CONF).splitlines()
    pairs = (line.partition("=") for line in lines if not line.lstrip().startswith("#"))
    return next((value.strip() for name, equals, value in pairs if equals and name.strip() == key), "")


def get_console_log(dom0: Dom0, args: Args) -> str:
    """The end of a domain's console: base64 of its zlib form. Args: dom_id."""
    domid = need(args, "dom_id")
    vm = dom0.vm_of(domid) or _last_of_domain(dom0, domid)
    if not vm:
        raise no_such_file(f"/var/log/xen/guest/console.{domid}")
    text = console_text(dom0.world, vm).encode()[-KEPT_BYTES:]
    return base64.b64encode(zlib.compress(text)).decode()


def _last_of_domain(dom0: Dom0, domid: str) -> Id:
    """The VM that last ran as a domain, by what its driver noted, or by what its guest has left."""
    noted = (vm for vm, row in dom0.world.rows("VM") if row["other_config"].get(_LAST_DOMID) == domid)
    left = (Id(int(row["vm"])) for _, row in dom0.world.rows("guest") if str(row["domid"]) == domid)
    return next((vm for vm in (*noted, *left) if dom0.world.get(vm) is not None), NULL)


# ---- bandwidth -------------------------------------------------------------------------------------------------------------------


def fetch_all_bandwidth(dom0: Dom0) -> dict[str, dict[str, dict[str, int]]]:
    """Bytes of each interface of each domain since it began: ``{domid: {vif: {bw_in, bw_out}}}``, in what the guest received."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for vm in dom0.world[dom0.host]["resident_VMs"]:
        row = dom0.world[vm]
        attached = [vif for vif in row["VIFs"] if dom0.world[vif]["currently_attached"]]
        if attached and not row["is_control_domain"]:
            found[str(row["domid"])] = {dom0.world[vif]["device"]: _bytes(dom0, vif) for vif in attached}
    return found


def _bytes(dom0: Dom0, vif: Id) -> dict[str, int]:
    counted = vif_bytes(dom0.world, vif, moment(dom0.call.now()))
    return {"bw_in": int(counted.rx), "bw_out": int(counted.tx)}


# ---- simulated_guest: what no real dom0 has, for those who test with simulated guests ---------------------------------------------


def _guest(dom0: Dom0, args: Args) -> Id:
    vm = dom0.world.by_uuid("VM", need(args, "vm"))
    if not vm:
        raise PluginError(f"there is no VM {args['vm']}")
    return vm


def read_guest_file(dom0: Dom0, args: Args) -> str:
    """A file that was put into a guest, base64. Args: vm (a uuid), path."""
    kept = machine.machine(dom0.world, _guest(dom0, args))
    files: Mapping[str, str] = kept["files"] if kept is not None else {}
    path = need(args, "path")
    if path not in files:
        raise no_such_file(path)
    return base64.b64encode(files[path].encode("utf-8", "surrogateescape")).decode()


def list_guest_files(dom0: Dom0, args: Args) -> str:
    """The paths of the files that were put into a guest, as JSON. Args: vm."""
    kept = machine.machine(dom0.world, _guest(dom0, args))
    return json.dumps(sorted(kept["files"]) if kept is not None else [])


def check_guest_password(dom0: Dom0, args: Args) -> str:
    """Say "true" when a guest's password is this one. Args: vm, password."""
    kept = machine.machine(dom0.world, _guest(dom0, args))
    return str(kept is not None and bool(kept["password"]) and kept["password"] == need(args, "password")).lower()


def end_guest(dom0: Dom0, args: Args) -> str:
    """Let a running guest halt, reboot or crash by itself; the power state that its VM ends in. Args: vm, how."""
    vm, how = _guest(dom0, args), need(args, "how")
    if how not in ("shutdown", "reboot", "crash"):
        raise PluginError(f"a guest cannot {how!r}: shutdown, reboot or crash", "ArgumentError")
    if dom0.world[vm]["power_state"] != "Running":
        raise PluginError(f"the guest of {args['vm']} does not run")
    return leave_domain(dom0.call, vm, cast(Literal["shutdown", "reboot", "crash"], how))
