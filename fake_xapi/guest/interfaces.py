"""What a guest notices about its interfaces: one has come or gone, or has been told another address."""

from __future__ import annotations

from fake_xapi.guest.addresses import networks
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call


def interfaces_changed(call: Call, vm: Id) -> None:
    """Let a guest that is up notice that an interface has come or gone, or has been told another address."""
    row = call.world.get(vm)
    metrics = call.world.get(row["guest_metrics"]) if row is not None else None
    if row is None or metrics is None or not metrics["live"]:
        return
    with call.world.edit() as edit:
        edit.set(row["guest_metrics"], networks=networks(call.world, row), last_updated=call.now())
