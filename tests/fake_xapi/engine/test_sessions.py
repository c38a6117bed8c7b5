"""Sessions: who may call, for how long, and how many."""

from __future__ import annotations

import asyncio

from fake_xapi.engine.settings import Settings
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


def test_a_changed_password_is_the_one_that_counts() -> None:
    async def body(kit: Kit) -> None:
        assert (await kit.refused("session.change_password", "wrong", "new"))[0] == "CHANGE_PASSWORD_REJECTED"
        await kit.call("session.change_password", "xenroot", "new")
        assert (await kit.raw_refused("session.login_with_password", "root", "xenroot"))[0] == "SESSION_AUTHENTICATION_FAILED"
        assert (await kit.raw("session.login_with_password", "root", "new")).startswith("OpaqueRef:")

    over_xapi(body)


def test_the_password_is_in_no_repr() -> None:
    assert "xenroot" not in repr(Settings())
