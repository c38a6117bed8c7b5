"""The plugin ``xenhost``: what the host is, and what is done to it as a whole."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from fake_xapi.datamodel.digits import whole
from fake_xapi.dom0.plugins.place import Args, Dom0, PluginError, need
from fake_xapi.verbs.dates import moment
from fake_xapi.verbs.vms import memory

CONFIG = "/usr/etc/xenhost.conf"
_KIB = 1024
_NUMBERS = ("cpu_count", "family", "model", "stepping")
"""The keys of cpu_info that travel as numbers."""


def host_data(dom0: Dom0, args: Args) -> str:
    """What a scheduler wants to know of the host, as JSON; what was set with ``set_config`` comes along."""
    host = dom0.world[dom0.host]
    metrics = dom0.world.get(host["metrics"])
    total = metrics["memory_total"] if metrics is not None else 0
    free = memory.free_bytes(dom0.world, dom0.host)
    found: dict[str, Any] = {
        "host_memory": {
            "total": total // _KIB,
            "overhead": host["memory_overhead"] // _KIB,
            "free": free // _KIB,
            "free-computed": free // _KIB,
        },
        "enabled": str(host["enabled"]).lower(),
        "host_uuid": dom0.world.uuid(dom0.host),
        "host_name-label": host["name_label"],
        "host_name-description": host["name_description"],
        "host_hostname": host["hostname"],
        "host_ip_address": host["address"],
        "host_other-config": dict(host["other_config"]),
        "host_capabilities": list(host["capabilities"]),
        "host_cpu_info": {key: _number(value) if key in _NUMBERS else value for key, value in host["cpu_info"].items()},
    }
    return json.dumps({**found, **dom0.read_json(CONFIG)})


def _number(text: str) -> int | str:
    number = whole(text)
    return text if number is None else number


def host_uptime(dom0: Dom0, args: Args) -> str:
    """What the command ``uptime`` prints, as JSON."""
    now = moment(dom0.call.now())
    booted = float(dom0.world[dom0.host]["other_config"].get("boot_time", "").rstrip(".") or now.timestamp())
    up = max(int(now.timestamp() - booted), 0)
    days, rest = divmod(up, 86_400)
    hours, minutes = rest // 3600, rest % 3600 // 60
    text = f" {now:%H:%M:%S} up {days} days, {hours:2}:{minutes:02},  1 user,  load average: 0.00, 0.01, 0.05"
    return json.dumps({"uptime": text})


async def set_host_enabled(dom0: Dom0, args: Args) -> str:
    """Let VMs start here, or not. Args: enabled."""
    wanted = need(args, "enabled")
    messages = {"true": ("host.enable", "enabled"), "false": ("host.disable", "disabled")}
    if wanted not in messages:
        raise PluginError(f"Illegal enabled status: {wanted}")
    message, status = messages[wanted]
    await dom0.call.perform(message, dom0.host)
    return json.dumps({"status": status})


async def host_reboot(dom0: Dom0, args: Args) -> str:
    """Shut all VMs down and reboot the host."""
    return await _power(dom0, "reboot")


async def host_shutdown(dom0: Dom0, args: Args) -> str:
    """Shut all VMs down and switch the host off."""
    return await _power(dom0, "shutdown")


def host_start(dom0: Dom0, args: Args) -> str:
    """A host that is off cannot be asked to start itself."""
    raise PluginError("Not supported: host_start")


async def _power(dom0: Dom0, action: str) -> str:
    await dom0.call.perform("host.disable", dom0.host)
    for vm in dom0.world[dom0.host]["resident_VMs"]:
        row = dom0.world.get(vm)
        if row is not None and not row["is_control_domain"] and row["power_state"] in ("Running", "Paused"):
            message = "VM.clean_shutdown" if "clean_shutdown" in row["allowed_operations"] else "VM.hard_shutdown"
            await dom0.call.perform(message, vm)
    await dom0.call.perform(f"host.{action}", dom0.host)
    return json.dumps({"power_action": action})


async def host_join(dom0: Dom0, args: Args) -> str:
    """Make the host a member of another pool. Args: compute_uuid, url, user, password, force, master_addr, master_user, master_pass.

    The domain of the compute service, when it runs here, is shut down before and started after.
    """
    message = "pool.join_force" if json.loads(args.get("force", "false")) else "pool.join"
    compute = dom0.world.by_uuid("VM", args.get("compute_uuid", ""))
    if compute and dom0.world[compute]["power_state"] == "Running":
        await dom0.call.perform("VM.clean_shutdown", compute)
    await dom0.call.perform(message, need(args, "master_addr"), need(args, "master_user"), need(args, "master_pass"))
    return json.dumps(None)


# ---- settings --------------------------------------------------------------------------------------------------------------------


def get_config(dom0: Dom0, args: Args) -> str:
    """A setting of the host's own file, as JSON. Args: params, JSON with ``key``."""
    return json.dumps(dom0.read_json(CONFIG).get(_params(args)["key"], ""))


