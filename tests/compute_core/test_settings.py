"""An inventory is read whole or refused with file, line and cure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compute_core.model.rsync import Rsync
from compute_core.settings import BadSettings, HostEntry, Settings, read_inventory

GOOD = [
    {"name": "host-1", "uuid": "u1", "url": "http://127.1.0.1:8080", "user": "root"},
    {"name": "host-2", "url": "https://xen2.example:443", "user": "root", "password": "own"},
]


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "hosts.json"
    path.write_text(text)
    return path


def refusal(tmp_path: Path, text: str, **given: str) -> str:
    path = write(tmp_path, text)
    with pytest.raises(BadSettings) as caught:
        read_inventory(path, **given)
    return str(caught.value).replace(str(tmp_path), "")


def test_an_inventory_names_hosts_and_the_caller_their_password(tmp_path: Path) -> None:
    assert read_inventory(write(tmp_path, json.dumps(GOOD)), password="given") == (
        HostEntry("host-1", "http://127.1.0.1:8080", "root", "given", "u1"),
        HostEntry("host-2", "https://xen2.example:443", "root", "own"),
    )


def test_a_host_may_name_the_vm_in_which_its_agent_runs(tmp_path: Path) -> None:
    entry = {**GOOD[0], "compute_vm": "v1"}

    assert [host.compute_vm for host in read_inventory(write(tmp_path, json.dumps([entry])), password="given")] == ["v1"]


def test_hosts_say_how_disks_of_servers_come_and_go(tmp_path: Path) -> None:
    entries = [{**GOOD[0], "name": way or "usual", **({"disks_by": way} if way else {})} for way in ("", "rsync", "xenapi")]
    hosts = read_inventory(write(tmp_path, json.dumps(entries)), password="given")
    usual, told = Settings(tmp_path), Settings(tmp_path, rsync=Rsync(port=2222))
    assert [usual.rsync_of(host) for host in hosts] == [None, Rsync(), None]
    assert [told.rsync_of(host) for host in hosts] == [Rsync(port=2222), Rsync(port=2222), None]
    assert refusal(tmp_path, json.dumps([{**GOOD[0], "disks_by": "ftp"}]), password="p") == (
        '/hosts.json:1: disks_by is \'ftp\'. Cure: write "rsync" or "xenapi", or leave it out.'
    )


def test_a_password_is_not_shown(tmp_path: Path) -> None:
    assert "given" not in repr(read_inventory(write(tmp_path, json.dumps(GOOD)), password="given"))


def test_what_is_wrong_is_told_by_file_line_and_cure(tmp_path: Path) -> None:
    lines = "[\n" + ",\n".join(json.dumps(entry) for entry in GOOD)
    assert refusal(tmp_path, lines) == "/hosts.json:3: not JSON (Expecting ',' delimiter). Cure: correct the line."
    assert refusal(tmp_path, "{}").startswith("/hosts.json:1: not a list. Cure: write [{")
    assert refusal(tmp_path, "[]") == "/hosts.json:1: no host in it. Cure: list at least one."
    assert refusal(tmp_path, lines + "]") == (
        "/hosts.json:2: the host has no password. Cure: add it to the entry, or give --password-file or the variable INOVA_XENAPI_PASSWORD."
    )
    assert refusal(tmp_path, lines + ',\n{"name": "x", "user": "root"}\n]', password="p") == (
        "/hosts.json:4: the host has no url. Cure: add it to the entry."
    )
    assert refusal(tmp_path, lines + ",\n7]", password="p").startswith("/hosts.json:4: a host is an object with name and url, this is 7.")
    assert refusal(tmp_path, lines + ',\n{"name": "x", "user": "root", "url": "xen3"}\n]', password="p") == (
        "/hosts.json:4: 'xen3' is no URL of a host. Cure: write http://ADDRESS or https://ADDRESS."
    )
    assert refusal(tmp_path, lines + ",\n" + json.dumps(GOOD[0]) + "]", password="p") == (
        "/hosts.json:4: host host-1 is on line 2 already. Cure: give each host its own name."
    )


def test_a_file_that_is_not_there_is_told_with_its_cure(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"cannot be read .* Cure: name the file"):
        read_inventory(tmp_path / "nowhere.json")
