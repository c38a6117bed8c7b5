"""The agent's view of its VMs: read once, then kept true by events. It is told what XenAPI says; it asks nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from compute_core.model.instances import NO_STATE, POWER_STATES, SHUTDOWN, Instance
from compute_core.xenapi import marks
from compute_core.xenapi.guest_agent_rules import UNSAID, Terms, terms_in
from compute_core.xenapi.place import NULL

Record = Mapping[str, Any]


def _nobody(_: str) -> None: ...


@dataclass(slots=True)
class Vm:
    """One server's VM. ``told`` is the power state that the cell was last told, or is about to be by the operation under way.

    ``vifs`` are the refs of VIFs, where they are known, by their ports. ``note`` is what its build has left to say.
    """

    ref: str
    label: str
    power_state: int
    told: int
    uuid: str = ""
    last_domid: int = -1
    terms: Terms = UNSAID
    vifs: dict[str, str] = field(default_factory=dict)
    note: str = ""

    def take_in(self, record: Record) -> bool:
        """Whether it has another domain than before. The number of one that is gone is remembered, for its console is still there."""
        before = self.last_domid
        self.power_state = POWER_STATES.get(record["power_state"], NO_STATE)
        self.label, self.uuid, self.terms = record["name_label"], record["uuid"], terms_in(record)
        self.note = record["other_config"].get(marks.NOTE, "")
        if int(record["domid"]) >= 0:
            self.last_domid = int(record["domid"])
        return self.last_domid != before


class Vms:
    """The servers' VMs, by uuid of the server. VMs without the core's mark, templates and snapshots are not among them.

    ``on_domain`` is called with a server that has another domain than before, or no VM any more. ``host`` is the ref of
    the agent's own host where the pool has others: their VMs are theirs. ``formers`` are the refs of VMs that were set aside when their
    servers were moved or resized, by uuid of the server. ``rescues`` are those that stand in for servers. Where an operation that was
    broken off has left two VMs of a server, the one seen last is taken for it, and the other one ``doubles`` it.
    """

    __slots__ = ("_by_uuid", "_uuids", "doubles", "formers", "host", "on_domain", "rescues")

    def __init__(self, host: str = "") -> None:
        self.host = host
        self.on_domain: Callable[[str], None] = _nobody
        self.formers: dict[str, str] = {}
        self.rescues: dict[str, Vm] = {}
        self.doubles: dict[str, Vm] = {}
        self._by_uuid: dict[str, Vm] = {}
        self._uuids: dict[str, str] = {}

    def __contains__(self, uuid: object) -> bool:
        return uuid in self._by_uuid

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_uuid)

    def get(self, uuid: str) -> Vm | None:
        """The server's VM."""
        return self._by_uuid.get(uuid)

    def acting(self, uuid: str) -> Vm | None:
        """The VM whose state is the server's: the one that stands in for it while it is not off, or its own."""
        helper, own = self.rescues.get(uuid), self._by_uuid.get(uuid)
        return own if helper is None or (own is not None and helper.power_state == SHUTDOWN) else helper

    def uuid_of(self, uuid: str) -> str:
        """The uuid of the server's VM, "" when it is not known."""
        vm = self._by_uuid.get(uuid)
        return "" if vm is None else vm.uuid

    def items(self) -> Iterable[tuple[str, Vm]]:
        """All of them."""
        return self._by_uuid.items()

    def running(self) -> int:
        """How many have a domain."""
        return sum(vm.power_state in {POWER_STATES["Running"], POWER_STATES["Paused"]} for vm in self._by_uuid.values())

    def replace(self, records: Mapping[str, Record]) -> list[str]:
        """Start over from everything that the host has; the servers whose power state is news to the cell."""
        for ref in (self._uuids.keys() | set(self.formers.values())) - records.keys():
            self.forget(ref)
        return [uuid for ref, record in records.items() if (uuid := self.see(ref, record))]

    def see(self, ref: str, record: Record) -> str:
        """Take in a record; the server's uuid when its power state is news to the cell, "" otherwise."""
        uuid = marks.instance_of(record)
        if marks.rescue_of(record):
            return self._see_rescue(ref, record)
        if not uuid or record["is_a_template"] or record["is_control_domain"] or not self._is_here(record):
            self.forget(ref)
            self._see_former(ref, record)
            return ""
        power_state = POWER_STATES.get(record["power_state"], NO_STATE)
        vm = self._known(uuid, ref)
        if vm is None:
            vm = Vm(ref, record["name_label"], power_state, power_state)
            self._put(uuid, vm)
        if vm.take_in(record):
            self.on_domain(uuid)
        return self._news_of(uuid)

    def _known(self, uuid: str, ref: str) -> Vm | None:
        return next((vm for vm in (self._by_uuid.get(uuid), self.doubles.get(uuid)) if vm is not None and vm.ref == ref), None)

    def _news_of(self, uuid: str) -> str:
        vm = self.acting(uuid)
        return uuid if vm is not None and vm.power_state != vm.told else ""

    def built(self, instance: Instance, ref: str) -> None:
        """Take in what a build has made, before events tell of it."""
        running = POWER_STATES["Running"]
        if instance.uuid not in self._by_uuid:
            self._put(instance.uuid, Vm(ref, instance.domain_name, running, running))
        self._by_uuid[instance.uuid].told = running

    def rescued(self, uuid: str, ref: str) -> None:
        """Take in a running VM that stands in for the server, before events tell of it."""
        running = POWER_STATES["Running"]
        self.rescues.setdefault(uuid, Vm(ref, marks.rescue_label(uuid), running, running)).told = running

    def unrescued(self, uuid: str) -> None:
        """Nothing stands in for the server any more."""
        self.rescues.pop(uuid, None)

    def arrived(self, instance: Instance, ref: str) -> None:
        """Take in a halted VM that is the server's from now on, before events tell of it."""
        halted = POWER_STATES["Halted"]
        self._put(instance.uuid, Vm(ref, instance.domain_name, halted, halted))

    def set_aside(self, uuid: str) -> None:
        """The server's VM is its former one from now on."""
        vm = self._by_uuid.get(uuid)
        if vm is not None:
            self.forget(vm.ref)
            self.formers[uuid] = vm.ref

    def forget(self, ref: str) -> None:
        """The VM is gone."""
        self.formers = {former: vm for former, vm in self.formers.items() if vm != ref}
        self.rescues = {uuid: vm for uuid, vm in self.rescues.items() if vm.ref != ref}
        uuid = self._uuids.pop(ref, "")
        if (double := self.doubles.get(uuid)) is not None and double.ref == ref:
            del self.doubles[uuid]
        if (vm := self._by_uuid.get(uuid)) is not None and vm.ref == ref:
            del self._by_uuid[uuid]
            if uuid in self.doubles:
                self._by_uuid[uuid] = self.doubles.pop(uuid)
            self.on_domain(uuid)

    def _is_here(self, record: Record) -> bool:
        """A VM without a domain is its home's, which is where it was started last."""
        if not self.host:
            return True
        home: str = record["resident_on"] if record["resident_on"] != NULL else record["affinity"]
        return home == self.host

    def _see_rescue(self, ref: str, record: Record) -> str:
        """As ``see``, of a VM that stands in for a server."""
        uuid = marks.rescue_of(record)
        if not uuid or record["is_a_template"] or not self._is_here(record):
            return ""
        power_state = POWER_STATES.get(record["power_state"], NO_STATE)
        vm = self.rescues.setdefault(uuid, Vm(ref, record["name_label"], power_state, power_state))
        if vm.take_in(record):
            self.on_domain(uuid)
        return self._news_of(uuid)

    def _see_former(self, ref: str, record: Record) -> None:
        uuid = marks.former_of(record)
        if uuid and self._is_here(record):
            self.formers[uuid] = ref

    def _put(self, uuid: str, vm: Vm) -> None:
        before = self._by_uuid.get(uuid)
        if before is not None and before.ref != vm.ref:
            self.doubles[uuid] = before
        self._by_uuid[uuid] = vm
        self._uuids[vm.ref] = uuid
