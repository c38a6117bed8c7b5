"""What a guest notices of its interfaces: that one came or went, or was told another address."""

from __future__ import annotations

from fake_xapi.guest.addresses import networks
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call


def interfaces_changed(call: Call, vm: Id) -> None:
    """A guest that is up notices an interface that came or went, or an address that it was told."""
    row = call.world.get(vm)
    metrics = call.world.get(row["guest_metrics"]) if row is not None else None
    if row is None or metrics is None or not metrics["live"]:
        return
    with call.world.edit() as edit:
        edit.set(row["guest_metrics"], networks=networks(call.world, row), last_updated=call.now())
