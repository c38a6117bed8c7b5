"""What Cinder writes, in the terms of the core."""

from __future__ import annotations

from typing import Any

import pytest

from compute_core.model.errors import Conflict
from compute_core.model.volumes import Connection, Target
from compute_core.volumes.cinder_views import STATUSES, connection_of, connector_of, volume_of
from compute_core.volumes.port import Connector

ISCSI: dict[str, Any] = {"driver_volume_type": "iscsi", "target_portal": "10.0.0.9:3261", "target_iqn": "iqn.x", "target_lun": 3}


def volume(**fields: Any) -> dict[str, Any]:
    return {"id": "v", "size": 5, "status": "available", **fields}


@pytest.mark.parametrize(("told", "status"), [*STATUSES.items(), ("deleting", "error"), ("error_restoring", "error")])
def test_a_status_without_a_word_is_an_error(told: str, status: str) -> None:
    assert volume_of(volume(status=told)).status == status


def test_what_is_said_of_the_guest_is_among_the_metadata() -> None:
    told = volume(metadata={"a": "b"}, volume_image_metadata={"os_type": "linux"}, bootable="true", multiattach=True)
    seen = volume_of(told)
    assert (dict(seen.metadata), seen.is_bootable, seen.is_multiattach) == ({"a": "b", "os_type": "linux"}, True, True)


def test_a_way_is_read_flat_and_nested() -> None:
    way = Connection(Target("10.0.0.9", "iqn.x", 3, 3261))
    nested = {"driver_volume_type": "iscsi", "data": {name: value for name, value in ISCSI.items() if name != "driver_volume_type"}}
    assert connection_of(ISCSI, is_shared=False) == connection_of(nested, is_shared=False) == way
    login = {**ISCSI, "auth_method": "CHAP", "auth_username": "u", "auth_password": "p"}
    assert connection_of(login, is_shared=True) == Connection(
        Target("10.0.0.9", "iqn.x", 3, 3261, asks_login=True), "u", "p", is_shared=True
    )


def test_an_address_of_the_new_internet_loses_its_brackets() -> None:
    told = {**ISCSI, "target_portal": "[fd00::9]:3260"}
    assert connection_of(told, is_shared=False).target.address == "fd00::9"


@pytest.mark.parametrize(("told", "kind"), [({"driver_volume_type": "rbd", "name": "pool/volume"}, "rbd"), ({}, "nothing")])
def test_only_what_a_xenserver_host_reaches_is_attached(told: dict[str, Any], kind: str) -> None:
    with pytest.raises(Conflict, match=f"A volume that is reached by {kind} cannot be attached here"):
        connection_of(told, is_shared=False)


def test_a_host_is_told_of_as_drivers_want_it() -> None:
    assert connector_of(Connector("xs1", "10.0.0.1", "iqn.xs1"), "/dev/xvdb") == {
        "host": "xs1",
        "ip": "10.0.0.1",
        "initiator": "iqn.xs1",
        "multipath": False,
        "platform": "x86_64",
        "os_type": "xen",
        "mountpoint": "/dev/xvdb",
    }
