"""A small pool of one host for the core's tests: what a recipe needs of a fresh XenServer, and nothing besides."""

from __future__ import annotations

from fake_xapi.datamodel.personality import personality
from fake_xapi.dom0.disks import DiskStore
from fake_xapi.engine.xapi import Xapi
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.state.value import Value
from fake_xapi.state.world import World

GIB = 1 << 30
EXT = ("VDI_CREATE", "VDI_DELETE", "VDI_ATTACH", "VDI_DETACH", "VDI_UPDATE", "VDI_CLONE", "VDI_SNAPSHOT", "VDI_RESIZE")


def fresh_xapi(release: str = "latest") -> Xapi:
    """A XAPI over it: 16 CPUs, 64 GiB of memory, 200 GiB of local storage, one network."""
    world = World(Value.empty(), "7", personality(release))
    with world.edit() as edit:
        host = _host(edit)
        sr = edit.create("SR", name_label="Local storage", type="ext", content_type="user", physical_size=200 * GIB)
        edit.create("PBD", host=host, SR=sr, currently_attached=True)
        edit.create("SM", type="ext", name_label="ext", features=dict.fromkeys(EXT, 1), capabilities=EXT)
        network = edit.create("network", name_label="Pool-wide network associated with eth0", bridge="xenbr0")
        edit.create("PIF", host=host, network=network, device="eth0", currently_attached=True)
        edit.set(host, suspend_image_sr=sr)
        edit.create("pool", master=host, default_SR=sr)
    return Xapi(world, host, DiskStore())


def _host(edit: Edit) -> Id:
    metrics = edit.create("host_metrics", live=True, memory_total=64 * GIB, memory_free=63 * GIB)
    host = edit.create(
        "host",
        name_label="xs1",
        hostname="xs1",
        address="127.0.0.1",
        enabled=True,
        metrics=metrics,
        software_version={"product_version": "6.2.0"},
        cpu_info={"cpu_count": "16", "modelname": "Xeon"},
        capabilities=("xen-3.0-x86_64", "hvm-3.0-x86_64"),
    )
    for _ in range(16):
        edit.create("host_cpu", host=host)
    dom0 = edit.create(
        "VM",
        name_label="Control domain on host: xs1",
        is_control_domain=True,
        power_state="Running",
        resident_on=host,
        memory_target=GIB,
    )
    edit.set(host, control_domain=dom0)
    return host
