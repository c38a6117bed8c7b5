"""Resize, migration and evacuation: the actions of ``POST /servers/{id}/action`` that take a server to another size or host."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from compute_core.api.call import Call
from compute_core.api.texts import is_true
from compute_core.model.errors import Invalid, NoValidHost

WITHOUT_PASSWORD_SINCE = 14


@contextlib.contextmanager
def _told_at_once() -> Iterator[None]:
    """That there is no host is the request's fault here, unlike at a build: nothing has begun."""
    try:
        yield
    except NoValidHost as refusal:
        raise Invalid(refusal.message) from refusal


async def resize(call: Call, server_id: str, asked: Any) -> None:
    """To another flavor."""
    with _told_at_once():
        await call.services.compute.resize_server(call.context, server_id, str(asked["flavorRef"]), asked.get("OS-DCF:diskConfig"))


async def migrate(call: Call, server_id: str, asked: Any) -> None:
    """To another host, halted on the way; since 2.56 it may be named."""
    with _told_at_once():
        await call.services.compute.migrate_server(call.context, server_id, (asked or {}).get("host"))


async def live_migrate(call: Call, server_id: str, asked: Any) -> None:
    """To another host while it runs; ``auto`` lets the hosts find out whether its disks must go along."""
    said = asked.get("block_migration", "auto")
    moves_disks = None if said == "auto" else is_true(said)
    with _told_at_once():
        await call.services.compute.live_migrate_server(call.context, server_id, asked.get("host"), moves_disks=moves_disks)


async def evacuate(call: Call, server_id: str, asked: Any) -> dict[str, str] | None:
    """Build it again elsewhere, its host being down. Before 2.14 the answer tells the password."""
    if is_true(asked.get("onSharedStorage", False)):
        raise Invalid("The servers' disks are on the hosts: onSharedStorage is False here.")
    password = asked.get("adminPass") or call.services.new_password()
    with _told_at_once():
        await call.services.compute.evacuate_server(call.context, server_id, asked.get("host"), password)
    return None if call.version >= WITHOUT_PASSWORD_SINCE else {"adminPass": password}
