"""Calls whose answer may get lost: looked up, never repeated, where a repetition would do the work twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from compute_core.xenapi.errors import ReplyLost, XenApiFailure
from compute_core.xenapi.session import XenApi

T = TypeVar("T")

LOOKS_S = (0.0, 1.0, 4.0)
"""Pauses before each look: what the host had begun may still be under way when the connection is gone."""
PATIENCE_S = (0.2, 1.0, 2.0, 4.0)
"""Pauses before an object that is busy is tried again; XAPI itself waits long before it calls one busy."""

BUSY = frozenset({"OTHER_OPERATION_IN_PROGRESS", "VDI_IN_USE"})


async def certain(call: Awaitable[T], found: Callable[[], Awaitable[T | None]]) -> T:
    """The answer of ``call``; when it is lost, what ``found`` sees of its effect. ReplyLost when there is none to be seen."""
    try:
        return await call
    except ReplyLost as lost:
        for pause_s in LOOKS_S:
            await asyncio.sleep(pause_s)
            seen = await found()
            if seen is not None:
                return seen
        raise lost from None


async def one_of(xapi: XenApi, cls: str, where: Mapping[str, str]) -> str | None:
    """Some object of a class by the values of its columns, None when there is none."""
    return next(iter(await all_of(xapi, cls, where)), None)


async def named_vm(xapi: XenApi, label: str) -> str | None:
    """Some VM of that name, None when there is none; its record is not asked for."""
    refs: Sequence[str] = await xapi.call("VM.get_by_name_label", label)
    return refs[0] if refs else None


async def all_of(xapi: XenApi, cls: str, where: Mapping[str, str]) -> Mapping[str, Any]:
    """The records of a class by the values of columns, with one call. Values here hold no quotes: refs, names that we gave."""
    terms = " and ".join(f'field "{column}"="{value}"' for column, value in where.items())
    records: Mapping[str, Any] = await xapi.call(f"{cls}.get_all_records_where", terms)
    return records


async def any_of(xapi: XenApi, cls: str, where: Sequence[tuple[str, str]]) -> Mapping[str, Any]:
    """The records of a class of which one of these columns has its value, with one call."""
    terms = " or ".join(f'field "{column}"="{value}"' for column, value in where)
    records: Mapping[str, Any] = await xapi.call(f"{cls}.get_all_records_where", terms)
    return records


async def destroy(xapi: XenApi, cls: str, ref: str) -> None:
    """Destroy an object; gone already is fine, a busy one is waited for, a lost answer is answered by the next attempt."""
    for pause_s in (*PATIENCE_S, None):
        try:
            await xapi.call(f"{cls}.destroy", ref)
        except (ReplyLost, XenApiFailure) as problem:
            code = problem.code if isinstance(problem, XenApiFailure) else ""
            if code == "HANDLE_INVALID":
                return
            if pause_s is None or (code and code not in BUSY):
                raise
            await asyncio.sleep(pause_s)
        else:
            return
