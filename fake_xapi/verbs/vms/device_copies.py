"""The devices that a copy of a VM gets for itself: graphics cards, and a trusted platform module with its contents."""

from __future__ import annotations

from collections.abc import Iterable

from fake_xapi.lifecycle.rules import AnyRow
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id

_CARD = ("GPU_group", "device", "other_config", "type", "compatibility_metadata", "extra_args")


def copy_cards(edit: Edit, source: AnyRow, vm: Id) -> None:
    """Give a VM the same graphics cards as another; they are attached when it starts."""
    for vgpu in source["VGPUs"]:
        row = edit[vgpu]
        edit.create("VGPU", VM=vm, **{field: row[field] for field in _CARD})


def copy_modules(edit: Edit, source: AnyRow, vm: Id) -> None:
    """Give a VM the same modules as another. A module marked as unique holds secrets that must not be shared: its copy starts out empty."""
    for vtpm in source["VTPMs"]:
        row = edit[vtpm]
        secret = edit.get(row["contents"])
        known = "" if secret is None or row["is_unique"] else secret["value"]
        edit.create(
            "VTPM", VM=vm, is_unique=row["is_unique"], persistence_backend=row["persistence_backend"],
            contents=edit.create("secret", value=known),
        )  # fmt: skip


def secrets_of(edit: Edit, vm: AnyRow) -> Iterable[Id]:
    """The secrets that the VM's modules hold, which are destroyed with it."""
    return tuple(edit[vtpm]["contents"] for vtpm in vm["VTPMs"])
