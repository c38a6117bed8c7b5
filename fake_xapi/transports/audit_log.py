"""The handler of the audit log: ``GET /audit_log``, optionally from the date ``since`` on."""

from __future__ import annotations

from fake_xapi.transports.admitted import Admitted, admitting
from fake_xapi.transports.transfers import Handlers, TransferAnswer


async def _get(admitted: Admitted) -> TransferAnswer:
    """A line for each call with an effect, oldest first. The reply ends with its connection, as XAPI's does."""
    lines = admitted.xapi.audit_lines(admitted.parameters.get("since", ""))
    admitted.task.result("")
    return TransferAnswer((("Content-Type", "text/plain"),), None, (f"{line}\n".encode() for line in lines))


HANDLERS: Handlers = {(b"GET", b"/audit_log"): admitting("get_audit_log", _get)}
