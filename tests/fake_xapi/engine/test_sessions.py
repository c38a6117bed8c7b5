"""Sessions: who may call, for how long, and how many."""

from __future__ import annotations

import asyncio

from fake_xapi.engine.settings import Settings
from fake_xapi.state.ids import Keys
from tests.fake_xapi.engine.kit import Kit, over_xapi

DAY_S = 24 * 3600.0


def test_a_wrong_password_is_refused_after_a_while() -> None:
    async def body(kit: Kit) -> None:
        began = asyncio.get_running_loop().time()
        refusal = await kit.raw_refused("session.login_with_password", "root", "wrong")
        assert refusal == ["SESSION_AUTHENTICATION_FAILED", "root", "Authentication failure"]
        assert asyncio.get_running_loop().time() - began == 5.0

    over_xapi(body, settings=Settings(login_delay_s=5.0))


def test_a_session_knows_who_and_where() -> None:
    async def body(kit: Kit) -> None:
        record = (await kit.call("session.get_record", kit.session)).value()
        assert (record["auth_user_name"], record["is_local_superuser"], record["pool"], record["originator"]) == ("root", True, False, "")
        assert record["this_host"] == kit.world.ref(kit.xapi.host)

    over_xapi(body)


def test_after_logout_a_session_is_none() -> None:
    async def body(kit: Kit) -> None:
        await kit.call("session.logout")
        assert await kit.refused("VM.get_all") == ["SESSION_INVALID", kit.session]

    over_xapi(body)


def test_an_idle_session_ends_after_a_day_and_a_busy_one_does_not() -> None:
    async def body(kit: Kit) -> None:
        idle = await kit.raw("session.login_with_password", "root", "xenroot")
        for _ in range(3):
            await asyncio.sleep(DAY_S / 2)
            await kit.call("VM.get_all")
        assert await kit.raw_refused("VM.get_all", idle) == ["SESSION_INVALID", idle]

    over_xapi(body)


def test_the_longest_unused_session_makes_room_for_the_newest() -> None:
    async def body(kit: Kit) -> None:
        sessions = []
        for _ in range(51):
            await asyncio.sleep(1)
            sessions.append(await kit.raw("session.login_with_password", "root", "xenroot", "1.0", "me"))
        assert await kit.raw_refused("VM.get_all", sessions[0]) == ["SESSION_INVALID", sessions[0]]
        assert await kit.raw("VM.get_all", sessions[1]) == []

    over_xapi(body, "clearwater")


def test_a_changed_password_is_the_one_that_counts_and_root_is_not_asked_for_the_old_one() -> None:
    async def body(kit: Kit) -> None:
        assert await kit.call("session.change_password", "forgotten", "new") == ""
        assert (await kit.raw_refused("session.login_with_password", "root", "xenroot"))[0] == "SESSION_AUTHENTICATION_FAILED"
        assert (await kit.raw("session.login_with_password", "root", "new")).startswith("OpaqueRef:")
        rejected = await kit.refused("session.change_password", "new", "")
        assert rejected == ["CHANGE_PASSWORD_REJECTED", "Authentication token manipulation error"]

    over_xapi(body)


def test_only_a_local_superuser_changes_the_password() -> None:
    async def body(kit: Kit) -> None:
        who = kit.make("session", auth_user_sid="S-1", rbac_permissions=("session.change_password",), validation_time=kit.xapi.now())
        refusal = await kit.raw_refused("session.change_password", who, "xenroot", "new")
        assert refusal == ["USER_IS_NOT_LOCAL_SUPERUSER", "Failed to change password for user root"]

    over_xapi(body)


def test_an_idle_session_is_gone_after_a_day_though_nobody_asks() -> None:
    async def body(kit: Kit) -> None:
        await asyncio.sleep(DAY_S + 2)
        assert kit.world.count("session") == 0

    over_xapi(body)


