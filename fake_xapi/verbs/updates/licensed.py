"""The messages that need a licensed feature: LICENCE_RESTRICTION [feature] where the pool lacks it.

Verbs that need one only for some parameters check for themselves.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from fake_xapi.lifecycle.editions import require
from fake_xapi.verbs.call import Call, Verb

LICENSED: Mapping[str, str] = {
    "VM.checkpoint": "Checkpoint",
    "VM.start": "VM_start",
    "VM.start_on": "VM_start",
    "VM.pool_migrate": "Xen_motion",
    "VM.migrate_send": "Storage_motion",
    "VM.assert_can_migrate": "Storage_motion",
    "VM.set_VCPUs_number_live": "Live_set_vcpus",
    "VM.set_groups": "VM_groups",
    "VDI.pool_migrate": "Storage_motion",
    "VDI.enable_cbt": "CBT",
    "VM_appliance.start": "VM_appliance_start",
    "VMPP.create": "VMPR",
    "VMPP.protect_now": "VMPR",
    "VTPM.create": "VTPM",
    "pool.set_igmp_snooping_enabled": "IGMP_snooping",
}


def licensed(name: str, verb: Verb) -> Verb:
    """A message's verb, wrapped in a check of the licence where the message needs a feature."""
    feature = LICENSED.get(name)
    if feature is None:
        return verb
    if inspect.iscoroutinefunction(verb):

        async def wait_if_licensed(call: Call, *params: Any) -> Any:
            require(call.world, feature)
            return await verb(call, *params)

        return wait_if_licensed

    def do_if_licensed(call: Call, *params: Any) -> Any:
        require(call.world, feature)
        return verb(call, *params)

    return do_if_licensed
