"""The BIOS strings of a VM: set once, by its owner, from a host, or by XAPI at its first start."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.personality import Era
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb

MOST_CHARACTERS = 512
_OF_ALL_XEN = {"oem-1": "Xen", "oem-2": "MS_VM_CERT/SHA1/bdbeb6e0a816d43fa6d3fe8aaef04c2bad9d3e3d"}
_OF_2012 = {
    "bios-vendor": "Xen",
    "bios-version": "",
    "system-manufacturer": "Xen",
    "system-product-name": "HVM domU",
    "system-version": "",
    "system-serial-number": "",
    "hp-rombios": "",
    **_OF_ALL_XEN,
}
_LATER = (
    *("baseboard-manufacturer", "baseboard-product-name", "baseboard-version", "baseboard-serial-number", "baseboard-asset-tag"),
    *("baseboard-location-in-chassis", "enclosure-asset-tag"),
)
_OF_TODAY = {**_OF_2012, **dict.fromkeys(_LATER, "")}
_SETTABLE = frozenset(_OF_TODAY) - {"hp-rombios", *_OF_ALL_XEN}


def generic(era: Era) -> Mapping[str, str]:
    """The strings of a VM for which none were set."""
    return _OF_TODAY if era == "modern" else _OF_2012


def settle(edit: Edit, vm: Id) -> None:
    """Give a VM that starts for the first time its strings, unless it has some."""
    if not edit[vm]["bios_strings"]:
        edit.set(vm, bios_strings=generic(edit.personality.era))


def set_bios_strings(call: Call, vm: Id, value: dict[str, str]) -> None:
    """Give a VM strings that its owner chose; the others are generic.

    VM_BIOS_STRINGS_ALREADY_SET [], INVALID_VALUE [key, reason] for a key that nobody may set, an empty, long or unprintable value.
    """
    _assert_has_none(call, vm)
    for key, text in value.items():
        _check(key, text)
    with call.world.edit() as edit:
        edit.set(vm, bios_strings={**generic(call.world.personality.era), **value})


def _check(key: str, text: str) -> None:
    reasons = (
        ("Unknown key", key not in _SETTABLE),
        ("Value provided is empty", not text),
        (f"{text} has length more than {MOST_CHARACTERS} characters", len(text.encode()) > MOST_CHARACTERS),
        (f"{text} has non-printable ASCII characters", not (text.isascii() and text.isprintable())),
    )
    for reason, is_so in reasons:
        if is_so:
            raise Failure("INVALID_VALUE", key, reason)


def copy_bios_strings(call: Call, vm: Id, host: Id) -> None:
    """Give a VM the strings of a host, which becomes its affinity. VM_BIOS_STRINGS_ALREADY_SET []."""
    _assert_has_none(call, vm)
    with call.world.edit() as edit:
        edit.set(vm, bios_strings=edit[host]["bios_strings"], affinity=host)


def _assert_has_none(call: Call, vm: Id) -> None:
    if call.world[vm]["bios_strings"]:
        raise Failure("VM_BIOS_STRINGS_ALREADY_SET")


VERBS: Mapping[str, Verb] = {"VM.set_bios_strings": set_bios_strings, "VM.copy_bios_strings": copy_bios_strings}
