"""VMs that come back from what a database says, and what keeps them from coming."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fake_xapi.datamodel.failure import Failure
from fake_xapi.dom0.user_plugins import UserPlugins
from fake_xapi.engine.settings import Settings
from tests.fake_xapi.transports.archives import out
from tests.fake_xapi.verbs.kit.hosts import MIB, Host, over_host
from tests.fake_xapi.verbs.kit.pools import Process


def unplug(host: Host, sr: str) -> None:
    with host.world.edit() as edit:
        for pbd in host.row(sr)["PBDs"]:
            edit.set(pbd, currently_attached=False)


def test_a_vm_becomes_again_what_the_database_says() -> None:
    async def body(host: Host) -> None:
        vm, vdi, _, _ = await host.server()
        snapshot = await host.call("VM.snapshot", vm, "s")
        uuids = [host.world.uuid(host.id(ref)) for ref in (vm, snapshot)]
        here = host.kit.session
        await host.call("VM.assert_can_be_recovered", vm, here)
        assert await host.call("VM.get_SRs_required_for_recovery", vm, here) == []
        assert await host.refused("VM.recover", vm, here, False) == ["VM_TO_IMPORT_IS_NOT_NEWER_VERSION", vm, "0", "0"]
        await host.call("VM.recover", vm, here, True)
        again, old = [await host.call("VM.get_by_uuid", uuid) for uuid in uuids]
        assert again != vm
        assert host.row(old)["snapshot_of"] == host.id(again)
        assert [host.world[vbd]["VDI"] for vbd in host.row(again)["VBDs"]] == [host.id(vdi)]
        assert host.row(again)["version"] == 1

    over_host(body)


def test_storage_that_is_missing_is_named() -> None:
    async def body(host: Host) -> None:
        vm, _, _, _ = await host.server()
        here = host.kit.session
        unplug(host, host.sr)
        assert await host.call("VM.get_SRs_required_for_recovery", vm, here) == [host.sr]
        for ask in (("VM.assert_can_be_recovered", vm, here), ("VM.recover", vm, here, True)):
            assert await host.refused(*ask) == ["VM_REQUIRES_SR", vm, host.sr]

    over_host(body)


def test_vms_of_an_appliance_come_back_together() -> None:
    async def body(host: Host) -> None:
        here, appliance = host.kit.session, host.kit.make("VM_appliance", name_label="shop")
        vms = [(await host.server(name_label=name))[0] for name in ("web", "db")]
        for vm in vms:
            host.set(vm, appliance=host.id(appliance))
        assert await host.refused("VM.recover", vms[0], here, True) == ["VM_IS_PART_OF_AN_APPLIANCE", vms[0], appliance]
        await host.call("VM_appliance.assert_can_be_recovered", appliance, here)
        await host.call("VM_appliance.recover", appliance, here, True)
        members = host.row(appliance)["VMs"]
        assert sorted(host.world[vm]["name_label"] for vm in members) == ["db", "web"]
        assert not {host.world.ref(vm) for vm in members} & set(vms)
        unplug(host, host.sr)
        assert await host.call("VM_appliance.get_SRs_required_for_recovery", appliance, here) == [host.sr]
        refusal = await host.refused("VM_appliance.recover", appliance, here, True)
        assert (refusal[0], refusal[2]) == ("VM_REQUIRES_SR", host.sr)

    over_host(body)


class Web(Process):
    """Surroundings in which one URL leads to an archive."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.content = content

    async def fetch(self, url: str) -> AsyncIterator[bytes]:
        if url != "http://images/vm.xva":
            raise Failure("CANNOT_CONTACT_HOST", "images")
        yield self.content


def test_vms_are_imported_from_a_url() -> None:
    async def body(host: Host) -> None:
        vm, vdi, _, _ = await host.server()
        host.write(vdi, 3 * MIB, b"content")
        host.kit.xapi.around = Web(await out(host, ref=vm))
        [copy] = await host.call("VM.import", "http://images/vm.xva", host.sr, False, False)
        disk = host.world[host.row(copy)["VBDs"][0]]["VDI"]
        assert host.kit.xapi.disks.read(disk, 3 * MIB, 7) == b"content"
        assert await host.refused("VM.import", "http://images/none", host.sr, False, False) == ["CANNOT_CONTACT_HOST", "images"]
        iso = host.kit.make("SR", content_type="iso", type="iso")
        assert await host.refused("VM.import", "http://images/vm.xva", iso, False, False) == ["SR_OPERATION_NOT_SUPPORTED", iso]

    over_host(body)


def test_what_a_snapshot_knows_of_itself_is_written_by_hand() -> None:
    async def body(host: Host) -> None:
        vm, made = await host.vm(), await host.vm(name_label="made by an array")
        await host.call("VM.update_snapshot_metadata", made, vm, "20120801T00:00:00Z", "array-7")
        row = host.row(made)
        told = (row["is_a_snapshot"], row["snapshot_of"], row["snapshot_time"], row["transportable_snapshot_id"])
        assert told == (True, host.id(vm), "20120801T00:00:00Z", "array-7")

    over_host(body, "clearwater")


def test_vms_of_another_vendor_need_an_appliance_that_a_plugin_knows() -> None:
    async def body(host: Host) -> None:
        assert await host.refused("VM.import_convert", "vmware", "u", "p", host.sr, {}) == ["XENAPI_MISSING_PLUGIN", "conversion"]

    over_host(body)


def test_what_another_vendors_hosts_are_needed_for_is_declined() -> None:
    async def body(host: Host) -> None:
        assert await host.refused("VM.import_convert", "vmware", "u", "p", host.sr, {}) == ["NOT_IMPLEMENTED", "VM.import_convert"]

    plugins = UserPlugins(modules={"conversion": {"main": lambda host, args: "10.0.0.9"}})
    over_host(body, settings=Settings(plugins=plugins))
