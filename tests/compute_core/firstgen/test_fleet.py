"""The file that says which hosts there are on both sides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from compute_core.firstgen.fleet import Destination, Generations, Source, read_generations
from compute_core.firstgen.shell import SshHost
from compute_core.settings import BadSettings, HostEntry

XS1 = HostEntry("xs1", "http://xs1", "root", "secret")
GOOD: dict[str, Any] = {
    "known_hosts": "known_hosts",
    "kit": "/srv/kit.tar.gz",
    "key": "id",
    "bridges": {"xenbr1": "xapi1"},
    "vm_mode": "hvm",
    "room_mib": 100,
    "sources": [{"name": "xen01", "address": "10.0.0.1", "options": ["HostKeyAlgorithms=+ssh-rsa"], "configs": "/etc/xen/vms"}],
    "destinations": [{"name": "xs1", "address": "10.0.1.1", "port": 2222, "user": "move", "domain": "d0", "work": "/srv/move"}],
}


def written(folder: Path, said: object) -> Path:
    path = folder / "generations.json"
    path.write_text(said if isinstance(said, str) else json.dumps(said), encoding="utf-8")
    return path


def test_the_file_says_all_and_other_files_are_beside_it(tmp_path: Path) -> None:
    found = read_generations(written(tmp_path, GOOD), {"xs1": XS1})
    ssh = SshHost("xs1", "10.0.1.1", 2222, "move", lends_agent=True)
    assert found == Generations(
        known_hosts=tmp_path / "known_hosts",
        kit=Path("/srv/kit.tar.gz"),
        key=tmp_path / "id",
        sources={"xen01": Source(SshHost("xen01", "10.0.0.1", options=("HostKeyAlgorithms=+ssh-rsa",)), "/etc/xen/vms")},
        destinations={"xs1": Destination(XS1, ssh, "d0", "/dev", "/srv/move")},
        bridges={"xenbr1": "xapi1"},
        vm_mode="hvm",
        room_mib=100,
    )
    assert (found.bridge("xenbr1"), found.bridge("xenbr0")) == ("xapi1", "xenbr0")


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in GOOD.items() if name != key}


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("{\n]", ":2: not JSON (Expecting property name enclosed in double quotes). Cure: correct the line."),
        (without("kit"), ": $: 'kit' is a required property. Cure: correct it there."),
        (GOOD | {"sources": [{"name": "x"}]}, ": $.sources[0]: 'address' is a required property. Cure: correct it there."),
        (GOOD | {"vm_mode": "uml"}, ": $.vm_mode: 'uml' is not one of ['xen', 'hvm', 'pvh']. Cure: correct it there."),
        (GOOD | {"sources": GOOD["sources"] * 2}, ": two of the sources have the same name. Cure: give each its own."),
        (
            GOOD | {"destinations": [{"name": "xs9", "address": "a"}]},
            ": the inventory has no host xs9. Cure: name destinations as the inventory names hosts.",
        ),
    ],
)
def test_a_file_that_cannot_be_is_refused_with_the_place_and_the_cure(tmp_path: Path, said: object, message: str) -> None:
    path = written(tmp_path, said)
    with pytest.raises(BadSettings) as refused:
        read_generations(path, {"xs1": XS1})
    assert str(refused.value) == f"{path}{message}"


def test_a_file_that_is_not_there_is_named_with_its_option(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="Cure: name the file by --generations"):
        read_generations(tmp_path / "absent.json", {})
