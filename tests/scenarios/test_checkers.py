"""The checkers: each finds what it is there for, and nothing in a sound cell."""

from __future__ import annotations

from typing import Any

import pytest

from compute_core.xenapi.marks import IMAGE, IMAGE_VDI, INSTANCE
from scenarios.checkers.rules import check_all
from scenarios.checkers.views import HostView, ServerView, host_view
from scenarios.figures import Finding

SRS: dict[str, dict[str, Any]] = {"sr": {"content_type": "user"}, "iso": {"content_type": "iso"}}


def _vm(uuid: str, power_state: str = "Running") -> dict[str, Any]:
    return {"other_config": {INSTANCE: uuid}, "power_state": power_state, "is_a_template": False}


def _vdi(sr: str = "sr", **other_config: str) -> dict[str, Any]:
    return {"uuid": "u", "SR": sr, "managed": True, "other_config": other_config, "name_label": "disk", "virtual_size": 1}


def _host(name: str, vms: list[dict[str, Any]], vdis: list[dict[str, Any]] | None = None) -> HostView:
    return host_view(name, {f"vm{n}": vm for n, vm in enumerate(vms)}, {}, {f"vdi{n}": vdi for n, vdi in enumerate(vdis or [])}, SRS)


def _server(uuid: str, host: str | None = "a", status: str = "ACTIVE", power_state: int = 1, task_state: str | None = None) -> ServerView:
    return ServerView(uuid, host, status, power_state, task_state)


def test_a_sound_cell_has_no_findings() -> None:
    host = host_view(
        "a",
        {"vm": _vm("1")},
        {"vbd": {"VDI": "root"}},
        {"root": _vdi(), "image": _vdi(**{IMAGE: "i", IMAGE_VDI: "u"}), "tools": _vdi("iso")},
        SRS,
    )
    assert check_all([host], [_server("1"), _server("2", None, "ERROR", 0)]) == []


@pytest.mark.parametrize(
    ("hosts", "servers", "finding"),
    [
        (
            [_host("a", [_vm("1")]), _host("b", [_vm("1")])],
            [_server("1", "b")],
            Finding("no VM on two hosts", "1", "has VMs on a, b"),
        ),
        ([_host("a", [], [_vdi()])], [], Finding("no VDI without owner", "a/u", "VDI 'disk' of 1 bytes belongs to nobody")),
        (
            [_host("a", [_vm("1")])],
            [_server("1", status="BUILD", task_state="spawning")],
            Finding("no server without end state", "1", "is BUILD with task spawning"),
        ),
        (
            [_host("a", [_vm("1")])],
            [_server("1", task_state="deleting")],
            Finding("no server without end state", "1", "is ACTIVE with task deleting"),
        ),
        ([_host("a", [])], [_server("1")], Finding("XenAPI's view equals the database's", "1", "is ACTIVE on a and has no VM")),
        (
            [_host("b", [_vm("1")])],
            [_server("1")],
            Finding("XenAPI's view equals the database's", "1", "is on b by XenAPI and on a by the database"),
        ),
        (
            [_host("a", [_vm("1", "Halted")])],
            [_server("1")],
            Finding("XenAPI's view equals the database's", "1", "is Halted by XenAPI and has power_state 1 in the database"),
        ),
        (
            [_host("a", [_vm("1")])],
            [],
            Finding("XenAPI's view equals the database's", "1", "has a VM on a and is unknown to the database"),
        ),
    ],
)
def test_each_rule_finds_what_it_is_there_for(hosts: list[HostView], servers: list[ServerView], finding: Finding) -> None:
    assert check_all(hosts, servers) == [finding]
