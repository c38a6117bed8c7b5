"""The verbs of VTPM: a VM's trusted platform module, whose contents are a secret."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb


async def create(call: Call, vm: Id, is_unique: bool = False) -> Id:  # the releases of 2012 have the message and no modules
    """Add a module to a halted VM that has none. VM_BAD_POWER_STATE [vm, "halted", actual], VTPM_MAX_AMOUNT_REACHED ["1"]."""
    if call.world.personality.era != "modern":
        raise Failure("NOT_IMPLEMENTED", "VTPM.create")
    async with call.operating((vm, "create_vtpm")):
        with call.world.edit() as edit:
            return edit.create("VTPM", VM=vm, is_unique=is_unique, persistence_backend="xapi", contents=_secret(edit, ""))


def _secret(edit: Edit, value: str) -> Id:
    return edit.create("secret", value=value)


def _assert_halted(call: Call, vm: Id) -> None:
    state: str = call.world[vm]["power_state"]
    if state != "Halted":
        raise Failure("VM_BAD_POWER_STATE", Handle(vm), "halted", state.lower())


def destroy(call: Call, vtpm: Id) -> None:
    """Destroy a halted VM's module along with its contents."""
    row = call.world[vtpm]
    _assert_halted(call, row["VM"])
    with call.world.edit() as edit:
        if row["contents"] and edit.get(row["contents"]) is not None:
            edit.destroy(row["contents"])
        edit.destroy(vtpm)


def get_contents(call: Call, vtpm: Id) -> str:
    """The module's contents, in base64."""
    secret = call.world.get(call.world[vtpm]["contents"])
    return "" if secret is None else str(secret["value"])


def set_contents(call: Call, vtpm: Id, contents: str) -> None:
    """Replace the module's contents, given in base64; INTERNAL_ERROR for anything else."""
    try:
        base64.b64decode(contents, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Failure("INTERNAL_ERROR", "Malformed input") from error
    with call.world.edit() as edit:
        old: Id = edit[vtpm]["contents"]
        edit.set(vtpm, contents=_secret(edit, contents))
        if old and edit.get(old) is not None:
            edit.destroy(old)


VERBS: Mapping[str, Verb] = {
    "VTPM.create": create,
    "VTPM.destroy": destroy,
    "VTPM.get_contents": get_contents,
    "VTPM.set_contents": set_contents,
}
