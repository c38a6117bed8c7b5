"""The class ``session``: logging in with a password, with the pool's secret or through the directory, and logging out.

Also what members of a pool report to the master about their callers.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from typing import TYPE_CHECKING

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.engine.rbac import permissions_of_roles
from fake_xapi.engine.revalidation import subjects_of
from fake_xapi.state.ids import Id
from fake_xapi.verbs.access.directory import Directory, Entry
from fake_xapi.verbs.call import Verb

if TYPE_CHECKING:
    from fake_xapi.engine.call import RunningCall
    from fake_xapi.engine.xapi import Xapi

LOCAL_SUPERUSER = "root"
"""The only local account that may log in while external authentication is on."""
LOGIN = "session.login_with_password"
WRONG = "Authentication failure"


def authenticate(xapi: Xapi, user: str, password: str, originator: str = "") -> Id:
    """Open a session for somebody with valid credentials.

    SESSION_AUTHENTICATION_FAILED [user, message], SESSION_AUTHORIZATION_FAILED [user, message] for a user whom the pool does not let in,
    RBAC_PERMISSION_DENIED ["session.login_with_password", message] for one without a role.
    """
    kind = xapi.world[xapi.host]["external_auth_type"]
    if (not kind or user == LOCAL_SUPERUSER) and xapi.sessions.check_password(user, password):
        return xapi.sessions.begin(user, originator)
    directory = xapi.settings.directory
    if not kind or directory is None:
        raise Failure("SESSION_AUTHENTICATION_FAILED", user, WRONG)
    entry = directory.entry(directory.authenticate(user, password))
    if entry is None:
        raise Failure("SESSION_AUTHENTICATION_FAILED", user, WRONG)
    return _let_in(xapi, directory, entry, user, originator)


def authenticate_host(xapi: Xapi, secret: str) -> Id:
    """Open a session of the pool for a host that knows its secret. SESSION_AUTHENTICATION_FAILED ["", message]."""
    if not hmac.compare_digest(xapi.sessions.pool_secret.encode(), secret.encode()):
        raise Failure("SESSION_AUTHENTICATION_FAILED", "", "Pool credentials invalid")
    return xapi.sessions.begin("", "", pool=True)


def _let_in(xapi: Xapi, directory: Directory, entry: Entry, user: str, originator: str) -> Id:
    """Open a session with all rights that the roles of a user's subjects grant."""
    world, sid = xapi.world, entry.identifier
    if entry.is_suspended:
        raise _unauthorised(xapi, user, f"User {user} (subject_id {sid}) suspended in external directory")
    subjects = subjects_of(world, directory, sid)
    if not subjects:
        raise _unauthorised(xapi, user, f"Subject {user} (identifier {sid}) has no access rights in this pool")
    roles = frozenset(world[role]["name_label"] for subject in subjects for role in world[subject]["roles"])
    if not roles:
        raise Failure("RBAC_PERMISSION_DENIED", LOGIN, f"Subject {user} (identifier {sid}) has no roles in this pool")
    return xapi.sessions.begin(
        entry.name if world.personality.era == "modern" else user,
        originator,
        is_local_superuser=False,
        subject=subjects[0],
        auth_user_sid=sid,
        rbac_permissions=permissions_of_roles(world.personality.name, roles),
    )


def _unauthorised(xapi: Xapi, user: str, message: str) -> Failure:
    """The refusal of a user without rights: the old releases do not distinguish it from wrong credentials."""
    code = "SESSION_AUTHORIZATION_FAILED"
    return Failure(code if code in xapi.personality.errors else "SESSION_AUTHENTICATION_FAILED", user, message)


async def login_with_password(call: RunningCall, user: str, password: str, version: str = "", originator: str = "") -> Id:
    """See ``authenticate``; a refusal is delayed."""
    try:
        return authenticate(call.xapi, user, password, originator)
    except Failure:
        await asyncio.sleep(call.xapi.settings.login_delay_s)
        raise


async def slave_local_login_with_password(call: RunningCall, user: str, password: str) -> Id:
    """Open a session on this host alone for a local account, even in emergency mode. SESSION_AUTHENTICATION_FAILED [user, message]."""
    if not call.xapi.sessions.check_password(user, password):
        await asyncio.sleep(call.xapi.settings.login_delay_s)
        raise Failure("SESSION_AUTHENTICATION_FAILED", user, WRONG)
    return call.xapi.sessions.begin_local(is_pool=False)


def slave_login(call: RunningCall, host: Id, secret: str) -> Id:
    """Log a host of the pool in. SESSION_AUTHENTICATION_FAILED [host, message] for a secret that is not the pool's."""
    _check_pool_secret(call, secret, Handle(host))
    return call.xapi.sessions.begin("", "", pool=True, this_host=host)


def slave_local_login(call: RunningCall, secret: str) -> Id:
    """Open a session on this host alone for another host of the pool. SESSION_AUTHENTICATION_FAILED ["localhost", message]."""
    _check_pool_secret(call, secret, "localhost")
    return call.xapi.sessions.begin_local(is_pool=True)


def _check_pool_secret(call: RunningCall, secret: str, who: str | Handle) -> None:
    if not hmac.compare_digest(call.xapi.sessions.pool_secret.encode(), secret.encode()):
        raise Failure("SESSION_AUTHENTICATION_FAILED", who, "Pool credentials invalid")


def logout(call: RunningCall) -> None:
    """End the caller's session."""
    call.xapi.sessions.end(call.session)


def local_logout(call: RunningCall) -> None:
    """End the caller's session, if it is a local one."""
    call.xapi.sessions.end_local(call.session)


def change_password(call: RunningCall, old: str, new: str) -> None:
    """Change the password of root. The old one is not required: only root may call this.

    USER_IS_NOT_LOCAL_SUPERUSER [message]; CHANGE_PASSWORD_REJECTED [message] for an empty one.
    """
    if not call.world[call.session]["is_local_superuser"]:
        raise Failure("USER_IS_NOT_LOCAL_SUPERUSER", f"Failed to change password for user {LOCAL_SUPERUSER}")
    if not new:
        raise Failure("CHANGE_PASSWORD_REJECTED", "Authentication token manipulation error")
    call.xapi.set_password(new)


def get_all_subject_identifiers(call: RunningCall) -> list[str]:
    """The users of the directory who are logged in."""
    return sorted({row["auth_user_sid"] for _, row in call.world.rows("session") if not row["is_local_superuser"]})


def logout_subject_identifier(call: RunningCall, identifier: str) -> None:
    """End every session of a user of the directory except the caller's own."""
    for session, row in list(call.world.rows("session")):
        if row["auth_user_sid"] == identifier and not row["is_local_superuser"] and session != call.session:
            call.xapi.sessions.end(session)


def audit_log_append(call: RunningCall, line: str) -> None:
    """Append a line from another host of the pool: the master keeps the log of all."""
    call.xapi.audit.append_text(call.world, line.replace("\n", " ").replace("\r", " "))


VERBS: Mapping[str, Verb] = {
    "pool.audit_log_append": audit_log_append,
    "session.login_with_password": login_with_password,
    "session.slave_login": slave_login,
    "session.slave_local_login": slave_local_login,
    "session.slave_local_login_with_password": slave_local_login_with_password,
    "session.logout": logout,
    "session.local_logout": local_logout,
    "session.change_password": change_password,
    "session.get_all_subject_identifiers": get_all_subject_identifiers,
    "session.logout_subject_identifier": logout_subject_identifier,
}
