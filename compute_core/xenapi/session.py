"""A session on one XenAPI pool: login, login again, the way to the master, time limits, and how often what was called.

Retries only what is safe to repeat: reads and setters whose answer was lost, and any call that was refused for want of a valid
session. May not know of recipes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

from compute_core.xenapi import redirects
from compute_core.xenapi.errors import ReplyLost, Unanswered, XenApiFailure
from compute_core.xenapi.integers import normalised
from compute_core.xenapi.transport import Dial, Transport, closing

LOGIN = "session.login_with_password"
API_VERSION = "1.10"
ORIGINATOR = "inova"

LONG_CALLS = frozenset(
    {
        "VM.start",
        "VM.start_on",
        "VM.clean_reboot",
        "VM.clean_shutdown",
        "VM.hard_reboot",
        "VM.hard_shutdown",
        "VM.suspend",
        "VM.resume",
        "VM.pause",
        "VM.unpause",
        "VDI.clone",
        "VDI.snapshot",
        "VM.assert_can_migrate",
        "VM.resume_on",
        "VDI.destroy",
        "SR.scan",
        "host.call_plugin",
        "host.power_on",
        "pool.join",
        "pool.eject",
    }
)
"""Calls that may wait for guests, disks, or for other operations on the same object."""


MOVING_CALLS = frozenset({"VDI.copy", "VM.migrate_send", "VM.pool_migrate"})
MOVING_PLUGINS = frozenset({"image_download", "image_upload", "transfer_send"})
"""Calls, and functions of our plugin in dom0, that move disks or memory, and may take hours; a dead peer is noticed by its connection."""


class XenApi(Protocol):
    """What recipes need of a session."""

    async def call(self, method: str, *params: Any) -> Any:
        """One call; the session is added, integers come as int. Raises XenApiFailure, NotSent, ReplyLost."""

    async def call_with_account(self, method: str, *params: Any) -> Any:
        """As ``call``, with user and password after the parameters: nobody else is to see them."""

    async def put_vdi(self, vdi: str, chunks: AsyncIterator[bytes], length: int, *, task: str = "") -> None:
        """Fill a VDI from a VHD of ``length`` bytes. Raises TransferFailed, NotSent, XenApiFailure; ``task`` tells the outcome."""

    def get_vdi(self, vdi: str, *, base: str = "") -> AsyncIterator[bytes]:
        """A VDI with all that its chain holds, as one VHD; with ``base``, the uuid of another VDI, what has changed since that one.

        Raises TransferFailed, NotSent, XenApiFailure.
        """

    async def get_text(self, url: str, path: str, query: Mapping[str, str]) -> str:
        """What a handler of the host at ``url`` says. Raises TransferFailed, NotSent, XenApiFailure."""

    @property
    def url(self) -> str:
        """Where the calls go."""

    async def ref(self) -> str:
        """The session's own ref, for whoever is to send something here."""

    def elsewhere(self, url: str, ref: str) -> Elsewhere:
        """The way to another pool, by a session that is valid there."""


class Elsewhere(Protocol):
    """Another pool, which has let us in to bring something. To be closed."""

    async def put_vdi(self, vdi: str, chunks: AsyncIterator[bytes], length: int, *, task: str = "") -> None:
        """See XenApi."""

    async def close(self) -> None:
        """Drop the connections; the session is its owner's."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who logs in where. ``url`` may be any member's of a pool."""

    url: str
    user: str
    password: str


@dataclass(frozen=True, slots=True)
class Limits:
    """How long an answer may take: of a read or a change of the database, of LONG_CALLS, and of what moves disks."""

    call_s: float = 60.0
    long_call_s: float = 1500.0
    moving_s: float = 22_000.0
    logout_s: float = 3.0

    def of(self, method: str, params: tuple[Any, ...]) -> float:
        """The limit of one call; ``event.from`` says itself how long it waits."""
        if method == "event.from":
            return float(params[-1]) + self.call_s
        if method in MOVING_CALLS or (method == "host.call_plugin" and params[2] in MOVING_PLUGINS):
            return self.moving_s
        return self.long_call_s if method in LONG_CALLS else self.call_s


