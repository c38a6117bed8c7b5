"""Any calls in any order on one pool: whatever clients do, these hold.

``allowed_operations`` never lies, both ends of every relation agree, a refused call changes nothing, ``event.from`` leads to the same
database, what is saved is what is loaded, and a fork is a world of its own.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fake_xapi.fleet.fleet import Order
from fake_xapi.state import storage
from fake_xapi.state.ids import Id, class_of
from fake_xapi.state.value import Value, diff
from fake_xapi.state.world import World
from tests.fake_xapi.stateful import holding
from tests.fake_xapi.stateful.cache import EventCache
from tests.fake_xapi.stateful.room import Room

GIB = 1 << 30
NULL = "OpaqueRef:NULL"
QOS: dict[str, Any] = {"other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {}}
SHOWN: dict[str, tuple[Any, ...]] = {
    "VM.start": ("start", False, False),
    "VM.pause": ("pause",),
    "VM.unpause": ("unpause",),
    "VM.suspend": ("suspend",),
    "VM.resume": ("resume", False, False),
    "VM.clean_shutdown": ("clean_shutdown",),
    "VM.hard_shutdown": ("hard_shutdown",),
    "VM.clean_reboot": ("clean_reboot",),
    "VM.hard_reboot": ("hard_reboot",),
    "VM.snapshot": ("snapshot", "snapshot of it"),
    "VM.checkpoint": ("checkpoint", "checkpoint of it"),
    "VM.clone": ("clone", "clone of it"),
    "VM.copy": ("copy", "copy of it", NULL),
    "VM.revert": ("revert",),
    "VM.provision": ("provision",),
    "VM.destroy": ("destroy",),
    "VBD.plug": ("plug",),
    "VBD.unplug": ("unplug",),
    "VBD.eject": ("eject",),
    "VIF.plug": ("plug",),
    "VIF.unplug": ("unplug",),
    "VDI.snapshot": ("snapshot", {}),
    "VDI.clone": ("clone", {}),
    "VDI.resize": ("resize", str(64 * GIB)),
    "VDI.destroy": ("destroy",),
    "SR.scan": ("scan",),
}
"""Messages that ``allowed_operations`` speaks of: the operation, and what the message takes beside the object."""
OF_LIFECYCLE = frozenset(
    {
        "VM_BAD_POWER_STATE", "OTHER_OPERATION_IN_PROGRESS", "VM_IS_TEMPLATE", "VM_IS_SNAPSHOT", "OPERATION_BLOCKED", "VM_LACKS_FEATURE",
        "DEVICE_ALREADY_ATTACHED", "DEVICE_ALREADY_DETACHED", "VBD_IS_EMPTY", "VBD_NOT_REMOVABLE_MEDIA",
        "PROVISION_ONLY_ALLOWED_ON_TEMPLATE", "REVERT_ONLY_ALLOWED_ON_SNAPSHOT", "VM_MISSING_PV_DRIVERS",
    }
)  # fmt: skip
"""What only a lifecycle says of the object itself: whoever is allowed to may not be told one of these at once."""
NOT_DATABASE = frozenset({"session", "task"})


class AnyCalls(RuleBasedStateMachine):
    """Calls with and without a task, time that passes, and tasks that are cancelled."""

    release = "latest"

    def __init__(self) -> None:
        super().__init__()
        self.room = Room(Order(vms=2, snapshots=1, personality=self.release))
        self.cache = EventCache()
        self.forks: list[tuple[World, Value]] = []

    def teardown(self) -> None:
        self.room.close()

    # ---- what clients do ---------------------------------------------------------------------------------------------------------

    @rule(pick=st.randoms(use_true_random=False))
    def make_a_vm(self, pick: Any) -> None:
        """Of a template, unless that has got a disk whose SR is busy."""
        template = self._ref(pick, "VM", lambda row: row["is_default_template"])
        if self.room.refusal("VM.clone", template, "made"):
            assert self.room.call("VM.get_VBDs", template)
            return
        vm = self.room.call("VM.get_by_name_label", "made")[-1]
        self.room.refusal("VM.provision", vm)
        network = self._ref(pick, "network")
        self.room.call("VIF.create", {"VM": vm, "network": network, "device": "0", "MAC": "", "MTU": "1500", **QOS})

    @rule(pick=st.randoms(use_true_random=False), device=st.sampled_from(["autodetect", "0", "1", "5"]))
    def attach_a_disk(self, pick: Any, device: str) -> None:
        drive = {"VM": self._ref(pick, "VM"), "VDI": self._ref(pick, "VDI"), "userdevice": device, "bootable": False, "mode": "RW"}
        self.room.refusal("VBD.create", {**drive, "type": "Disk", "empty": False, "unpluggable": True, **QOS})

    @rule(pick=st.randoms(use_true_random=False), message=st.sampled_from(sorted(SHOWN)), is_async=st.booleans())
    def operate(self, pick: Any, message: str, is_async: bool) -> None:
        """The heart of it: an operation on any object, whether its ``allowed_operations`` lists it or not."""
        cls = message.partition(".")[0]
        ref = self._ref(pick, cls, lambda row: not row["is_default_template"] if cls == "VM" else True)
        operation, *params = SHOWN[message]
        allowed = operation in self.room.call(f"{cls}.get_allowed_operations", ref)
        before = self.room.world.value
        if is_async:
            task = self.room.call(f"Async.{message}", ref, *params)
            self.room.wait(0)
            details = self.room.call("task.get_error_info", task)
        else:
            details = self.room.refusal(message, ref, *params)
        note(f"{message} {ref}: {allowed=} {details}")
        if allowed:
            assert not _is_of_lifecycle(details, ref)
        elif not (is_async and not details):
            assert details, f"{message} was served although allowed_operations of {ref} does not list it"
            assert self._changes(before) == []

    @rule(pick=st.randoms(use_true_random=False), cls=st.sampled_from(["VM", "VDI", "VIF", "VBD", "network", "SR", "host", "pool"]))
    def write_a_map(self, pick: Any, cls: str) -> None:
        ref = self._ref(pick, cls)
        self.room.call(f"{cls}.remove_from_other_config", ref, "note")
        self.room.call(f"{cls}.add_to_other_config", ref, "note", "written")
        before = self.room.world.value
        assert self.room.refusal(f"{cls}.add_to_other_config", ref, "note", "again")[0] == "MAP_DUPLICATE_KEY"
        assert self._changes(before) == []

    @rule(pick=st.randoms(use_true_random=False))
    def remove_a_device(self, pick: Any) -> None:
        cls = pick.choice(["VBD", "VIF"])
        if self.room.world.count(cls):
            self.room.refusal(f"{cls}.destroy", self._ref(pick, cls))

    @precondition(lambda self: self.room.world.count("task"))
    @rule(pick=st.randoms(use_true_random=False))
    def cancel_a_task(self, pick: Any) -> None:
        self.room.call("task.cancel", self._ref(pick, "task"))

    @rule(seconds=st.sampled_from([0.5, 5.0, 30.0, 600.0]))
    def time_passes(self, seconds: float) -> None:
        self.room.wait(seconds)

    # ---- what holds --------------------------------------------------------------------------------------------------------------

    @rule()
    def what_is_saved_is_what_is_loaded(self) -> None:
        value = self.room.world.value
        restored = storage.restore(storage.dump(value))
        assert list(diff(value, restored)) == []
        assert (restored.names, restored.uuids, restored.ordinals) == (value.names, value.uuids, value.ordinals)

    @rule()
    def fork(self) -> None:
        """A fork takes a change of its own; the world does not notice, nor does the fork notice what comes after."""
        before = self.room.world.value
        forked = self.room.world.fork()
        with forked.edit() as edit:
            edit.create("network", name_label="of the fork alone")
        assert self.room.world.value is before
        self.forks.append((forked, forked.value))

    @invariant()
    def what_always_holds(self) -> None:
        self.forks_stand_still()
        holding.both_ends_of_every_relation_agree(self.room.world)
        holding.a_cache_kept_from_events_is_the_database(self.room.world, self.cache, self.room.call)
        holding.nobody_holds_what_nobody_does(self.room.world)
        holding.what_is_shown_is_what_the_rules_say_now(self.room.world)

    def forks_stand_still(self) -> None:
        assert all(world.value is value for world, value in self.forks)

    # ---- how -------------------------------------------------------------------------------------------------------------------

    def _ref(self, pick: Any, cls: str, where: Any = lambda row: True) -> str:
        """Any object of a class, always the same for the same draw."""
        world = self.room.world
        found = sorted(identity for identity, row in world.rows(cls) if where(row))
        return world.ref(pick.choice(found)) if found else NULL

    def _changes(self, before: Value) -> list[Id]:
        """What is other than before, sessions and tasks aside."""
        changes = diff(before, self.room.world.value)
        return [change.identity for change in changes if class_of(change.identity) not in NOT_DATABASE]


def _is_of_lifecycle(details: list[str], ref: str) -> bool:
    """Whether an object itself was said not to be ready; that another one is busy, an SR or a disk, is no lie of this one's."""
    is_about_others = bool(details) and details[0] == "OTHER_OPERATION_IN_PROGRESS" and ref not in details
    return bool(details) and details[0] in OF_LIFECYCLE and not is_about_others


class AnyCallsOf2012(AnyCalls):
    """The same with the rules of 2012."""

    release = "tampa"


TestAnyCalls = AnyCalls.TestCase
TestAnyCallsOf2012 = AnyCallsOf2012.TestCase
TestAnyCalls.settings = TestAnyCallsOf2012.settings = settings(
    max_examples=30, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
