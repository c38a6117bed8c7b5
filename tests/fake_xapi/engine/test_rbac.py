"""Roles: each message and each HTTP action may be used by exactly the roles that the datamodel lists."""

from __future__ import annotations

from typing import Any

import pytest

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.model import Message
from fake_xapi.datamodel.personality import personality
from fake_xapi.datamodel.types import Type
from fake_xapi.engine import dispatch
from fake_xapi.engine.rbac import needed, permissions, permissions_of_roles
from tests.fake_xapi.engine.kit import Kit
from tests.fake_xapi.engine.people import PASSWORD, ROLES, People, over_people

SAMPLES: dict[str, Any] = {
    "string": "x", "int": "1", "float": 1.0, "bool": True, "datetime": "20120801T00:00:00Z", "ref": "OpaqueRef:NULL", "set": [], "map": {},
}  # fmt: skip
LIMITED = "No permission in user session. (Roles with this permission: {})"


def denial(permission: str, *roles: str) -> list[str]:
    return ["RBAC_PERMISSION_DENIED", permission, LIMITED.format(", ".join(roles))]


def sample(kind: Type) -> Any:
    """A wire value of a type."""
    if kind.kind == "enum":
        return datamodel().enums[kind.name][0]
    if kind.kind == "option":
        return sample(kind.element)
    if kind.kind == "record":
        return {field.name: sample(field.type) for field in datamodel().classes[kind.name].fields if field.is_required_in_create}
    return SAMPLES[kind.kind]


def messages() -> list[Message]:
    """Every message that a session is needed for and that a client may call at all, once."""
    known = {message.wire_name: message for message in personality().messages.values()}
    stopped = ("is_removed", "is_deprecated_stub", "is_pool_internal")
    return [m for _, m in sorted(known.items()) if m.needs_session and not any(getattr(m, reason) for reason in stopped)]


def test_each_message_may_be_called_by_exactly_the_roles_that_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    def reached(*_: object) -> None:
        raise Failure("REACHED")

    async def body(people: People) -> None:
        sessions = {role: await people.login(f"{role}-user") for role in ROLES}
        monkeypatch.setattr(dispatch, "_check_refs", reached)
        wrong = []
        for message in messages():
            listed = datamodel().role_sets[message.roles]
            for role, session in sessions.items():
                refusal = await people.kit.raw_refused(message.wire_name, session, *(sample(param.type) for param in message.params))
                expected = ["REACHED"] if role in listed else denial(message.wire_name.lower(), *listed)
                if refusal != expected:
                    wrong.append((role, message.wire_name, refusal, expected))
        assert wrong == []

    over_people(body)


KEYED = [(m.wire_name, key, roles) for m in messages() for key, roles in m.map_keys_roles.items()]


@pytest.mark.parametrize(("name", "key", "roles"), KEYED)
def test_some_keys_of_maps_need_roles_of_their_own(name: str, key: str, roles: str) -> None:
    message = personality().messages[name]
    written = key.replace("*", "anything")
    assert needed(message, [1, written, "value"]) == f"{name.lower()}/key:{key.lower()}"
    assert needed(message, [1, f"{key}x" if not key.endswith("*") else "other", "value"]) == name.lower()
    assert permissions("latest")[f"{name.lower()}/key:{key.lower()}"] == datamodel().role_sets[roles]


def test_a_vm_operator_may_put_a_vm_into_a_folder_but_write_nothing_else_beside_it() -> None:
    async def body(people: People) -> None:
        kit, operator, admin = people.kit, await people.login("vm-operator-user"), await people.login("vm-admin-user")
        vm = kit.make("VM")
        for key in ("folder", "XenCenter.CustomFields.owner"):
            assert await kit.raw("VM.add_to_other_config", operator, vm, key, "x") == ""
            assert await kit.raw("VM.remove_from_other_config", operator, vm, key) == ""
        admins = ("pool-admin", "pool-operator", "vm-power-admin", "vm-admin")
        refusal = await kit.raw_refused("VM.add_to_other_config", operator, vm, "note", "x")
        assert refusal == denial("vm.add_to_other_config", *admins)
        refusal = await kit.raw_refused("VM.add_to_other_config", admin, vm, "pci", "0/0000:00:00.0")
        assert refusal == denial("vm.add_to_other_config/key:pci", "pool-admin")
        assert await kit.call("VM.get_other_config", vm) == {}

    over_people(body)


def test_a_role_comes_after_the_session_and_before_the_refs() -> None:
    async def body(people: People) -> None:
        kit, reader = people.kit, await people.login("read-only-user")
        assert (await kit.raw_refused("VM.start", reader))[0] == "MESSAGE_PARAMETER_COUNT_MISMATCH"
        assert (await kit.raw_refused("VM.start", reader, "OpaqueRef:dead", "false", False))[0] == "INTERNAL_ERROR"
        assert await kit.raw_refused("VM.start", "nobody", "OpaqueRef:dead", False, False) == ["SESSION_INVALID", "nobody"]
        assert (await kit.raw_refused("VM.start", reader, "OpaqueRef:dead", False, False))[:2] == ["RBAC_PERMISSION_DENIED", "vm.start"]
        assert await kit.raw_refused("VM.get_uuid", reader, "OpaqueRef:dead") == ["HANDLE_INVALID", "VM", "OpaqueRef:dead"]

    over_people(body)