def test_the_pools_secret_opens_a_session_of_the_pool_that_may_call_what_hosts_call() -> None:
    async def body(kit: Kit) -> None:
        host, secret = kit.world.ref(kit.xapi.host), kit.xapi.sessions.pool_secret
        wrong = await kit.raw_refused("session.slave_login", host, "wrong")
        assert wrong == ["SESSION_AUTHENTICATION_FAILED", host, "Pool credentials invalid"]
        session = await kit.raw("session.slave_login", host, secret)
        record = (await kit.call("session.get_record", session)).value()
        assert (record["pool"], record["is_local_superuser"], record["this_host"]) == (True, True, host)
        vm = kit.make("VM")
        assert (await kit.raw_refused("VM.hard_reboot_internal", kit.session, vm))[1].startswith("Internal API")
        assert not (await kit.raw_refused("VM.hard_reboot_internal", session, vm))[1].startswith("Internal API")

    over_xapi(body)


def test_the_pools_secret_that_was_renewed_last_is_the_one_that_counts() -> None:
    async def body(kit: Kit) -> None:
        first = await kit.call("pool.initial_auth")
        await kit.call("pool.rotate_secret")
        second = await kit.call("pool.initial_auth")
        assert (first == second, second) == (False, kit.xapi.sessions.pool_secret)
        assert (await kit.raw_refused("session.slave_local_login", first))[:2] == ["SESSION_AUTHENTICATION_FAILED", "localhost"]
        assert (await kit.raw("session.slave_local_login", second)).startswith("OpaqueRef:")

    over_xapi(body)


def test_a_local_session_is_in_no_database_and_ends_with_local_logout() -> None:
    async def body(kit: Kit) -> None:
        local = await kit.raw("session.slave_local_login_with_password", "root", "xenroot")
        assert kit.world.count("session") == 1
        assert await kit.raw("VM.get_all", local) == []
        assert await kit.raw_refused("session.get_uuid", local, local) == ["HANDLE_INVALID", "session", local]
        task = await kit.raw("task.create", local, "mine", "")
        assert await kit.raw("task.cancel", local, task) == ""
        await kit.call("session.local_logout")
        assert await kit.call("VM.get_all") == []
        await kit.raw("session.local_logout", local)
        assert await kit.raw_refused("VM.get_all", local) == ["SESSION_INVALID", local]

    over_xapi(body)


def test_sessions_of_the_pool_have_a_cap_of_their_own() -> None:
    async def body(kit: Kit) -> None:
        for _ in range(401):
            await asyncio.sleep(1)
            await kit.raw("session.slave_login", kit.world.ref(kit.xapi.host), kit.xapi.sessions.pool_secret)
        rows = [row for _, row in kit.world.rows("session")]
        assert (sum(row["pool"] for row in rows), len(rows)) == (400, 401)

    over_xapi(body)


def test_nobody_gets_in_with_a_neighbours_an_ended_or_a_computed_session() -> None:
    async def body(kit: Kit) -> None:
        kit.world.guard(b"a secret of this process")
        own = await kit.raw("session.login_with_password", "root", "xenroot")
        ended = await kit.raw("session.login_with_password", "root", "xenroot")
        await kit.raw("session.logout", ended)
        identity, uuid = kit.world.find_ref(own), await kit.raw("session.get_uuid", own, own)
        computed = [Keys("7").ref(identity), Keys("7", b"another secret").ref(identity), f"OpaqueRef:{uuid}", uuid, f"OpaqueRef:{own}"]
        objects = [kit.world.ref(kit.xapi.host), kit.make("task"), kit.make("VM"), "OpaqueRef:NULL", "", own.upper(), own[:-1], own + " "]
        for guess in (ended, *computed, *objects):
            assert await kit.raw_refused("VM.get_all", guess) == ["SESSION_INVALID", guess]
        assert await kit.raw("SR.get_all", own) == []

    over_xapi(body)


def test_a_guarded_world_has_another_pool_secret_than_its_seed_tells() -> None:
    async def body(kit: Kit) -> None:
        told_by_seed = kit.xapi.sessions.pool_secret
        kit.world.guard(b"a secret of this process")
        assert kit.xapi.sessions.pool_secret != told_by_seed

    over_xapi(body)


def test_the_password_is_in_no_repr() -> None:
    assert "xenroot" not in repr(Settings())
