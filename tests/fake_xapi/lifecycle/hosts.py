"""One host with a VM that has a disk and an interface, put straight into a world: what the rules are asked about."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from fake_xapi.datamodel.failure import Handle
from fake_xapi.datamodel.personality import personality
from fake_xapi.lifecycle.registry import LIFECYCLES
from fake_xapi.state.ids import Id, class_of
from fake_xapi.state.value import Value
from fake_xapi.state.world import World

TASK = "OpaqueRef:task"
OTHER_TASK = "OpaqueRef:other-task"


@dataclass(slots=True)
class Scene:
    """The objects by name; ``set`` changes one, ``check`` and ``allowed`` ask the rules."""

    world: World
    ids: dict[str, Id]

    def set(self, name: str, **fields: Any) -> Scene:
        """Write fields of an object. The name of an object as a value stands for it."""
        with self.world.edit() as edit:
            edit.set(self.ids[name], **{field: self._id(value) for field, value in fields.items()})
        return self

    def make(self, name: str, cls: str, **fields: Any) -> Scene:
        """Another object."""
        with self.world.edit() as edit:
            self.ids[name] = edit.create(cls, **{field: self._id(value) for field, value in fields.items()})
        return self

    def busy(self, name: str, *operations: str) -> Scene:
        """Mark operations on an object."""
        return self.set(name, current_operations=dict(zip((TASK, OTHER_TASK), operations, strict=False)))

    def after(self, changes: Iterable[Callable[[Scene], Scene]]) -> Scene:
        """The scene once changes were made to it, in their order."""
        for change in changes:
            change(self)
        return self

    def check(self, name: str, operation: str, *, strict: bool = True) -> list[str] | None:
        """The refusal, objects by name."""
        identity = self.ids[name]
        failure = LIFECYCLES[class_of(identity)].check(self.world, identity, operation, strict=strict)
        return None if failure is None else [failure.code, *(self._shown(param) for param in failure.params)]

    def check_each(self, name: str, operations: Iterable[str]) -> dict[str, list[str] | None]:
        """The refusal of each operation on an object."""
        return {operation: self.check(name, operation) for operation in operations}

    def allowed(self, name: str) -> str:
        """What allowed_operations says, as the tables of the reference write it."""
        identity = self.ids[name]
        return ", ".join(LIFECYCLES[class_of(identity)].allowed(self.world, identity))

    def _id(self, value: Any) -> Any:
        return self.ids[value[1:]] if isinstance(value, str) and value.startswith("@") else value

    def _shown(self, param: str | Handle) -> str:
        named = {identity: name for name, identity in self.ids.items()}
        if isinstance(param, Handle):
            return named[int(param)]
        for name, identity in self.ids.items():
            param = param.replace(self.world.ref(identity), name)
        return param


def scene(release: str = "latest") -> Scene:
    """A PV VM, halted, on a live host."""
    made = Scene(World(Value.empty(), "7", personality(release)), {})
    made.make("pool", "pool").make("host_metrics", "host_metrics", live=True).make("host", "host", enabled=True, metrics="@host_metrics")
    made.make("sr", "SR", type="ext", content_type="user").make("pbd", "PBD", SR="@sr", host="@host", currently_attached=True)
    made.make("metrics", "VM_metrics").make("vm", "VM", name_label="vm", metrics="@metrics", domid=-1)
    made.make("vdi", "VDI", SR="@sr", managed=True, type="user").make("network", "network")
    made.make("vbd", "VBD", VM="@vm", VDI="@vdi", mode="RW", type="Disk", userdevice="0")
    return made.make("vif", "VIF", VM="@vm", network="@network", device="0")


def hvm(release: str = "latest", power_state: str = "Running") -> Scene:
    """The same VM as HVM, its guest without drivers."""
    made = scene(release).set("vm", HVM_boot_policy="BIOS order", domain_type="hvm", power_state=power_state)
    made.set("metrics", current_domain_type="hvm", hvm=True)
    return made.make("guest", "VM_guest_metrics").set("vm", guest_metrics="@guest")
