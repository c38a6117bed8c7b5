"""The functions of the plugin by their names on the wire: ``host.call_plugin(host, "inova", NAME, {"arguments": JSON})``."""

import hashlib
import platform
import sys
from typing import Any, Dict, Mapping

from compute_core.dom0 import VERSION, agent, filters, images, kernels, leftovers, network, tapdisks, transfer, xenstore
from compute_core.dom0.machine import Machine
from compute_core.dom0.protocol import Function
from compute_core.dom0.refusal import Arguments


def version(machine: Machine, given: Arguments) -> Dict[str, Any]:
    """What is installed here: ``{"version", "python", "sha256"}``, the last one of the plugin's own file."""
    del machine, given
    with open(sys.argv[0], "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    return {"version": VERSION, "python": platform.python_version(), "sha256": digest}


FUNCTIONS: Mapping[str, Function] = {
    "version": version,
    "image_download": images.download,
    "image_upload": images.upload,
    "kernel_keep": kernels.keep,
    "kernel_list": kernels.listed,
    "kernel_forget": kernels.forget,
    "disk_prioritise": tapdisks.prioritise,
    "leftovers": leftovers.listed,
    "leftovers_remove": leftovers.remove,
    "transfer_prepare": transfer.prepare,
    "transfer_send": transfer.send,
    "transfer_receive": transfer.receive,
    "transfer_forget": transfer.forget,
    "network_plumb": network.plumb,
    "network_filter": filters.apply,
    "network_traffic": filters.traffic,
    "agent_ask": agent.ask,
    "xenstore_read": xenstore.read,
    "xenstore_write": xenstore.write,
    "xenstore_list": xenstore.listed,
}