Note = Callable[[str], None]
"""Told of each request that goes on the wire, by its name."""


def _unnoted(_: str) -> None: ...


def is_repeatable(method: str) -> bool:
    """Whether a second time changes nothing more: reads, setters that say the whole value, removals of a key."""
    name = method.partition(".")[2]
    return name.startswith(("get_", "set_", "remove_from_")) or name == "from"


class Login:
    """A valid session on the pool's master. One caller at a time logs in; who finds it invalid meanwhile waits and uses the new one."""

    __slots__ = ("_lock", "account", "dial", "member", "ref", "transport", "url")

    def __init__(self, account: Account, dial: Dial) -> None:
        self.url = account.url
        self.ref = ""
        self.transport: Transport = dial(account.url)
        self.member = self.transport
        """The way to the account's own host, which is where its disks are, whoever is the master."""
        self.account = account
        self.dial = dial
        self._lock = asyncio.Lock()

    async def renew(self, stale: str, note: Note) -> str:
        """A session other than ``stale``: another caller's, or a new one, at the master when the host says that it is a slave."""
        async with self._lock:
            if self.ref == stale:
                try:
                    self.ref = await self._log_in_here(note)
                except XenApiFailure as failure:
                    if failure.code != "HOST_IS_SLAVE":
                        raise
                    await self._move_to(failure.params[0])
                    self.ref = await self._log_in_here(note)
            return self.ref

    async def _log_in_here(self, note: Note) -> str:
        """Releases before clearwater know no originator."""
        account = [self.account.user, self.account.password]
        note(LOGIN)
        try:
            return str(await self.transport.call(LOGIN, [*account, API_VERSION, ORIGINATOR]))
        except XenApiFailure as failure:
            if failure.code != "MESSAGE_PARAMETER_COUNT_MISMATCH":
                raise
        note(LOGIN)
        return str(await self.transport.call(LOGIN, account))

    async def _move_to(self, master: str) -> None:
        """The master listens where its slaves do: same scheme, same port."""
        parts = urlsplit(self.account.url)
        host = f"[{master}]" if ":" in master else master
        self.url = urlunsplit(parts._replace(netloc=f"{host}:{parts.port}" if parts.port else host))
        if self.transport is not self.member:
            await self.transport.close()
        self.transport = self.dial(self.url)

    async def close(self) -> None:
        """Drop the connections."""
        await self.transport.close()
        if self.transport is not self.member:
            await self.member.close()

    @property
    def member_url(self) -> str:
        """Of the account's own host."""
        return self.account.url

    async def go_home(self) -> None:
        """Begin anew at the account's own URL: the host may be in another pool than it was."""
        self.ref, self.url = "", self.account.url
        if self.transport is not self.member:
            await self.transport.close()
        self.transport = self.member


class Guest:
    """The ``Elsewhere`` of a pool's URL and somebody's session there."""

    __slots__ = ("_dial", "_note", "_ref", "_transport", "_url")

    def __init__(self, dial: Dial, url: str, ref: str, note: Note) -> None:
        self._dial = dial
        self._url = url
        self._transport = dial(url)
        self._ref = ref
        self._note = note

    async def put_vdi(self, vdi: str, chunks: AsyncIterator[bytes], length: int, *, task: str = "") -> None:
        """See XenApi."""
        self._note("PUT /import_raw_vdi")
        query = _import_query(self._ref, vdi, task)
        await redirects.put(self._transport, self._dial, self._url, "/import_raw_vdi", query, chunks, length)

    async def close(self) -> None:
        """See Elsewhere."""
        await self._transport.close()


def _import_query(ref: str, vdi: str, task: str) -> dict[str, str]:
    return {"session_id": ref, "vdi": vdi, "format": "vhd"} | ({"task_id": task} if task else {})


