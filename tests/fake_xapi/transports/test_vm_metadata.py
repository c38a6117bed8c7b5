"""The metadata of VMs without their disks: out, and back over disks that are here."""

from __future__ import annotations

import pytest

from fake_xapi.datamodel.failure import Failure
from tests.fake_xapi.transports.archives import (
    files,
    into,
    metadata,
    objects,
    out,
    refused_into,
    rewritten,
    server,
    swapped,
)
from tests.fake_xapi.verbs.kit.hosts import GIB, MIB, Host, over_host


def test_metadata_brings_a_vm_back_over_its_disks_with_its_snapshots() -> None:
    async def body(host: Host) -> None:
        vm, vdi = await server(host)
        snapshot = await host.call("VM.snapshot", vm, "before")
        kept = host.world[host.row(snapshot)["VBDs"][0]]["VDI"]
        uuids = [host.world.uuid(host.id(ref)) for ref in (vm, snapshot)]
        content = await out(host, "/export_metadata", ref=vm)
        assert [made["snapshot"]["uuid"] for made in objects(content, "VM")] == uuids
        assert list(files(content)) == ["ova.xml"]
        await host.call("VM.destroy", snapshot)
        await host.call("VM.destroy", vm)
        assert await into(host, content, "/import_metadata", restore="true", dry_run="true") == []
        [again] = await into(host, content, "/import_metadata", restore="true")
        row = host.row(again)
        assert host.world.uuid(host.id(again)) == uuids[0]
        [old] = row["snapshots"]
        assert (host.world.uuid(old), row["parent"]) == (uuids[1], old)
        assert [host.world[vbd]["VDI"] for vbd in row["VBDs"] if host.world[vbd]["VDI"]] == [host.id(vdi)]
        assert [host.world[vbd]["VDI"] for vbd in host.world[old]["VBDs"] if host.world[vbd]["VDI"]] == [kept]
        alone = await out(host, "/export_metadata", ref=again, export_snapshots="false")
        assert len(objects(alone, "VM")) == 1
        with pytest.raises(Failure) as caught:
            await out(host, "/export_metadata", ref=host.world.ref(old))
        assert caught.value.details == ["OPERATION_NOT_ALLOWED", "Exporting metadata of a snapshot is not allowed"]

    over_host(body)


def test_disks_that_are_not_here_are_named_or_told_by_the_caller() -> None:
    async def body(host: Host) -> None:
        vm, vdi = await server(host)
        content = await out(host, "/export_metadata", ref=vm)
        uuid, other = host.world.uuid(host.id(vdi)), await host.disk(4 * MIB)
        for vbd in host.row(vm)["VBDs"]:
            if host.world[vbd]["VDI"]:
                await host.call("VBD.destroy", host.world.ref(vbd))
        await host.call("VDI.destroy", vdi)
        assert await refused_into(host, content, "/import_metadata") == ["VDI_LOCATION_MISSING", host.sr, uuid]
        elsewhere = rewritten(content, swapped(host.world.uuid(host.id(host.sr)).encode(), b"11111111-1111-4111-8111-111111111111"))
        assert await refused_into(host, elsewhere, "/import_metadata") == ["VDI_CONTENT_ID_MISSING"]
        told = {f"vdi:{uuid}": host.world.uuid(host.id(other))}
        [copy] = await into(host, content, "/import_metadata", **told)
        assert [host.world[vbd]["VDI"] for vbd in host.row(copy)["VBDs"] if host.world[vbd]["VDI"]] == [host.id(other)]
        [bare] = await into(host, content, "/import_metadata", force="true")
        assert [host.world[vbd]["type"] for vbd in host.row(bare)["VBDs"]] == ["CD"]

    over_host(body)


def test_all_vms_are_exported_but_the_templates_of_the_product() -> None:
    async def body(host: Host) -> None:
        vm, _ = await server(host)
        await host.vm(is_a_template=True, other_config={"default_template": "true"})
        dom0 = host.kit.make("VM", name_label="Control domain", is_control_domain=True, power_state="Running")
        names = {vm: host.row(vm)["name_label"], dom0: "Control domain"}

        async def exported(**parameters: str) -> list[str]:
            content = await out(host, "/export_metadata", all="true", **parameters)
            return sorted(made["snapshot"]["name_label"] for made in objects(content, "VM"))

        assert await exported() == sorted(names.values())
        assert await exported(include_dom0="false") == [names[vm]]

    over_host(body)


@pytest.mark.parametrize(("kind", "missing"), [("vif", {"VIF", "network"}), ("vbd", {"VBD", "VDI", "SR"}), ("vif,vbd", {"VIF", "VBD"})])
def test_kinds_of_devices_can_be_left_out(kind: str, missing: set[str]) -> None:
    async def body(host: Host) -> None:
        vm, _ = await server(host)
        content = await out(host, "/export_metadata", ref=vm, excluded_device_types=kind)
        assert not missing & {made["class"] for made in metadata(content)["objects"]}

    over_host(body)


def test_the_chain_of_a_disk_can_be_had_as_well() -> None:
    async def body(host: Host) -> None:
        vm, _ = await server(host)
        await host.call("VM.snapshot", vm, "s")
        count = {}
        for wish in ("true", "false"):
            content = await out(host, "/export_metadata", ref=vm, include_vhd_parents=wish, export_snapshots="false")
            count[wish] = len(objects(content, "VDI"))
        assert count == {"true": 2, "false": 1}

    over_host(body)


def test_what_is_live_needs_room_and_processors() -> None:
    async def body(host: Host) -> None:
        vm, _ = await server(host)
        await host.call("VM.start", vm, False, False)
        content = await out(host, "/export_metadata", ref=vm)
        assert await into(host, content, "/import_metadata", live="true", check_cpu="true", dry_run="true") == []
        host.set(host.host, cpu_info={"vendor": "AuthenticAMD"})
        found = await refused_into(host, content, "/import_metadata", live="true", check_cpu="true", dry_run="true")
        assert found[0::3] == ["VM_INCOMPATIBLE_WITH_THIS_HOST", "VM last booted on a host which had a CPU from a different vendor."]
        with host.world.edit() as edit:
            edit.set(host.row(host.host)["metrics"], memory_total=2 * GIB)
        found = await refused_into(host, content, "/import_metadata", live="true")
        assert found[0] == "HOST_NOT_ENOUGH_FREE_MEMORY"

    over_host(body)


def test_a_network_that_is_not_here_is_made_and_a_bridge_finds_one() -> None:
    async def body(host: Host) -> None:
        vm, _ = await server(host)
        content = await out(host, ref=vm)
        host.set(host.network, name_label="renamed")
        [bridged] = await into(host, content)
        assert [host.world[vif]["network"] for vif in host.row(bridged)["VIFs"]] == [host.id(host.network)]
        host.set(host.network, bridge="xenbr9")
        [copy] = await into(host, content)
        made = host.world[host.row(copy)["VIFs"][0]]["network"]
        row = host.world[made]
        assert (row["name_label"], row["bridge"], row["PIFs"]) == ("Pool-wide network associated with eth0", "xapi0", ())

    over_host(body)