def set_config(dom0: Dom0, args: Args) -> str:
    """Write a setting, or remove it with null; all settings come back. Args: params, JSON with ``key`` and ``value``."""
    params, settings = _params(args), dom0.read_json(CONFIG)
    if params.get("value") is None:
        settings.pop(params["key"], None)
    else:
        settings[params["key"]] = params["value"]
    dom0.write(CONFIG, json.dumps(settings))
    return json.dumps(settings)


def _params(args: Args) -> Mapping[str, Any]:
    try:
        params = json.loads(need(args, "params"))
    except ValueError as error:
        raise PluginError(str(error), "ValueError") from error
    if not isinstance(params, dict) or "key" not in params:
        raise PluginError("Argument 'key' is required.", "ArgumentError")
    return params


RULES = "/etc/sysconfig/iptables"
_NO_RULES = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"
_SAVES, _RESTORES = ("iptables-save", "ip6tables-save"), ("iptables-restore", "ip6tables-restore")


def iptables_config(dom0: Dom0, args: Args) -> str:
    """Read or replace the host's packet filter; JSON with ``out`` and ``err``. Args: cmd_args, process_input."""
    command = next(iter(shlex.split(args.get("cmd_args", ""))), "")
    if command in _RESTORES:
        dom0.write(f"{RULES}.{command.partition('-')[0]}", need(args, "process_input"))
        return json.dumps({"out": "", "err": ""})
    if command in _SAVES:
        return json.dumps({"out": dom0.read(f"{RULES}.{command.partition('-')[0]}") or _NO_RULES, "err": ""})
    raise PluginError(f"Invalid iptables command: {command}")


def query_gc(dom0: Dom0, args: Args) -> str:
    """Whether the garbage collector of an SR has something to do. Args: sr_uuid."""
    sr = dom0.world.by_uuid("SR", need(args, "sr_uuid"))
    return json.dumps(bool(sr) and any(not dom0.world[vdi]["managed"] for vdi in dom0.world[sr]["VDIs"]))


# ---- PCI -------------------------------------------------------------------------------------------------------------------------


def get_pci_device_details(dom0: Dom0) -> str:
    """The host's PCI devices as ``lspci -vmmnk`` prints them; those of guests are pciback's."""
    rows = (dom0.world[pci] for pci in dom0.world[dom0.host]["PCIs"])
    return "\n".join(_described(row) for row in rows)


def _described(row: Any) -> str:
    hidden = row["attached_VMs"] or row["other_config"].get("pciback") == "true"
    lines = {
        "Slot": row["pci_id"],
        "Class": row["class_id"],
        "Vendor": row["vendor_id"],
        "Device": row["device_id"],
        "SVendor": row["subsystem_vendor_id"],
        "SDevice": row["subsystem_device_id"],
        "Driver": "pciback" if hidden else row["driver_name"],
    }
    return "".join(f"{key}:\t{value}\n" for key, value in lines.items() if value)


def get_pci_type(dom0: Dom0, pci_device: str) -> str:
    """type-PF for a device that has virtual functions, type-VF for one of these, else type-PCI."""
    wanted = pci_device.removeprefix("0000:")
    rows = (dom0.world[pci] for pci in dom0.world[dom0.host]["PCIs"])
    row = next((row for row in rows if row["pci_id"].removeprefix("0000:") == wanted), None)
    if row is None:
        raise PluginError(f"[Errno 2] No such file or directory: '/sys/bus/pci/devices/0000:{wanted}'", "OSError")
    if row["physical_function"]:
        return "type-VF"
    return "type-PF" if row["virtual_functions"] else "type-PCI"