class Session:
    """The ``XenApi`` of one pool; logs in at its first call."""

    __slots__ = ("_limits", "_login", "_note")

    def __init__(self, login: Login, limits: Limits = Limits(), note: Note = _unnoted) -> None:
        self._login = login
        self._limits = limits
        self._note = note

    def noted(self, note: Note) -> Session:
        """The same session, seen by one operation: ``note`` learns of each request that it causes."""
        return Session(self._login, self._limits, note)

    @property
    def url(self) -> str:
        """Where the calls go: the account's URL, or the master's."""
        return self._login.url

    async def ref(self) -> str:
        """The session's own ref, for calls that take it as an argument."""
        return self._login.ref or await self._renew("")

    async def call(self, method: str, *params: Any) -> Any:
        """See XenApi."""
        ref = await self.ref()
        try:
            return await self._request(method, ref, params)
        except XenApiFailure as failure:
            if failure.code not in {"SESSION_INVALID", "HOST_IS_SLAVE"}:
                raise
        return await self._request(method, await self._renew(ref), params)

    async def call_with_account(self, method: str, *params: Any) -> Any:
        """See XenApi."""
        account = self._login.account
        return await self.call(method, *params, account.user, account.password)

    async def put_vdi(self, vdi: str, chunks: AsyncIterator[bytes], length: int, *, task: str = "") -> None:
        """See XenApi."""
        self._note("PUT /import_raw_vdi")
        login, query = self._login, _import_query(await self.ref(), vdi, task)
        await redirects.put(login.member, login.dial, login.member_url, "/import_raw_vdi", query, chunks, length)

    def elsewhere(self, url: str, ref: str) -> Elsewhere:
        """See XenApi."""
        return Guest(self._login.dial, url, ref, self._note)

    async def get_vdi(self, vdi: str, *, base: str = "") -> AsyncIterator[bytes]:
        """See XenApi."""
        query = {"session_id": await self.ref(), "vdi": vdi, "format": "vhd"} | ({"base": base} if base else {})
        self._note("GET /export_raw_vdi")
        login = self._login
        async with closing(redirects.get(login.member, login.dial, login.member_url, "/export_raw_vdi", query)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def get_text(self, url: str, path: str, query: Mapping[str, str]) -> str:
        """See XenApi."""
        self._note(f"GET {path}")
        is_here = url == self._login.url
        transport = self._login.transport if is_here else self._login.dial(url)
        try:
            asked = {"session_id": await self.ref(), **query}
            async with closing(redirects.get(transport, self._login.dial, url, path, asked)) as chunks:
                return b"".join([chunk async for chunk in chunks]).decode(errors="replace")
        finally:
            if not is_here:
                await transport.close()

    async def go_home(self) -> None:
        """Forget the pool that was talked to: the next call logs in where the account says."""
        await self._login.go_home()

    async def close(self) -> None:
        """Log out, when the server still answers, and drop the connections."""
        ref, self._login.ref = self._login.ref, ""
        try:
            if ref:
                async with asyncio.timeout(self._limits.logout_s):
                    await self._login.transport.call("session.logout", [ref])
        except (XenApiFailure, Unanswered, TimeoutError):
            pass  # The server forgets idle sessions by itself.
        finally:
            await self._login.close()

    async def _request(self, method: str, ref: str, params: tuple[Any, ...]) -> Any:
        """The answer; what may be repeated is asked once more when the answer is lost."""
        try:
            return await self._request_once(method, ref, params)
        except ReplyLost:
            if not is_repeatable(method):
                raise
        return await self._request_once(method, ref, params)

    async def _request_once(self, method: str, ref: str, params: tuple[Any, ...]) -> Any:
        self._note(method)
        async with self._limited(method, self._limits.of(method, params)):
            return normalised(method, await self._login.transport.call(method, [ref, *params]))

    async def _renew(self, stale: str) -> str:
        async with self._limited(LOGIN, self._limits.call_s):
            return await self._login.renew(stale, self._note)

    @contextlib.asynccontextmanager
    async def _limited(self, method: str, limit_s: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(limit_s):
                yield
        except TimeoutError as late:
            raise ReplyLost(method, f"no answer from {self.url} within {limit_s:g} s") from late
