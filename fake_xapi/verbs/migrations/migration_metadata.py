"""A VM's metadata on its way to another pool: an archive that already names its disks and interfaces there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.wire import escape
from fake_xapi.datamodel.xml_values import read_value
from fake_xapi.dom0 import tar, xva
from fake_xapi.state.ids import Id
from fake_xapi.verbs.archives.archive import written
from fake_xapi.verbs.archives.archive_export import Scope, export
from fake_xapi.verbs.migrations.migration_journey import Journey


async def send_metadata(journey: Journey, vdis: Mapping[Id, str], vifs: Mapping[Id, str], *, is_dry_run: bool) -> list[str]:
    """Let the other pool import the VM with its snapshots; returns the refs of what was made there. Its failures are passed on."""
    content = _archive(journey, {**vdis, **vifs})
    task = str(await journey.there("task.create", "VM metadata import", ""))
    try:
        is_taken = await journey.remote.put(
            "/import_metadata", _parameters(journey, task, is_dry_run=is_dry_run), _once(content), len(content)
        )
        if not is_taken:
            raise await _why(journey, task)
        result = read_value(str(await journey.there("task.get_result", task)).encode())
        return [str(ref) for ref in result] if isinstance(result, list) else []
    except Failure as failure:
        raise _about_us(journey, failure) from failure
    finally:
        await journey.there("task.destroy", task)


def _archive(journey: Journey, maps: Mapping[Id, str]) -> bytes:
    scope = Scope(has_snapshots=not journey.is_copy, preserves_power_state=True, maps=maps)
    return tar.file(xva.METADATA, written(export(journey.call, [journey.vm], scope).archive)) + tar.END


def _parameters(journey: Journey, task: str, *, is_dry_run: bool) -> dict[str, str]:
    checks_cpu = not journey.is_forced and journey.row["power_state"] != "Halted"
    flags = {"restore": not journey.is_copy, "live": True, "dry_run": is_dry_run, "check_cpu": checks_cpu}
    texts = {name: str(is_set).lower() for name, is_set in flags.items()}
    return {"session_id": journey.to.session, "task_id": task, "host": journey.to.host, **texts}


async def _why(journey: Journey, task: str) -> Failure:
    """The reason why an import was refused, from its task."""
    details: list[Any] = await journey.there("task.get_error_info", task)
    return Failure(*map(str, details)) if details else Failure("CANNOT_CONTACT_HOST", journey.to.address)


def _about_us(journey: Journey, failure: Failure) -> Failure:
    """The failure with the archive's name for the VM replaced by its ref here, the only one that the caller knows."""
    mine = journey.world.ref(journey.vm)
    return Failure(failure.code, *(mine if param == "Ref:0" else param for param in failure.params))


async def send_messages(journey: Journey) -> list[Id]:
    """Send the messages about the VM to the other pool; returns those that it accepted. Where it cannot, they stay here."""
    world, uuid = journey.world, journey.world.uuid(journey.vm)
    ids = sorted(identity for identity, row in world.rows("message") if row["obj_uuid"] == uuid)
    content = "".join(_message(journey, identity) for identity in ids).encode()
    parameters = {"session_id": journey.to.session, "cls": "VM", "uuid": uuid}
    try:
        is_taken = bool(ids) and await journey.remote.put("/messages", parameters, _once(content), len(content))
    except Failure:
        return []
    return ids if is_taken else []


def _message(journey: Journey, identity: Id) -> str:
    row, world = journey.world[identity], journey.world
    fields = {name: str(row[name]) for name in ("name", "priority", "cls", "obj_uuid", "timestamp", "body")}
    told = {"ref": world.ref(identity), "uuid": world.uuid(identity), **fields}
    inside = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in told.items())
    return f'<?xml version="1.0" encoding="UTF-8"?><message>{inside}</message>'


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
