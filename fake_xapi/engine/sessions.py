"""Sessions: who is logged in. A session is an object of the world; its ref is the caller's secret.

Only local superusers exist here, so no role is ever asked.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fake_xapi.datamodel.failure import Failure
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Verb

if TYPE_CHECKING:
    from fake_xapi.engine.call import RunningCall
    from fake_xapi.engine.xapi import Xapi

IDLE_S = 24 * 3600.0
LAST_ACTIVE_EVERY_S = 600.0
CAPS: Mapping[str, int] = {"originator": 500, "user": 500, "root": 400}
"""How many sessions of one originator, one named user, and root may live at once; the oldest goes first."""
OLD_CAPS: Mapping[str, Mapping[str, int]] = {
    "boston": {"originator": 400, "user": 400, "root": 400},
    "tampa": {"originator": 400, "user": 400, "root": 400},
    "clearwater": {"originator": 50, "user": 50, "root": 400},
}


@dataclass(slots=True)
class Session:
    """A live session: ``group`` is what its cap counts, ``seen_s`` the loop's time of its last call."""

    identity: Id
    group: tuple[str, str]
    seen_s: float
    written_s: float


class Sessions:
    """The live sessions of one XAPI by their refs."""

    __slots__ = ("_by_ref", "_xapi")

    def __init__(self, xapi: Xapi) -> None:
        self._xapi = xapi
        self._by_ref: dict[str, Session] = {}

    def find(self, ref: str) -> Id:
        """The session of a ref; SESSION_INVALID [ref] when it is none, or has been idle for a day."""
        session = self._by_ref.get(ref)
        if session is None:
            session = self._restored(ref)
        now_s = asyncio.get_running_loop().time()
        if now_s - session.seen_s > IDLE_S:
            self.end(session.identity)
            raise Failure("SESSION_INVALID", ref)
        session.seen_s = now_s
        if now_s - session.written_s >= LAST_ACTIVE_EVERY_S:
            session.written_s = now_s
            with self._xapi.world.edit() as edit:
                edit.set(session.identity, last_active=self._xapi.now())
        return session.identity

    def is_live(self, identity: Id) -> bool:
        """Whether a session has not ended."""
        return self._xapi.world.get(identity) is not None

    def begin(self, user: str, originator: str) -> Id:
        """Log a local superuser in."""
        world, now = self._xapi.world, self._xapi.now()
        with world.edit() as edit:
            identity = edit.create(
                "session",
                this_host=self._xapi.host,
                is_local_superuser=True,
                last_active=now,
                validation_time=now,
                auth_user_name=user,
                originator=originator,
            )
        self._remember(identity, user, originator)
        self._keep_to_cap(self._by_ref[world.ref(identity)].group)
        return identity

    def end(self, identity: Id) -> None:
        """Log out; calls that wait for events on it are refused."""
        self._by_ref.pop(self._xapi.world.ref(identity), None)
        if self.is_live(identity):
            with self._xapi.world.edit() as edit:
                edit.destroy(identity)
        self._xapi.events.forget_session(identity)

    def check_password(self, user: str, password: str) -> bool:
        """Whether these are the credentials of this host."""
        settings = self._xapi.settings
        expected = f"{settings.user}\0{settings.password}".encode()
        return hmac.compare_digest(expected, f"{user}\0{password}".encode())

    def _restored(self, ref: str) -> Session:
        """A session that was saved with the world."""
        identity = self._xapi.world.find_ref(ref)
        row = self._xapi.world.get(identity)
        if row is None or row.cls != "session":
            raise Failure("SESSION_INVALID", ref)
        return self._remember(identity, row["auth_user_name"], row["originator"])

    def _remember(self, identity: Id, user: str, originator: str) -> Session:
        now_s = asyncio.get_running_loop().time()
        session = Session(identity, _group(user, originator), now_s, now_s)
        self._by_ref[self._xapi.world.ref(identity)] = session
        return session

    def _keep_to_cap(self, group: tuple[str, str]) -> None:
        caps = OLD_CAPS.get(self._xapi.world.personality.era, CAPS)
        members = [session for session in self._by_ref.values() if session.group == group]
        for session in sorted(members, key=lambda member: member.seen_s)[: max(0, len(members) - caps[group[0]])]:
            if not self._has_pending_tasks(session.identity):
                self.end(session.identity)

    def _has_pending_tasks(self, identity: Id) -> bool:
        world = self._xapi.world
        return any(row["session"] == identity and row["status"] == "pending" for _, row in world.rows("task"))


def _group(user: str, originator: str) -> tuple[str, str]:
    if originator:
        return ("originator", originator)
    return ("root", "") if user in ("root", "") else ("user", user)


async def login_with_password(call: RunningCall, user: str, password: str, version: str = "", originator: str = "") -> Id:
    """SESSION_AUTHENTICATION_FAILED [user, message] for wrong credentials, after a delay."""
    sessions = call.xapi.sessions
    if not sessions.check_password(user, password):
        await asyncio.sleep(call.xapi.settings.login_delay_s)
        raise Failure("SESSION_AUTHENTICATION_FAILED", user, "Authentication failure")
    return sessions.begin(user, originator)


async def slave_local_login_with_password(call: RunningCall, user: str, password: str) -> Id:
    """Like ``login_with_password``; the one that works in emergency mode."""
    return await login_with_password(call, user, password)


def logout(call: RunningCall) -> None:
    """End the caller's session."""
    call.xapi.sessions.end(call.session)


def change_password(call: RunningCall, old: str, new: str) -> None:
    """CHANGE_PASSWORD_REJECTED [message] unless ``old`` is right."""
    if not call.xapi.sessions.check_password(call.xapi.settings.user, old):
        raise Failure("CHANGE_PASSWORD_REJECTED", "The old password is not correct")
    call.xapi.set_password(new)


def no_subjects(call: RunningCall) -> list[str]:
    """Nobody who is known to an external directory is logged in: there is none."""
    return []


VERBS: Mapping[str, Verb] = {
    "session.login_with_password": login_with_password,
    "session.slave_local_login_with_password": slave_local_login_with_password,
    "session.logout": logout,
    "session.local_logout": logout,
    "session.change_password": change_password,
    "session.get_all_subject_identifiers": no_subjects,
}
