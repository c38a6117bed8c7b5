"""The session: login, renewal, and the way to the master."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from compute_core.xenapi.errors import ReplyLost, XenApiFailure
from compute_core.xenapi.http import HttpTransport
from compute_core.xenapi.session import Account, Limits, Login, Session, is_repeatable
from tests.compute_core.xenapi.wire import Handler, Request, Server, refusal, result, served

Answer = Callable[[str, list[Any]], bytes | None]


def by(answer: Answer) -> Callable[[Server], Handler]:
    """A XenAPI whose answers are computed from method and parameters; None closes the connection without one."""

    def make(server: Server) -> Handler:
        async def handle(request: Request, writer: asyncio.StreamWriter) -> None:
            call = orjson.loads(await request.body())
            server.seen.append((call["method"], call["params"]))
            page = answer(call["method"], call["params"])
            if page is None:
                writer.transport.abort()
            else:
                writer.write(page)

        return handle

    return make


def session_on(server: Server, **limits: float) -> Session:
    return Session(Login(server.account(), HttpTransport), Limits(**limits))


def test_the_first_call_logs_in_and_close_logs_out() -> None:
    async def run() -> list[Any]:
        async with served(by(lambda method, _: result("OpaqueRef:s" if "login" in method else "Running"))) as server:
            session = session_on(server)
            assert await session.call("VM.get_power_state", "OpaqueRef:v") == "Running"
            await session.close()
            return server.seen

    assert asyncio.run(run()) == [
        ("session.login_with_password", ["root", "xenroot", "1.10", "inova"]),
        ("VM.get_power_state", ["OpaqueRef:s", "OpaqueRef:v"]),
        ("session.logout", ["OpaqueRef:s"]),
    ]


def test_an_invalid_session_is_renewed_once_for_all_who_find_it_invalid() -> None:
    def make(server: Server) -> Handler:
        sessions = iter(["OpaqueRef:old", "OpaqueRef:new"])

        def answer(method: str, params: list[Any]) -> bytes:
            if "login" in method:
                return result(next(sessions))
            return refusal("SESSION_INVALID", params[0]) if params[0] == "OpaqueRef:old" else result("ok")

        return by(answer)(server)

    async def run() -> tuple[list[Any], int]:
        async with served(make) as server:
            session = session_on(server)
            answers = await asyncio.gather(*(session.call("VM.start", "OpaqueRef:v") for _ in range(3)))
            await session.close()
            return answers, sum(method == "session.login_with_password" for method, _ in server.seen)

    assert asyncio.run(run()) == (["ok"] * 3, 2)


def test_a_session_that_stays_invalid_is_an_error_after_one_renewal() -> None:
    def answer(method: str, params: list[Any]) -> bytes:
        return result("OpaqueRef:s") if "login" in method else refusal("SESSION_INVALID", params[0])

    async def run() -> int:
        async with served(by(answer)) as server:
            session = session_on(server)
            with pytest.raises(XenApiFailure, match="SESSION_INVALID"):
                await session.call("VM.start", "OpaqueRef:v")
            await session.close()
            return sum(method == "VM.start" for method, _ in server.seen)

    assert asyncio.run(run()) == 2


def test_a_slave_sends_the_session_to_its_master() -> None:
    async def run() -> tuple[Any, str]:
        port = 0

        def dial(url: str) -> HttpTransport:
            return HttpTransport(url.replace("http://master.example:", "http://127.0.0.1:"))

        def make(server: Server) -> Handler:
            logins = iter([refusal("HOST_IS_SLAVE", "master.example"), result("OpaqueRef:s")])
            return by(lambda method, _: next(logins) if "login" in method else result("x"))(server)

        async with served(make) as server:
            port = int(server.url.rpartition(":")[2])
            session = Session(Login(server.account(), dial))
            answer = await session.call("pool.get_all")
            await session.close()
            return answer, session.url.replace(str(port), "PORT")

    assert asyncio.run(run()) == ("x", "http://master.example:PORT")


@pytest.mark.parametrize(
    ("method", "sent"), [("VM.get_record", 2), ("event.from", 2), ("VDI.set_name_label", 2), ("VM.start", 1), ("VDI.create", 1)]
)
def test_only_what_may_be_repeated_is_when_its_answer_is_lost(method: str, sent: int) -> None:
    async def run() -> int:
        async with served(by(lambda name, _: result("OpaqueRef:s") if "login" in name else None)) as server:
            session = session_on(server)
            with pytest.raises(ReplyLost):
                await session.call(method, 1.0)
            await session.close()
            return sum(name == method for name, _ in server.seen)

    assert asyncio.run(run()) == sent


def test_an_answer_that_does_not_come_in_time_is_lost() -> None:
    def make(_: Server) -> Handler:
        async def handle(request: Request, writer: asyncio.StreamWriter) -> None:
            if b"login" in await request.body():
                writer.write(result("OpaqueRef:s"))

        return handle

    async def run() -> None:
        async with served(make) as server:
            session = session_on(server, call_s=0.05, logout_s=0.05)
            with pytest.raises(ReplyLost, match=r"VM\.create: no answer from http://127\.0\.0\.1:\d+ within 0\.05 s"):
                await session.call("VM.create", {})
            await session.close()

    asyncio.run(run())


def test_each_operation_counts_its_own_requests() -> None:
    spawn: list[str] = []
    destroy: list[str] = []

    async def run() -> None:
        async with served(by(lambda method, _: result("OpaqueRef:s"))) as server:
            session = session_on(server)
            await session.noted(spawn.append).call("VM.create", {})
            await session.noted(destroy.append).call("VM.destroy", "OpaqueRef:v")
            await session.close()

    asyncio.run(run())
    assert spawn == ["session.login_with_password", "VM.create"]
    assert destroy == ["VM.destroy"]


def test_a_long_call_and_a_poll_may_take_their_time() -> None:
    limits = Limits(call_s=1.0, long_call_s=100.0)

    moving = Limits(moving_s=9.0, long_call_s=7.0)
    assert [moving.of("host.call_plugin", ("h", "inova", name, {})) for name in ("image_download", "version")] == [9.0, 7.0]
    assert [moving.of(name, ()) for name in ("VM.migrate_send", "VM.pool_migrate", "VDI.copy", "VDI.clone")] == [9.0, 9.0, 9.0, 7.0]
    assert [limits.of("VM.create", ()), limits.of("VM.start", ()), limits.of("event.from", (["vm"], "", 30.0))] == [1.0, 100.0, 31.0]


def test_closing_without_a_server_is_quiet() -> None:
    async def run() -> None:
        session = Session(Login(Account("http://127.0.0.1:1", "root", "x"), HttpTransport))
        await session.close()

    asyncio.run(run())


def test_what_may_be_repeated_is_told_by_name() -> None:
    names = ("VM.get_all", "event.from", "VM.set_name_label", "VM.remove_from_other_config", "VM.start", "VM.add_to_other_config")

    assert [is_repeatable(name) for name in names] == [True, True, True, True, False, False]
