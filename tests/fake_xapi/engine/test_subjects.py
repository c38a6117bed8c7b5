"""Subjects, what the directory tells of them, roles, and the audit log of what they do."""

from __future__ import annotations

import asyncio

import pytest

from fake_xapi.engine.settings import Settings
from tests.fake_xapi.engine.kit import Kit, over_xapi
from tests.fake_xapi.engine.people import PASSWORD, People, directory, over_people

# ---- subjects -------------------------------------------------------------------------------------------------------------------


def test_a_subject_is_as_the_directory_knows_it() -> None:
    async def body(people: People) -> None:
        kit, sid = people.kit, people.directory.find("stranger")
        record = {"subject_identifier": sid, "other_config": {"subject-name": "somebody else"}}
        subject = await kit.call("subject.create", record)
        known = (await kit.call("subject.get_record", subject)).value()
        assert (known["other_config"]["subject-name"], known["roles"]) == ("EXAMPLE\\stranger", [])
        assert await kit.refused("subject.create", record) == ["SUBJECT_ALREADY_EXISTS"]
        unknown = await kit.refused("subject.create", {"subject_identifier": "S-1-0", "other_config": {}})
        assert unknown == ["SUBJECT_CANNOT_BE_RESOLVED"]

    over_people(body)


def test_roles_of_a_subject_come_and_go() -> None:
    async def body(people: People) -> None:
        kit = people.kit
        subject, admin, reader = await people.let_in("stranger"), people.role("vm-admin"), people.role("read-only")
        assert await kit.call("subject.get_permissions_name_label", subject) == []
        await kit.call("subject.add_to_roles", subject, admin)
        assert await kit.refused("subject.add_to_roles", subject, admin) == ["ROLE_ALREADY_EXISTS"]
        assert await kit.refused("subject.add_to_roles", subject, "OpaqueRef:NULL") == ["ROLE_NOT_FOUND"]
        assert await kit.refused("subject.remove_from_roles", subject, reader) == ["ROLE_NOT_FOUND"]
        allowed = await kit.call("subject.get_permissions_name_label", subject)
        assert allowed == await kit.call("role.get_permissions_name_label", admin)
        await kit.call("subject.remove_from_roles", subject, admin)
        assert await kit.call("subject.get_roles", subject) == []

    over_people(body)


@pytest.mark.parametrize(("key", "feature"), [("restrict_rbac", "RBAC"), ("restrict_ad", "AD")])
def test_a_licence_may_hold_roles_and_subjects_back(key: str, feature: str) -> None:
    async def body(people: People) -> None:
        kit, subject = people.kit, await people.let_in("stranger")
        with kit.world.edit() as edit:
            edit.set(next(kit.world.ids("pool")), restrictions={key: "true"})
        if feature == "AD":
            record = {"subject_identifier": people.directory.find("nested"), "other_config": {}}
            assert await kit.refused("subject.create", record) == ["LICENCE_RESTRICTION", "AD"]
            return
        for call in ("subject.add_to_roles", "subject.remove_from_roles"):
            assert await kit.refused(call, subject, people.role("vm-admin")) == ["LICENCE_RESTRICTION", "RBAC"]
        made = await people.let_in("nested")
        assert await kit.call("subject.get_roles", made) == [people.role("pool-admin")]

    over_people(body)


# ---- what the directory tells -----------------------------------------------------------------------------------------------------


def test_the_directory_is_asked_through_xenapi() -> None:
    async def body(people: People) -> None:
        kit, reader, find = people.kit, await people.login("read-only-user"), people.directory.find
        sid = await kit.raw("auth.get_subject_identifier", reader, "EXAMPLE\\nested")
        told = await kit.raw("auth.get_subject_information_from_identifier", reader, sid)
        groups = await kit.raw("auth.get_group_membership", reader, sid)
        assert (sid, told["subject-name"], groups) == (find("nested"), "EXAMPLE\\nested", [find("inner"), find("outer")])
        for call, unknown in (
            ("auth.get_subject_identifier", "nobody"),
            ("auth.get_subject_information_from_identifier", "S-1-0"),
            ("auth.get_group_membership", "S-1-0"),
        ):
            assert await kit.refused(call, unknown) == ["SUBJECT_CANNOT_BE_RESOLVED"]

    over_people(body)


