"""The devices that a copy of a VM gets of its own: graphics cards, and a trusted module with what it knows."""

from __future__ import annotations

from collections.abc import Iterable

from fake_xapi.lifecycle.rules import AnyRow
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id

_CARD = ("GPU_group", "device", "other_config", "type", "compatibility_metadata", "extra_args")


def copy_cards(edit: Edit, source: AnyRow, vm: Id) -> None:
    """Give a VM the cards of another one; they are attached when it starts."""
    for vgpu in source["VGPUs"]:
        row = edit[vgpu]
        edit.create("VGPU", VM=vm, **{field: row[field] for field in _CARD})


def copy_modules(edit: Edit, source: AnyRow, vm: Id) -> None:
    """Give a VM the modules of another one. A unique one knows things that nobody else may know: its copy begins anew."""
    for vtpm in source["VTPMs"]:
        row = edit[vtpm]
        secret = edit.get(row["contents"])
        known = "" if secret is None or row["is_unique"] else secret["value"]
        edit.create(
            "VTPM", VM=vm, is_unique=row["is_unique"], persistence_backend=row["persistence_backend"],
            contents=edit.create("secret", value=known),
        )  # fmt: skip


def secrets_of(edit: Edit, vm: AnyRow) -> Iterable[Id]:
    """What the modules of a VM know, which goes with them."""
    return tuple(edit[vtpm]["contents"] for vtpm in vm["VTPMs"])
