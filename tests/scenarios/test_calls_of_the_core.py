"""Calls of XenAPI that the core is for: each is asked by a recipe, or another stands in its place, and tested by the contract suite."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from scenarios.exercised import SUITE, read
from tests.code.sources import ROOT
from tests.compute_core.faults import calls

ASKED: Mapping[str, str] = {
    "VM.start_on": "power",
    "VM.destroy": "removal",
    "VM.clean_reboot": "power",
    "VM.hard_reboot": "power",
    "VM.clean_shutdown": "power",
    "VM.hard_shutdown": "power",
    "VM.pause": "power",
    "VM.unpause": "power",
    "VM.suspend": "power",
    "VM.resume": "power",
    "VM.get_record": "parcel",
    "VM.get_by_uuid": "auto_disk",
    "VM.get_by_name_label": "certainty",
    "VM.set_name_label": "former",
    "VM.add_to_xenstore_data": "guest_tells",
    "VM.remove_from_xenstore_data": "guest_tells",
    "VM.assert_can_migrate": "live",
    "VM.migrate_send": "live",
    "VM.pool_migrate": "live",
}
"""By the call, the module of the recipe that asks it."""

INSTEAD: Mapping[str, tuple[str, str]] = {
    "VM.start": ("VM.start_on", "an agent starts VMs on its own host, also where the pool has others"),
    "VM.snapshot": ("VDI.snapshot", "the root disk alone becomes an image; with a quiesced guest VM.snapshot_with_quiesce makes both"),
    "VM.add_to_VCPUs_params": ("VM.create", "the whole map goes with the VM, in one call"),
    "VM.get_VBDs": ("VBD.get_all_records_where", "the records of all VBDs come with one call, not one by one"),
}
"""By the call, the one that does the same with fewer, and why."""


def asked(module: str) -> set[str]:
    """The calls that a module of recipes names; ``destroy`` is told the class."""
    tree = ast.parse((ROOT / "compute_core" / "xenapi" / f"{module}.py").read_text(encoding="utf-8"))
    return {*_named(tree), *_destroyed(tree)}


def _named(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"[A-Za-z_]+\.[A-Za-z_]+", node.value):
            yield node.value


def _destroyed(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "destroy":
            yield from (f"{each.value!s}.destroy" for each in node.args if isinstance(each, ast.Constant))


def recipes() -> list[Path]:
    return sorted((ROOT / "compute_core" / "xenapi").glob("*.py"))


@pytest.mark.parametrize("call", ASKED)
def test_a_call_is_asked_by_its_recipe(call: str) -> None:
    assert call in asked(ASKED[call])


@pytest.mark.parametrize("call", INSTEAD)
def test_what_stands_in_a_call_s_place_is_asked_when_operations_are_measured(call: str) -> None:
    other, why = INSTEAD[call]

    assert call not in {name for path in recipes() if path.stem != "session" for name in asked(path.stem)}
    assert f"`{other}`" in calls.PAGE.read_text(encoding="utf-8")
    assert len(why.split()) > 5


@pytest.mark.parametrize("call", [*ASKED, *INSTEAD])
def test_a_call_is_tested_by_the_contract_suite(call: str) -> None:
    assert [test for test in read()[call].tests if test.startswith(SUITE)]


def test_whatever_recipes_ask_is_tested_by_the_contract_suite() -> None:
    record = read()
    named = {name for path in recipes() for name in asked(path.stem) if name in record}
    measured = set(re.findall(r"`([A-Za-z_]+\.[A-Za-z_]+)`", calls.PAGE.read_text(encoding="utf-8")))

    assert [name for name in sorted(named | measured) if not any(test.startswith(SUITE) for test in record[name].tests)] == []
