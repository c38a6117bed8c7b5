"""The operation that each message marks on the object in its first parameter while it runs."""

from __future__ import annotations

from collections.abc import Mapping

_VM_SAME_NAME = (
    *("clean_shutdown", "clean_reboot", "hard_shutdown", "hard_reboot", "shutdown", "start", "start_on", "pause", "unpause"),
    *("suspend", "resume", "resume_on", "migrate_send", "clone", "copy", "snapshot", "checkpoint", "provision"),
    *("destroy", "csvm", "send_trigger", "send_sysrq", "get_boot_record", "query_services", "sysprep", "revert"),
    *("snapshot_with_quiesce", "call_plugin"),
)
_VDI_SAME_NAME = (
    *("clone", "copy", "resize", "resize_online", "snapshot", "destroy", "forget", "update"),
    *("enable_cbt", "disable_cbt", "data_destroy", "set_on_boot"),
)

OPERATIONS: Mapping[str, str] = {
    **{f"VM.{name}": name for name in _VM_SAME_NAME},
    "VM.set_VCPUs_max": "changing_VCPUs",
    "VM.set_VCPUs_at_startup": "changing_VCPUs",
    "VM.set_VCPUs_number_live": "changing_VCPUs_live",
    "VM.add_to_VCPUs_params_live": "changing_VCPUs_live",
    "VM.set_memory_dynamic_max": "changing_dynamic_range",
    "VM.set_memory_dynamic_min": "changing_dynamic_range",
    "VM.set_memory_dynamic_range": "changing_dynamic_range",
    "VM.set_memory_static_max": "changing_static_range",
    "VM.set_memory_static_min": "changing_static_range",
    "VM.set_memory_static_range": "changing_static_range",
    "VM.set_memory_limits": "changing_memory_limits",
    "VM.set_memory": "changing_memory_limits",
    "VM.set_memory_target_live": "changing_memory_live",
    "VM.wait_memory_target_live": "awaiting_memory_live",
    "VM.set_HVM_shadow_multiplier": "changing_shadow_memory",
    "VM.set_shadow_multiplier_live": "changing_shadow_memory_live",
    "VM.set_NVRAM": "changing_NVRAM",
    "VM.add_to_NVRAM": "changing_NVRAM",
    "VM.remove_from_NVRAM": "changing_NVRAM",
    "VM.get_data_sources": "data_source_op",
    "VM.record_data_source": "data_source_op",
    "VM.query_data_source": "data_source_op",
    "VM.forget_data_source_archives": "data_source_op",
    "VM.call_host_plugin": "call_plugin",
    "VBD.plug": "plug",
    "VBD.unplug": "unplug",
    "VBD.unplug_force": "unplug_force",
    "VBD.insert": "insert",
    "VBD.eject": "eject",
    "VBD.pause": "pause",
    "VBD.unpause": "unpause",
    "VUSB.unplug": "unplug",
    "VIF.plug": "plug",
    "VIF.unplug": "unplug",
    "VIF.unplug_force": "unplug",
    **{f"VDI.{name}": name for name in _VDI_SAME_NAME},
    "VDI.revert": "revert_to",
    "SR.scan": "scan",
    "SR.destroy": "destroy",
    "SR.forget": "forget",
    "SR.update": "update",
    **{f"VM_appliance.{name}": name for name in ("start", "clean_shutdown", "hard_shutdown", "shutdown")},
    "host.evacuate": "evacuate",
    "host.shutdown": "shutdown",
    "host.reboot": "reboot",
    "host.power_on": "power_on",
    "host.apply_updates": "apply_updates",
}
"""``Class.message`` -> the operation that it marks. All others mark nothing."""