@pytest.mark.parametrize(
    "call", ["auth.get_subject_identifier", "auth.get_subject_information_from_identifier", "auth.get_group_membership"]
)
def test_without_external_authentication_there_is_nobody_to_ask(call: str) -> None:
    async def body(kit: Kit) -> None:
        assert await kit.refused(call, "x") == ["AUTH_IS_DISABLED"]
        record = {"subject_identifier": "S-1", "other_config": {}}
        assert await kit.refused("subject.create", record) == ["AUTH_IS_DISABLED"]

    over_xapi(body, settings=Settings(directory=directory()))


# ---- roles ------------------------------------------------------------------------------------------------------------------------


def test_roles_tell_their_permissions_and_permissions_their_roles() -> None:
    async def body(people: People) -> None:
        kit, operator = people.kit, people.role("pool-operator")
        names = await kit.call("role.get_permissions_name_label", operator)
        permissions = await kit.call("role.get_permissions", operator)
        assert len(permissions) == len(names) > 1000
        assert sorted([await kit.call("role.get_name_label", one) for one in permissions]) == names
        owners = await kit.call("role.get_by_permission_name_label", "task.destroy/any")
        assert owners == [people.role("pool-admin"), operator]
        assert await kit.call("role.get_by_permission", people.role("task.destroy/any")) == owners
        assert await kit.call("role.get_permissions", people.role("task.destroy/any")) == [people.role("task.destroy/any")]
        assert await kit.call("role.get_by_permission_name_label", "no such permission") == []

    over_people(body)


# ---- the audit log ----------------------------------------------------------------------------------------------------------------


def test_the_audit_log_tells_users_apart_and_what_they_were_denied() -> None:
    async def body(people: People) -> None:
        kit, sid = people.kit, people.directory.find("read-only-user")
        session = await people.login("read-only-user")
        vm = kit.make("VM", name_label="web")
        await kit.raw_refused("VM.destroy", session, vm)
        await kit.refused("VM.destroy", "OpaqueRef:dead")
        await kit.call("VM.destroy", vm)
        await kit.raw("session.logout", session)
        lines = [line.split("] ")[1] for line in kit.xapi.audit_lines("") if sid in line or "VM.destroy" in line]
        about = f"(('self' 'web' '{kit.world.uuid(kit.world.find_ref(vm))}' '{vm}'))"
        dead = "(('self' '' '' 'OpaqueRef:dead'))"
        user = f"'{sid}' 'EXAMPLE\\\\read-only-user'"
        assert [line.partition(" ")[2] for line in lines[-5:]] == [
            f"{user} 'ALLOWED' 'OK' 'API' 'session.create' (('uname' 'EXAMPLE\\\\read-only-user' '' '') ('originator' '' '' '')))",
            f"{user} 'DENIED' '' 'API' 'VM.destroy' {about})",
            f"'LOCAL_SUPERUSER' 'root' 'ALLOWED' 'ERROR:HANDLE_INVALID: [ VM; OpaqueRef:dead ]' 'API' 'VM.destroy' {dead})",
            f"'LOCAL_SUPERUSER' 'root' 'ALLOWED' 'OK' 'API' 'VM.destroy' {about})",
            f"{user} 'ALLOWED' 'OK' 'API' 'session.destroy' ())",
        ]
        assert not any(PASSWORD in line or session in line for line in kit.xapi.audit_lines(""))

    over_people(body)


def test_hosts_of_the_pool_hand_their_lines_to_the_master() -> None:
    async def body(kit: Kit) -> None:
        session = await kit.raw("session.slave_login", kit.world.ref(kit.xapi.host), kit.xapi.sessions.pool_secret)
        line = "[20120801T00:00:00.000Z|info|other|0|audit] ('trackid=x' 'LOCAL_SUPERUSER' 'root' 'ALLOWED' 'OK' 'API' 'VM.start' ())"
        await kit.raw("pool.audit_log_append", session, f"{line}\nforged")
        assert list(kit.xapi.audit_lines("")) == [f"{line} forged"]
        assert list(kit.xapi.audit_lines("20120801T00:00:01")) == []
        assert (await kit.refused("pool.audit_log_append", line))[0] == "INTERNAL_ERROR"

    over_xapi(body)


def test_an_asynchronous_call_has_its_line_when_it_has_ended() -> None:
    async def body(people: People) -> None:
        kit, session = people.kit, await people.login("read-only-user")
        await kit.raw("Async.VM.destroy", session, kit.make("VM", name_label="web"))
        await asyncio.sleep(1)
        assert [line.count("'DENIED'") for line in kit.xapi.audit_lines("") if "VM.destroy" in line] == [1]

    over_people(body)
