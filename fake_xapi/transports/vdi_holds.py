"""VDIs held in the control domain while their bytes travel: as XAPI does it, by a VBD that is plugged there.

So nobody destroys what is read, and nobody writes where somebody else does.
"""

from __future__ import annotations

from collections.abc import Callable

from fake_xapi.lifecycle.registry import LIFECYCLES
from fake_xapi.state.ids import NULL, Id
from fake_xapi.state.world import World
from fake_xapi.transports.ports import Xapi
from fake_xapi.verbs.devices import devices
from fake_xapi.verbs.disks import storage
from fake_xapi.verbs.disks.vbd import create_row

Release = Callable[[], None]
_BACKEND = "sm/backend/"


def hold(xapi: Xapi, vdi: Id, mode: str) -> Release:
    """Plug a VDI into the control domain ("RO", "RW") until the answer is called.

    Failure VDI_IN_USE [vdi], VDI_READONLY [vdi], or what else keeps a VBD from being attached.
    """
    domain: Id = xapi.world[xapi.host]["control_domain"] or NULL
    row = xapi.world.get(domain)
    device = devices.free_disks(xapi.world, row)[0] if row is not None else "0"
    with xapi.world.edit() as edit:
        vbd = create_row(edit, VM=domain, VDI=vdi, userdevice=device, mode=mode, type="Disk", empty=False, unpluggable=True)
    refusal = LIFECYCLES["VBD"].check(xapi.world, vbd, "attach")
    if refusal is not None:
        _drop(xapi, vbd)
        raise refusal
    with xapi.world.edit() as edit:
        edit.set(vbd, currently_attached=True, device=_BACKEND + xapi.world.uuid(vdi))
    return lambda: _drop(xapi, vbd)


def release_all(world: World) -> None:
    """Let go what was held when a XAPI ended: nobody reads on after it has begun again."""
    held = [vbd for vbd, row in world.rows("VBD") if row["device"].startswith(_BACKEND)]
    if held:
        with world.edit() as edit:
            for vbd in held:
                storage.drop_vbd(edit, vbd)


def _drop(xapi: Xapi, vbd: Id) -> None:
    with xapi.world.edit() as edit:
        if edit.get(vbd) is not None:
            storage.drop_vbd(edit, vbd)
