"""A XAPI over one host with storage and a network, and quick ways to make VMs on it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from fake_xapi.engine.settings import Settings
from fake_xapi.state.ids import Id
from fake_xapi.state.row import Row
from fake_xapi.state.world import World
from tests.fake_xapi.engine.kit import Kit, over_xapi

T = TypeVar("T")
GIB = 1 << 30
MIB = 1 << 20
NULL = "OpaqueRef:NULL"
VM_RECORD: dict[str, Any] = {
    "name_label": "web",
    "name_description": "",
    "user_version": "1",
    "is_a_template": False,
    "affinity": NULL,
    "memory_static_max": str(GIB),
    "memory_dynamic_max": str(GIB),
    "memory_dynamic_min": str(GIB),
    "memory_static_min": "0",
    "VCPUs_params": {},
    "VCPUs_max": "2",
    "VCPUs_at_startup": "2",
    "actions_after_shutdown": "destroy",
    "actions_after_reboot": "restart",
    "actions_after_crash": "restart",
    "PV_bootloader": "pygrub",
    "PV_kernel": "",
    "PV_ramdisk": "",
    "PV_args": "",
    "PV_bootloader_args": "",
    "PV_legacy_args": "",
    "HVM_boot_policy": "",
    "HVM_boot_params": {},
    "platform": {},
    "PCI_bus": "",
    "other_config": {},
    "recommendations": "",
    "xenstore_data": {},
}
QOS: dict[str, Any] = {"other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {}}


@dataclass(slots=True)
class Host:
    """The kit of a XAPI, and refs of what its host has."""

    kit: Kit
    host: str
    sr: str
    network: str

    @property
    def world(self) -> World:
        """The XAPI's world."""
        return self.kit.world

    async def call(self, method: str, *params: Any) -> Any:
        """A call with the session."""
        return await self.kit.call(method, *params)

    async def refused(self, method: str, *params: Any) -> list[str]:
        """The ErrorDescription of a call that must fail."""
        return await self.kit.refused(method, *params)

    def id(self, ref: str) -> Id:
        """The object of a ref."""
        return self.world.find_ref(ref)

    def row(self, ref: str) -> Row:
        """The row of a ref."""
        return self.world[self.id(ref)]

    def set(self, ref: str, **fields: Any) -> None:
        """Write fields behind XAPI's back."""
        with self.world.edit() as edit:
            edit.set(self.id(ref), **fields)

    def write(self, vdi: str, offset: int, content: bytes) -> None:
        """Put bytes on a disk, as a guest or an import does."""
        self.kit.xapi.disks.write(self.id(vdi), offset, content)

    def bodies(self) -> list[str]:
        """Names of the messages so far, oldest first."""
        return [self.world[identity]["name"] for identity in sorted(self.world.ids("message"))]

    async def vm(self, **fields: Any) -> str:
        """A VM, halted, without devices."""
        return str(await self.call("VM.create", {**VM_RECORD, **fields}))

    async def disk(self, size: int = 10 * GIB, sr: str = "", **fields: Any) -> str:
        """A VDI."""
        record = {
            "name_label": "root",
            "name_description": "",
            "SR": sr or self.sr,
            "virtual_size": str(size),
            "type": "user",
            "sharable": False,
            "read_only": False,
            "other_config": {},
        }
        return str(await self.call("VDI.create", {**record, **fields}))

    async def vbd(self, vm: str, vdi: str, device: str = "0", **fields: Any) -> str:
        """A disk of a VM."""
        record = {"VM": vm, "VDI": vdi, "userdevice": device, "bootable": True, "mode": "RW", "type": "Disk", "empty": False, **QOS}
        return str(await self.call("VBD.create", {**record, "unpluggable": True, **fields}))

    async def drive(self, vm: str, device: str = "3", **fields: Any) -> str:
        """An empty CD drive of a VM."""
        return await self.vbd(vm, NULL, device, type="CD", mode="RO", empty=True, **fields)

    async def vif(self, vm: str, device: str = "0", **fields: Any) -> str:
        """An interface of a VM."""
        record = {"VM": vm, "network": self.network, "device": device, "MAC": "", "MTU": "1500", **QOS}
        return str(await self.call("VIF.create", {**record, **fields}))

    async def server(self, **fields: Any) -> tuple[str, str, str, str]:
        """A VM with one disk and one interface: refs of VM, VDI, VBD and VIF."""
        vm, vdi = await self.vm(**fields), await self.disk()
        return vm, vdi, await self.vbd(vm, vdi), await self.vif(vm)


def over_host(body: Callable[[Host], Awaitable[T]], release: str = "latest", settings: Settings | None = None) -> T:
    """Run a test's body on virtual time over a fresh host."""

    async def with_host(kit: Kit) -> T:
        return await body(furnish(kit))

    return over_xapi(with_host, release, settings)


def furnish(kit: Kit) -> Host:
    with kit.world.edit() as edit:
        host = kit.xapi.host
        edit.set(
            host,
            metrics=edit.create("host_metrics", live=True, memory_total=16 * GIB),
            capabilities=("xen-3.0-x86_64", "hvm-3.0-x86_64"),
            address="10.0.0.1",
            virtual_hardware_platform_versions=(0, 1, 2),
            cpu_info={"vendor": "GenuineIntel", "features": "1fc9", "cpu_count": "8"},
        )
        for number in range(8):
            edit.create("host_cpu", host=host, number=number)
        sr = edit.create("SR", name_label="Local storage", type="ext", content_type="user", physical_size=200 * GIB)
        edit.create("PBD", SR=sr, host=host, device_config={"device": "/dev/sda3"}, currently_attached=True)
        network = edit.create("network", name_label="Pool-wide network associated with eth0", bridge="xenbr0")
        edit.create("PIF", network=network, host=host, device="eth0", physical=True, management=True, VLAN=-1)
        edit.set(next(kit.world.ids("pool")), master=host, default_SR=sr, suspend_image_SR=sr)
    return Host(kit, kit.world.ref(host), kit.world.ref(sr), kit.world.ref(network))


def add_host(host: Host, **fields: Any) -> str:
    """A second host of the pool, on the same network, with no storage."""
    with host.world.edit() as edit:
        metrics = edit.create("host_metrics", live=True, memory_total=16 * GIB)
        given = {"name_label": "h2", "hostname": "h2", "enabled": True, "metrics": metrics, "address": "10.0.0.2"}
        made = edit.create("host", **{**given, "virtual_hardware_platform_versions": (0, 1, 2), **fields})
        edit.create("PIF", network=host.id(host.network), host=made, device="eth0", physical=True, VLAN=-1)
    return host.world.ref(made)
