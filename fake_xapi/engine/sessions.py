"""Sessions: who is logged in. A session is an object of the world; its ref is the caller's secret.

Local sessions, which a host opens without its pool, are in no database: no object has their ids.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fake_xapi.datamodel.failure import Failure
from fake_xapi.engine.audit import note, track_id
from fake_xapi.engine.rbac import as_set
from fake_xapi.engine.revalidation import is_still_welcome
from fake_xapi.state.ids import NULL, Id, class_numbers, make_id, ordinal_of
from fake_xapi.state.row import Row
from fake_xapi.verbs.hosts import dom0_files
from fake_xapi.verbs.pools.pool_settings import POOL_SECRET

if TYPE_CHECKING:
    from fake_xapi.engine.xapi import Xapi

IDLE_S = 24 * 3600.0
LAST_ACTIVE_EVERY_S = 600.0
REVALIDATED_EVERY_S = (30 * 60.0, 40 * 60.0)
"""How long a session of a directory's user lasts before the directory is asked again."""
CAPS: Mapping[str, int] = {"originator": 500, "user": 500, "root": 400, "pool": 400}
"""How many sessions an originator, a named user, root, and the pool's hosts may have at once; the oldest is closed first."""
OLD_CAPS: Mapping[str, Mapping[str, int]] = {
    "boston": {"originator": 400, "user": 400, "root": 400, "pool": 400},
    "tampa": {"originator": 400, "user": 400, "root": 400, "pool": 400},
    "clearwater": {"originator": 50, "user": 50, "root": 400, "pool": 400},
}
_LOCAL = 1 << 40
"""Ordinals from here on are local sessions': 16 bits for the host, 24 for the session."""


@dataclass(slots=True)
class Session:
    """A live session. ``may`` is what its roles allow, None for a superuser; ``who`` is its name in logs; times are the loop's.

    ``group`` is counted against a cap, ``seen_s`` is the time of its last call, ``due_s`` the time at which it next needs attention.
    """

    identity: Id
    group: tuple[str, str]
    may: frozenset[str] | None
    who: tuple[str, str, str]
    is_pool: bool
    seen_s: float
    due_s: float
    written_s: float
    revalidated_s: float


NOBODY = Session(NULL, ("", ""), None, ("", "", ""), False, 0.0, 0.0, 0.0, 0.0)
"""The caller of a message that needs no session."""


