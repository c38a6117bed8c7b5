"""A recording in the shape of a real pool's: two hosts of 6.2, one of them dead, iSCSI with CHAP, and what no datamodel knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fake_xapi.replay.recording import Recorder

UUIDS = {name: f"{number:08x}-1111-4222-8333-444444444444" for number, name in enumerate(
    ("pool", "alpha", "beta", "vm", "dom0", "vdi", "base", "sr", "net", "pif_a", "pif_b", "vbd", "pbd"), 1)}  # fmt: skip


def ref(name: str) -> str:
    return f"OpaqueRef:{name:0>8}-aaaa-bbbb-cccc-dddddddddddd".replace("_", "0")


def host(name: str, address: str) -> dict[str, Any]:
    return {
        "uuid": UUIDS[name], "name_label": name, "hostname": name, "address": address, "API_version_major": "2", "API_version_minor": "0",
        "API_version_vendor": "XenSource", "enabled": True, "metrics": ref(f"m_{name}"), "PIFs": [], "resident_VMs": [],
        "software_version": {"product_version": "6.2.0", "product_brand": "XenServer", "build_number": "70446c", "hostname": name},
        "cpu_info": {"cpu_count": "24", "socket_count": "2", "modelname": "Xeon X5650"}, "current_operations": {}, "allowed_operations": [],
        "other_config": {"agent_start_time": "1371200000."}, "license_params": {"restrict_wlb": "true"},
        "supplemental_packs": "a field of a hotfix that nobody knows",
    }  # fmt: skip


def pif(name: str, owner: str, address: str) -> dict[str, Any]:
    return {
        "uuid": UUIDS[name], "device": "eth0", "host": ref(owner), "network": ref("net"), "management": True, "IP": address, "VLAN": "-1",
        "MTU": "1500", "physical": True, "currently_attached": True, "ip_configuration_mode": "Static", "MAC": "00:25:b3:00:00:01",
    }  # fmt: skip


RECORDS: dict[str, dict[str, dict[str, Any]]] = {
    "pool": {ref("pool"): {"uuid": UUIDS["pool"], "name_label": "production", "master": ref("beta"), "default_SR": ref("sr")}},
    "host": {ref("alpha"): host("alpha", "10.1.0.11"), ref("beta"): host("beta", "10.1.0.12")},
    "host_metrics": {
        ref("m_alpha"): {"uuid": "", "live": False, "memory_total": "0", "last_updated": "2013-08-01T10:00:00.5Z"},
        ref("m_beta"): {"uuid": "", "live": True, "memory_total": 68_719_476_736, "last_updated": "20130801T10:00:00Z"},
    },
    "network": {ref("net"): {"uuid": UUIDS["net"], "name_label": "Pool-wide network", "bridge": "xenbr0", "MTU": "1500"}},
    "PIF": {ref("pif_a"): pif("pif_a", "alpha", "10.1.0.11"), ref("pif_b"): pif("pif_b", "beta", "10.1.0.12")},
    "VM": {
        ref("vm"): {
            "uuid": UUIDS["vm"], "name_label": "web", "power_state": "Halted", "is_control_domain": False, "is_a_template": False,
            "VCPUs_max": "2", "VCPUs_at_startup": "2", "memory_static_max": "536870912", "memory_dynamic_max": "536870912",
            "memory_dynamic_min": "536870912", "memory_static_min": "268435456", "domid": "-1", "resident_on": "OpaqueRef:NULL",
            "affinity": ref("gone"), "VBDs": [ref("vbd")], "PV_bootloader": "pygrub", "HVM_boot_policy": "", "HVM_shadow_multiplier": 1.0,
            "other_config": {"base_template_name": "Debian Squeeze 6.0 (64-bit)"}, "start_delay": "not a number", "platform": {},
        },
        ref("dom0"): {
            "uuid": UUIDS["dom0"], "name_label": "Control domain on host: beta", "power_state": "Running", "is_control_domain": True,
            "domid": "0", "resident_on": ref("beta"), "memory_static_max": "784334848", "memory_dynamic_max": "784334848",
            "memory_dynamic_min": "784334848", "memory_static_min": "314572800",
        },
    },
    "SR": {ref("sr"): {
        "uuid": UUIDS["sr"], "name_label": "iscsi", "type": "lvmoiscsi", "shared": True, "physical_size": "1099511627776",
        "physical_utilisation": "21474836480", "virtual_allocation": "21474836480", "content_type": "user",
    }},
    "PBD": {ref("pbd"): {
        "uuid": UUIDS["pbd"], "host": ref("beta"), "SR": ref("sr"), "currently_attached": True,
        "device_config": {"target": "10.1.0.200", "targetIQN": "iqn.x", "SCSIid": "36", "chapuser": "joe", "chappassword": "********"},
    }},
    "VDI": {
        ref("base"): {
            "uuid": UUIDS["base"], "name_label": "base copy", "SR": ref("sr"), "managed": False, "read_only": True,
            "virtual_size": "10737418240", "physical_utilisation": "10766778368", "type": "user", "sm_config": {"vdi_type": "vhd"},
        },
        ref("vdi"): {
            "uuid": UUIDS["vdi"], "name_label": "disk", "SR": ref("sr"), "managed": True, "read_only": False, "virtual_size": 10737418240,
            "physical_utilisation": "8388608", "type": "system", "sm_config": {"vdi_type": "vhd", "vhd-parent": UUIDS["base"]},
        },
    },
    "VBD": {ref("vbd"): {
        "uuid": UUIDS["vbd"], "VM": ref("vm"), "VDI": ref("vdi"), "device": "xvda", "userdevice": "0", "bootable": True, "mode": "RW",
        "type": "Disk", "empty": False, "currently_attached": False,
    }},
    "foreign_class": {ref("what"): {"uuid": "x"}},
}  # fmt: skip
"""No SM, no role, no user: the account that recorded may not see them."""


def recording(path: Path, more: tuple[dict[str, Any], ...] = ()) -> Path:
    """The file."""
    line = {"kind": "call", "at": "20130801T10:00:00Z", "wire": "xmlrpc", "session": "s", "params": [], "took_s": 0.01, "bytes": 10}
    with Recorder.create(path, {"upstream": "http://10.1.0.12"}) as recorder:
        for cls, records in RECORDS.items():
            recorder.write({**line, "method": f"{cls}.get_all_records", "result": records})
        for other in more:
            recorder.write({**line, **other})
    return path
