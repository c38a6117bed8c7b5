"""The in-process transport: calls without a wire. Values are handed over, not copied, so nobody may change an answer.

For rehearsals on virtual time, and wherever client and simulator share a process.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from inspect import isawaitable
from typing import Any, cast

from fake_xapi.dom0.disks import Disk
from fake_xapi.engine.records import Records
from fake_xapi.transports.handlers import HANDLERS
from fake_xapi.transports.ports import Xapi, is_plain
from fake_xapi.transports.transfers import BadRequest, Moved, TransferAnswer, TransferRequest, find_handler
from fake_xapi.transports.vdis import find_vdi, open_for_import, settle_import


class InProcess:
    """A client's side of one XAPI. Raises Failure where a wire would carry one, ConnectionError where it would break.

    Handlers raise Moved where the bytes are another host's affair.
    """

    __slots__ = ("_xapi",)

    def __init__(self, xapi: Xapi) -> None:
        self._xapi = xapi

    async def call(self, method: str, params: list[Any]) -> Any:
        """Make a call, by either spelling of its name."""
        value = self._xapi.dispatch(method, params)
        if isawaitable(value):
            value = await value
        if is_plain(value):
            return value
        if getattr(value, "cut_at", None) is not None:
            raise ConnectionResetError("the reply broke off")
        return cast(Records, value).value()

    async def put(self, path: str, parameters: Mapping[str, str], pieces: AsyncIterator[bytes], length: int | None = None) -> None:
        """Send bytes to a handler (``/import_raw_vdi``) and wait until it has taken them. BadRequest where there is no such handler."""
        await self._transfer(b"PUT", path, parameters, pieces, length)

    async def get(self, path: str, parameters: Mapping[str, str]) -> AsyncIterator[bytes]:
        """The bytes that a handler (``/export_raw_vdi``) sends, as they are read."""
        answer = await self._transfer(b"GET", path, parameters, _nothing(), 0)
        for piece in answer.pieces:
            yield piece

    def import_disk(self, session: str, vdi: str, disk: Disk) -> None:
        """Replace the content of a VDI, at no cost, by a disk of a store that shares bytes with this XAPI's."""
        self._xapi.authorise(session, "put_import_raw_vdi")
        found = find_vdi(self._xapi, vdi)
        open_for_import(self._xapi, found, disk.size)
        before = self._xapi.disks[found]
        self._xapi.disks.put(found, Disk(before.size, disk.blocks))
        settle_import(self._xapi, found, before)

    def export_disk(self, session: str, vdi: str) -> Disk:
        """The content of a VDI as it is now, at no cost."""
        self._xapi.authorise(session, "get_export_raw_vdi")
        return self._xapi.disks[find_vdi(self._xapi, vdi)]

    async def _transfer(
        self, method: bytes, path: str, parameters: Mapping[str, str], pieces: AsyncIterator[bytes], length: int | None
    ) -> TransferAnswer:
        handler = find_handler(HANDLERS, method, path.encode())
        if handler is None:
            raise BadRequest(404, f"No handler for {method.decode()} {path}")
        answer = await handler(TransferRequest(self._xapi, parameters, parameters.get("session_id"), pieces, length, path=path))
        if answer.status == HTTPStatus.FOUND:
            raise Moved(dict(answer.headers)["Location"])
        return answer


async def _nothing() -> AsyncIterator[bytes]:
    no_pieces: tuple[bytes, ...] = ()
    for piece in no_pieces:
        yield piece
