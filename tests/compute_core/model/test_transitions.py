"""Which action may begin in which state: the table against the rules that it must keep."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compute_core.model.errors import Conflict
from compute_core.model.flavors import DEFAULT_FLAVORS
from compute_core.model.instances import Instance
from compute_core.model.json import from_json, to_json
from compute_core.model.transitions import ACTIONS, ANY, LEAVES_VOLUMES, begin
from compute_core.model.volumes import BlockDevice

DATE = "2012-08-01T00:00:00Z"
ACTIVE = Instance("uuid", "web", "p", "u", DEFAULT_FLAVORS[1], "image", DATE, DATE, vm_state="active", task_state=None)


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_an_action_begins_exactly_in_the_states_of_its_row(name: str) -> None:
    for state in ANY:
        server = replace(ACTIVE, vm_state=state)
        if state in ACTIONS[name].from_states:
            assert begin(server, name) is ACTIONS[name]
        else:
            with pytest.raises(Conflict, match=f"while it is in vm_state {state}"):
                begin(server, name)


def test_only_hard_reboots_and_deletions_interrupt() -> None:
    busy = replace(ACTIVE, task_state="rebooting")
    interrupting = set()
    for name in ACTIONS:
        try:
            begin(busy, name)
        except Conflict:
            continue
        interrupting.add(name)
    assert interrupting == {"reboot_hard", "delete"}


def test_nothing_but_a_deletion_begins_on_a_server_that_is_being_deleted() -> None:
    going = replace(ACTIVE, task_state="deleting")
    assert begin(going, "delete") is ACTIONS["delete"]
    with pytest.raises(Conflict, match="while it is in task_state deleting"):
        begin(going, "reboot_hard")


def test_an_instance_survives_the_way_over_a_bus_and_ignores_members_of_a_newer_sender() -> None:
    assert from_json({**to_json(ACTIVE), "colour": "red"}, Instance) == ACTIVE


@pytest.mark.parametrize("name", sorted(LEAVES_VOLUMES))
def test_what_volumes_do_not_follow_is_not_begun_while_there_are_any(name: str) -> None:
    server = replace(ACTIVE, block_devices=(BlockDevice("v", "a", "/dev/xvdb"),))
    with pytest.raises(Conflict, match=f"Cannot '{name}' instance {server.uuid} while it has volumes. Cure: detach them first."):
        begin(server, name)
