"""Ways to send VMs out and in as archives, over the in-process transport, and to look at what is in one."""

from __future__ import annotations

import io
import tarfile
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.xml_values import read_value
from fake_xapi.dom0 import tar
from fake_xapi.transports.inprocess import InProcess
from tests.fake_xapi.verbs.kit.hosts import MIB, Host


async def out(host: Host, path: str = "/export", **parameters: str) -> bytes:
    pieces = InProcess(host.kit.xapi).get(path, {"session_id": host.kit.session, **parameters})
    return b"".join([piece async for piece in pieces])


async def into(host: Host, content: bytes, path: str = "/import", **parameters: str) -> list[str]:
    """The refs of the VMs that the task names."""
    task = await host.call("task.create", "import", "")
    given = {"session_id": host.kit.session, "task_id": task, **parameters}
    if path == "/import" and not {"sr_id", "sr_uuid"} & parameters.keys():
        given["sr_id"] = host.sr
    await InProcess(host.kit.xapi).put(path, given, in_pieces(content), len(content))
    result = read_value((await host.call("task.get_result", task)).encode())
    assert isinstance(result, list)
    return [str(ref) for ref in result]


async def refused_into(host: Host, content: bytes, path: str = "/import", **parameters: str) -> list[str]:
    """The Failure, which must be the task's as well, and must leave nothing."""
    task = await host.call("task.create", "import", "")
    before, disks = state(host), set(host.kit.xapi.disks.keys())
    given = {"session_id": host.kit.session, "task_id": task, "sr_id": host.sr, **parameters}
    with pytest.raises(Failure) as caught:
        await InProcess(host.kit.xapi).put(path, given, in_pieces(content), len(content))
    assert list(host.row(task)["error_info"]) == caught.value.details
    assert host.row(task)["status"] == "failure"
    assert state(host) == before
    assert set(host.kit.xapi.disks.keys()) == disks
    return caught.value.details


def state(host: Host) -> dict[str, Any]:
    """All rows that an import may touch, by class."""
    classes = ("VM", "VDI", "VBD", "VIF", "SR", "network", "VM_metrics", "VM_guest_metrics", "VBD_metrics", "VIF_metrics")
    return {cls: sorted((identity, row.values) for identity, row in host.world.rows(cls)) for cls in classes}


async def in_pieces(content: bytes) -> AsyncIterator[bytes]:
    for begin in range(0, len(content), 100_000):
        yield content[begin : begin + 100_000]


def files(content: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]


def metadata(content: bytes) -> dict[str, Any]:
    found = read_value(files(content)["ova.xml"])
    assert isinstance(found, dict)
    return found


def objects(content: bytes, cls: str) -> list[Any]:
    return [made for made in metadata(content)["objects"] if made["class"] == cls]


async def server(host: Host) -> tuple[str, str]:
    """A VM with a disk that holds something, a drive, an interface and its own ways; refs of VM and VDI."""
    fields = {
        "name_label": "büro <1>",
        "other_config": {"a&b": "<c>"},
        "VCPUs_params": {"weight": "64"},
        "xenstore_data": {"vm-data/x": "1"},
    }
    vm = await host.vm(**fields)
    vdi = await host.disk(4 * MIB)
    await host.vbd(vm, vdi)
    await host.drive(vm)
    await host.vif(vm, MAC="02:00:00:00:00:07")
    host.write(vdi, 5, b"first")
    host.write(vdi, 3 * MIB + 9, b"last")
    await host.call("VDI.update", vdi)
    return vm, vdi


def comparable(host: Host, vm: str) -> dict[str, Any]:
    """What of a VM must survive a journey."""
    row = host.row(vm)
    left_out = (
        *("uuid", "VBDs", "VIFs", "metrics", "guest_metrics", "generation_id", "current_operations", "allowed_operations", "other_config"),
        *("snapshots", "children", "parent", "consoles"),
    )
    names = [name for name in row.layout.names if name not in left_out]
    config = {key: value for key, value in row["other_config"].items() if key not in ("mac_seed", "import_task")}
    return {**{name: row[name] for name in names}, "other_config": config}


def device(host: Host, ref: str, names: tuple[str, ...]) -> dict[str, Any]:
    row = host.row(ref)
    return {name: row[name] for name in names}


VBD = ("userdevice", "bootable", "mode", "type", "unpluggable", "empty", "qos_algorithm_type", "currently_attached")
VIF = ("device", "network", "MTU", "currently_attached", "locking_mode")


def rewritten(content: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """The archive with another ova.xml."""
    found = files(content)
    return b"".join(tar.file(name, change(text) if name == "ova.xml" else text) for name, text in found.items()) + tar.END


def swapped(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda text: text.replace(old, new)