def test_the_role_for_an_asynchronous_call_is_asked_in_its_task() -> None:
    async def body(people: People) -> None:
        kit, reader = people.kit, await people.login("read-only-user")
        vm = kit.make("VM")
        task = await kit.raw("Async.VM.start", reader, vm, False, False)
        row = await ended(kit, task)
        operators = ("pool-admin", "pool-operator", "vm-power-admin", "vm-admin", "vm-operator")
        assert (row["status"], list(row["error_info"])) == ("failure", denial("vm.start", *operators))

    over_people(body)


async def ended(kit: Kit, task: str) -> Any:
    """The row of a task that has ended."""
    for work in list(kit.xapi._background.values()):
        await work
    return kit.world[kit.world.find_ref(task)]


def test_both_spellings_of_a_name_need_the_same_permission() -> None:
    async def body(people: People) -> None:
        reader = await people.login("read-only-user")
        assert await people.kit.raw("VM_get_all", reader) == []
        assert (await people.kit.raw_refused("VM_start", reader, people.kit.make("VM"), False, False))[1] == "vm.start"

    over_people(body)


def test_a_user_ends_its_own_tasks_and_only_a_pool_operator_those_of_others() -> None:
    async def body(people: People) -> None:
        kit = people.kit
        reader, again = await people.login("read-only-user"), await people.login("read-only-user")
        admin, operator = await people.login("vm-admin-user"), await people.login("pool-operator-user")
        calls: dict[str, tuple[Any, ...]] = {
            "task.cancel": (), "task.set_status": ("success",), "task.set_progress": (0.5,), "task.set_result": ("x",),
            "task.set_error_info": (["A"],), "task.destroy": (),
        }  # fmt: skip
        for call, params in calls.items():
            task = await kit.raw("task.create", reader, "mine", "")
            refusal = await kit.raw_refused(call, admin, task, *params)
            assert refusal == denial("task.destroy/any", "pool-admin", "pool-operator")
            for session in (again, operator, kit.session):
                task = await kit.raw("task.create", reader, "mine", "")
                assert await kit.raw(call, session, task, *params) == ""

    over_people(body)


def test_the_task_of_a_session_that_is_gone_is_nobodys() -> None:
    async def body(people: People) -> None:
        kit = people.kit
        reader, again = await people.login("read-only-user"), await people.login("read-only-user")
        task = await kit.raw("task.create", reader, "mine", "")
        await kit.raw("session.logout", reader)
        assert (await kit.raw_refused("task.cancel", again, task))[1] == "task.destroy/any"

    over_people(body)


ACTIONS = [(action.name, action.roles, action.is_checked) for action in datamodel().http_actions]
PARTS = [(f"{action.name}/{part}", roles, True) for action in datamodel().http_actions for part, roles in action.sub_actions.items()]


@pytest.mark.parametrize(("action", "roles", "is_checked"), ACTIONS + PARTS)
def test_each_http_action_may_be_used_by_exactly_the_roles_that_are_listed(action: str, roles: str, is_checked: bool) -> None:
    async def body(people: People) -> None:
        listed = datamodel().role_sets[roles]
        for role in ROLES:
            session = await people.login(f"{role}-user")
            if role in listed or not is_checked:
                assert people.kit.xapi.authorise(session, action) == people.kit.world.find_ref(session)
            else:
                with pytest.raises(Failure) as refusal:
                    people.kit.xapi.authorise(session, action)
                assert refusal.value.details == denial(f"http/{action}", *listed)
        assert people.kit.xapi.authorise(people.kit.session, action) == people.kit.world.find_ref(people.kit.session)

    over_people(body)


def test_a_request_with_a_password_that_is_not_allowed_leaves_no_session_behind() -> None:
    async def body(people: People) -> None:
        before = people.kit.world.count("session")
        with pytest.raises(Failure):
            people.kit.xapi.authorise(("read-only-user", PASSWORD), "put_import")
        assert people.kit.world.count("session") == before

    over_people(body)


def test_a_session_lists_what_its_roles_allow_and_the_roles_among_it() -> None:
    async def body(people: People) -> None:
        session = await people.login("both")
        record = (await people.kit.call("session.get_record", session)).value()
        allowed = record["rbac_permissions"]
        assert {"vm-admin", "read-only", "vm.start", "http/put_import"} <= set(allowed)
        assert {"pool-admin", "pool.join", "vm.add_to_other_config/key:pci"} & set(allowed) == set()
        assert tuple(allowed) == permissions_of_roles("latest", frozenset({"vm-admin", "read-only"}))

    over_people(body)


@pytest.mark.parametrize("release", ["boston", "tampa", "clearwater"])
def test_the_old_releases_know_no_role_for_certificates(release: str) -> None:
    async def body(people: People) -> None:
        reader = await people.login("read-only-user")
        refusal = await people.kit.raw_refused("VM.clean_shutdown", reader, people.kit.make("VM"))
        assert refusal == denial("vm.clean_shutdown", "pool-admin", "pool-operator", "vm-power-admin", "vm-admin", "vm-operator")
        assert people.kit.world.named("role", "client-cert") == ()

    over_people(body, release)
