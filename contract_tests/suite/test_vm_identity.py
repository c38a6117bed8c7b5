"""What a VM is given once, and what keeps VMs apart: BIOS strings, groups, domain types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from contract_tests.capabilities import Server
from contract_tests.made import Made
from contract_tests.refusals import refusal


@pytest.mark.rule("VM BIOS strings")
def test_strings_of_a_host_are_given_once(xapi: Any, made: Made, host: str) -> None:
    """VM_BIOS_STRINGS_ALREADY_SET [], and the VM rather starts where they are from."""
    vm = made.vm()
    xapi.VM.copy_bios_strings(vm, host)
    assert (xapi.VM.get_bios_strings(vm), xapi.VM.get_affinity(vm)) == (xapi.host.get_bios_strings(host), host)
    assert refusal(xapi.VM.copy_bios_strings, vm, host) == ["VM_BIOS_STRINGS_ALREADY_SET"]


@pytest.mark.rule("VM BIOS strings")
@pytest.mark.parametrize(
    ("key", "text", "reason"),
    [
        ("oem-1", "x", "Unknown key"),
        ("bios-vendor", "", "Value provided is empty"),
        ("bios-vendor", "x" * 513, "x" * 513 + " has length more than 512 characters"),
        ("bios-vendor", "a\tb", "a\tb has non-printable ASCII characters"),
    ],
)
def test_strings_that_nobody_may_give(xapi: Any, server: Server, made: Made, key: str, text: str, reason: str) -> None:
    """INVALID_VALUE [key, reason]."""
    if not server.has("VM.set_bios_strings"):
        pytest.skip(f"{server.summary} has no VM.set_bios_strings")
    assert refusal(xapi.VM.set_bios_strings, made.vm(), {key: text}) == ["INVALID_VALUE", key, reason]


@pytest.mark.rule("VM BIOS strings")
def test_an_owner_gives_some_strings_and_the_others_are_generic(xapi: Any, server: Server, made: Made) -> None:
    """Xen's own stand where nothing else was said."""
    if not server.has("VM.set_bios_strings"):
        pytest.skip(f"{server.summary} has no VM.set_bios_strings")
    vm = made.vm()
    xapi.VM.set_bios_strings(vm, {"bios-vendor": "Mine"})
    strings = xapi.VM.get_bios_strings(vm)
    assert (strings["bios-vendor"], strings["system-manufacturer"], strings["oem-1"]) == ("Mine", "Xen", "Xen")


@pytest.mark.rule("VM domain type")
def test_a_domain_type_that_says_nothing_is_refused(xapi: Any, server: Server, made: Made) -> None:
    """INVALID_VALUE ["domain_type", "unspecified"]."""
    if not server.has("VM.set_domain_type"):
        pytest.skip(f"{server.summary} has no VM.set_domain_type")
    assert refusal(xapi.VM.set_domain_type, made.vm(), "unspecified") == ["INVALID_VALUE", "domain_type", "unspecified"]


@pytest.fixture(name="groups")
def two_groups(xapi: Any, server: Server, made: Made) -> Iterator[list[str]]:
    """Two groups whose VMs should be apart."""
    if not server.has("VM.set_groups"):
        pytest.skip(f"{server.summary} has no VM groups")
    record = {"name_label": made.name(), "name_description": "", "placement": "anti_affinity"}
    found = [xapi.VM_group.create(record) for _ in range(2)]
    yield found
    for group in found:
        xapi.VM_group.destroy(group)


@pytest.mark.rule("VM groups")
def test_a_vm_is_in_one_group_at_most(xapi: Any, made: Made, groups: list[str]) -> None:
    """TOO_MANY_GROUPS []; both ends of the relation say the same."""
    vm = made.vm()
    assert refusal(xapi.VM.set_groups, vm, groups) == ["TOO_MANY_GROUPS"]
    for group in groups:
        xapi.VM.set_groups(vm, [group])
    assert [xapi.VM_group.get_VMs(group) for group in groups] == [[], [vm]]
    xapi.VM.set_groups(vm, [])
    assert (xapi.VM.get_groups(vm), xapi.VM_group.get_VMs(groups[1])) == ([], [])
