"""The class ``blob``: bytes that clients keep with an object. They travel over HTTP; the disks hold them under the blob's id."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb

OWNERS = ("VM", "host", "pool", "SR", "network")
ANY_BYTES = "application/octet-stream"


def create(call: Call, mime_type: str, public: bool = False) -> Id:  # XenAPI's
    """Create an empty blob; without a type it may hold any bytes."""
    with call.world.edit() as edit:
        return _made(edit, mime_type, is_public=public)


def _made(edit: Edit, mime_type: str, *, is_public: bool) -> Id:
    return edit.create("blob", mime_type=mime_type or ANY_BYTES, public=is_public)


def create_for(call: Call, owner: Id, name: str, mime_type: str, public: bool = False) -> Id:  # XenAPI's
    """Create an empty blob under a name of an object. MAP_DUPLICATE_KEY [class, "blobs", object, name] for a name that is taken."""
    row = call.world[owner]
    if name in row["blobs"]:
        raise Failure("MAP_DUPLICATE_KEY", row.cls, "blobs", Handle(owner), name)
    with call.world.edit() as edit:
        blob = _made(edit, mime_type, is_public=public)
        edit.set(owner, blobs={**row["blobs"], name: blob})
    return blob


def destroy(call: Call, blob: Id) -> None:
    """Forget a blob with its bytes, and remove it from the object that had it."""
    with call.world.edit() as edit:
        for cls in OWNERS:
            for owner, row in call.world.rows(cls):
                if blob in row["blobs"].values():
                    edit.set(owner, blobs={name: held for name, held in row["blobs"].items() if held != blob})
        edit.destroy(blob)
    if blob in call.disks:
        call.disks.destroy(blob)


VERBS: Mapping[str, Verb] = {
    "blob.create": create,
    "blob.destroy": destroy,
    "VM.create_new_blob": create_for,
    "host.create_new_blob": create_for,
    "pool.create_new_blob": create_for,
    "SR.create_new_blob": create_for,
    "network.create_new_blob": create_for,
}
