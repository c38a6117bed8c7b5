"""Messages that need a feature of the licence."""

from __future__ import annotations

import pytest

from fake_xapi.datamodel.personality import personality
from fake_xapi.lifecycle.editions import FEATURES
from fake_xapi.verbs.updates.licensed import LICENSED
from tests.fake_xapi.verbs.kit.hosts import Host, over_host

KEYS = {feature.name: feature.key for feature in FEATURES}
DEST: dict[str, str] = {}


@pytest.mark.parametrize("message", sorted(LICENSED))
def test_each_is_refused_without_its_feature(message: str) -> None:
    release = "latest" if message in personality("latest").messages and not message.startswith("VMPP") else "tampa"

    async def body(host: Host) -> list[str]:
        feature = LICENSED[message]
        vm, vdi, _, _ = await host.server()
        if message in ("VM.checkpoint", "VM.pool_migrate", "VM.set_VCPUs_number_live"):
            await host.call("VM.start", vm, False, False)
        host.set(host.world.ref(next(host.world.ids("pool"))), restrictions={KEYS[feature]: "true"})
        objects = {"VM": vm, "VDI": vdi, "VTPM": vm, "pool": host.world.ref(next(host.world.ids("pool")))}
        with host.world.edit() as edit:
            objects["VM_appliance"] = host.world.ref(edit.create("VM_appliance"))
            edit.set(host.id(vm), appliance=host.id(objects["VM_appliance"]))
            objects["VMPP"] = host.world.ref(edit.create("VMPP"))
        about, name = message.split(".")
        return await host.refused(message, *([] if about == "VMPP" and name == "create" else [objects[about]]), *_more(host, message))

    assert over_host(body, release) == ["LICENCE_RESTRICTION", LICENSED[message]]


def _more(host: Host, message: str) -> list[object]:
    table: dict[str, list[object]] = {
        "VM.checkpoint": ["kept"],
        "VM.start": [False, False],
        "VM.start_on": [host.host, False, False],
        "VM.pool_migrate": [host.host, {}],
        "VM.migrate_send": [DEST, True, {}, {}, {}],
        "VM.assert_can_migrate": [DEST, True, {}, {}, {}],
        "VM.set_VCPUs_number_live": ["1"],
        "VM.set_groups": [[]],
        "VDI.pool_migrate": [host.sr, {}],
        "VDI.enable_cbt": [],
        "VM_appliance.start": [False],
        "VMPP.create": [{"name_label": "p", "is_policy_enabled": True, "backup_type": "snapshot", "backup_frequency": "daily"}],
        "VMPP.protect_now": [],
        "VTPM.create": [False],
        "pool.set_igmp_snooping_enabled": [True],
    }
    return table[message]


def test_with_the_feature_they_are_served() -> None:
    async def body(host: Host) -> str:
        vm = await host.vm()
        host.set(host.world.ref(next(host.world.ids("pool"))), restrictions={"restrict_vm_start": "false"})
        await host.call("VM.start", vm, False, False)
        return str(host.row(vm)["power_state"])

    assert over_host(body) == "Running"