class Sessions:
    """The live sessions of one XAPI by their refs."""

    __slots__ = ("_by_ref", "_locals", "_timer", "_xapi")

    def __init__(self, xapi: Xapi) -> None:
        self._xapi = xapi
        self._by_ref: dict[str, Session] = {}
        self._locals = 0
        self._timer: asyncio.TimerHandle | None = None

    def caller(self, ref: str) -> Session:
        """The session of a ref; SESSION_INVALID [ref] when there is none, it has been idle for a day, or its user is no longer admitted."""
        session = self._by_ref.get(ref)
        if session is None:
            session = self._restored(ref)
        now_s = asyncio.get_running_loop().time()
        if now_s - session.seen_s > IDLE_S:
            self.end(session.identity)
            raise Failure("SESSION_INVALID", ref)
        session.seen_s = now_s
        if now_s >= session.due_s:
            self._attend(session, ref, now_s)
        return session

    def find(self, ref: str) -> Id:
        """Like ``caller``, for those who need only its id."""
        return self.caller(ref).identity

    def is_live(self, identity: Id) -> bool:
        """Whether a session has not ended."""
        return self._xapi.world.get(identity) is not None or self._xapi.world.ref(identity) in self._by_ref

    def begin(self, user: str, originator: str, **fields: Any) -> Id:
        """Open a session, a local superuser's unless the fields say otherwise."""
        world, now = self._xapi.world, self._xapi.now()
        given = {"this_host": self._xapi.host, "is_local_superuser": True, **fields}
        with world.edit() as edit:
            identity = edit.create(
                "session", last_active=now, validation_time=now, auth_user_name=user, originator=originator, **given
            )  # fmt: skip
        session = self._known(identity, world[identity])
        if session.may is not None:
            note(self._xapi, session.who, "session.create", (("uname", user, ""), ("originator", originator, "")))
        self._keep_to_cap(session.group)
        return identity

    def begin_local(self, *, is_pool: bool) -> Id:
        """Open a session on this host alone."""
        self._locals += 1
        host = ordinal_of(self._xapi.host) & 0xFFFF
        identity = make_id(class_numbers()["session"], _LOCAL | host << 24 | self._locals & 0xFFFFFF)
        self._remember(identity, ("local", ""), None, ("LOCAL_SESSION", ""), is_pool=is_pool)
        return identity

    def end(self, identity: Id) -> None:
        """Close a session; calls that wait for events on it are refused."""
        session = self._by_ref.pop(self._xapi.world.ref(identity), None)
        if session is not None and session.may is not None:
            note(self._xapi, session.who, "session.destroy", ())
        if self._xapi.world.get(identity) is not None:
            with self._xapi.world.edit() as edit:
                edit.destroy(identity)
        self._xapi.events.forget_session(identity)

    def end_local(self, identity: Id) -> None:
        """Close a local session; others stay."""
        if ordinal_of(identity) >= _LOCAL:
            self.end(identity)

    def end_unwelcome(self) -> None:
        """End the sessions of users that the directory no longer admits."""
        for identity, row in list(self._xapi.world.rows("session")):
            if not row["is_local_superuser"] and not is_still_welcome(self._xapi, row):
                self.end(identity)

    def check_password(self, user: str, password: str) -> bool:
        """Whether these are the credentials of this host."""
        settings = self._xapi.settings
        expected = f"{settings.user}\0{settings.password}".encode()
        return hmac.compare_digest(expected, f"{user}\0{password}".encode())

    @property
    def pool_secret(self) -> str:
        """The secret with which the hosts of a pool prove their membership."""
        world = self._xapi.world
        told = dom0_files.read(world, POOL_SECRET, self._xapi.host) or dom0_files.read(world, POOL_SECRET)
        return told or "".join(world.keyed_text(f"pool secret, {half}") for half in "ab")

    def close(self) -> None:
        """Stop the timer for expiry."""
        if self._timer is not None:
            self._timer.cancel()

    def _attend(self, session: Session, ref: str, now_s: float) -> None:
        """Record when a session was last active, and ask the directory again about its user."""
        if session.may is not None and now_s >= session.revalidated_s:
            if not is_still_welcome(self._xapi, self._xapi.world[session.identity]):
                self.end(session.identity)
                raise Failure("SESSION_INVALID", ref)
            session.revalidated_s = now_s + self._until_revalidation_s()
            self._write(session, validation_time=self._xapi.now())
        if now_s - session.written_s >= LAST_ACTIVE_EVERY_S:
            session.written_s = now_s
            self._write(session, last_active=self._xapi.now())
        session.due_s = _due_s(session)

    def _until_revalidation_s(self) -> float:
        return self._xapi.chance.stream("revalidation").uniform(*REVALIDATED_EVERY_S)

    def _write(self, session: Session, **fields: Any) -> None:
        if self._xapi.world.get(session.identity) is not None:
            with self._xapi.world.edit() as edit:
                edit.set(session.identity, **fields)

    def _restored(self, ref: str) -> Session:
        """A session that is in the world but was opened elsewhere."""
        identity = self._xapi.world.find_ref(ref)
        row = self._xapi.world.get(identity)
        if row is None or row.cls != "session":
            raise Failure("SESSION_INVALID", ref)
        return self._known(identity, row)

    def _known(self, identity: Id, row: Row) -> Session:
        """A session of the database."""
        user, is_superuser = row["auth_user_name"], row["is_local_superuser"]
        return self._remember(
            identity,
            ("pool", "") if row["pool"] else _group(user, row["originator"]),
            None if is_superuser else as_set(row["rbac_permissions"]),
            ("LOCAL_SUPERUSER" if is_superuser else row["auth_user_sid"], user),
            is_pool=row["pool"],
        )

    def _remember(
        self, identity: Id, group: tuple[str, str], may: frozenset[str] | None, who: tuple[str, str], *, is_pool: bool
    ) -> Session:
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        until_s = 0.0 if may is None else now_s + self._until_revalidation_s()
        ref = self._xapi.world.ref(identity)
        session = Session(identity, group, may, (track_id(ref), *who), is_pool, now_s, 0.0, now_s, until_s)
        session.due_s = _due_s(session)
        self._by_ref[ref] = session
        if self._timer is None:
            self._timer = loop.call_later(IDLE_S + 1.0, self._expire)
        return session

    def _expire(self) -> None:
        """End sessions that have been idle for a day, and set the timer for the next."""
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        for session in [session for session in self._by_ref.values() if now_s - session.seen_s > IDLE_S]:
            self.end(session.identity)
        self._timer = None
        if self._by_ref:
            oldest_s = min(session.seen_s for session in self._by_ref.values())
            self._timer = loop.call_later(max(60.0, oldest_s + IDLE_S + 1.0 - now_s), self._expire)

    def _keep_to_cap(self, group: tuple[str, str]) -> None:
        caps = OLD_CAPS.get(self._xapi.world.personality.era, CAPS)
        members = [session for session in self._by_ref.values() if session.group == group]
        for session in sorted(members, key=lambda member: member.seen_s)[: max(0, len(members) - caps[group[0]])]:
            if not self._has_pending_tasks(session.identity):
                self.end(session.identity)

    def _has_pending_tasks(self, identity: Id) -> bool:
        world = self._xapi.world
        return any(row["session"] == identity and row["status"] == "pending" for _, row in world.rows("task"))


def _due_s(session: Session) -> float:
    written = session.written_s + LAST_ACTIVE_EVERY_S
    return written if session.may is None else min(written, session.revalidated_s)


def _group(user: str, originator: str) -> tuple[str, str]:
    if originator:
        return ("originator", originator)
    return ("root", "") if user in ("root", "") else ("user", user)
