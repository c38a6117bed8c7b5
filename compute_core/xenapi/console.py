"""The console log of a VM, which dom0's plugin ``console`` keeps by the number of the domain, also when that is gone."""

from __future__ import annotations

import base64
import binascii
import zlib

from compute_core.model.errors import Conflict
from compute_core.xenapi.errors import XenApiFailure
from compute_core.xenapi.place import Place
from compute_core.xenapi.session import XenApi

LAST_DOMAIN = "last_dom_id"
"""The key of ``other_config`` where drivers have always noted a VM's last domain."""
NO_LOG = "The server is not running, and nobody knows its last domain: there is no console to read. Cure: start it."


async def console_log(xapi: XenApi, place: Place, vm: str, length: int | None, last_domid: int = -1) -> str:
    """The last ``length`` lines, None: all that dom0 keeps; of a halted VM what its last domain has written.

    ``last_domid``: what is known of that, -1 for nothing. Conflict when there is no log to be had, with the cure.
    """
    record = await xapi.call("VM.get_record", vm)
    domid = _domain(record["domid"], last_domid, record["other_config"].get(LAST_DOMAIN, ""))
    try:
        packed = await xapi.call("host.call_plugin", place.host, "console", "get_console_log", {"dom_id": str(domid)})
        log = zlib.decompress(base64.b64decode(packed)).decode(errors="replace")
    except XenApiFailure as failure:
        if failure.code != "XENAPI_MISSING_PLUGIN":
            raise
        raise Conflict(f"{place.hostname} has no plugin {failure.params[0]}. Cure: install inova's dom0 plugins on it.") from failure
    except (binascii.Error, zlib.error) as problem:
        raise Conflict(f"{place.hostname} sent a console log that cannot be read: {problem}.") from problem
    return log if length is None else "".join(log.splitlines(keepends=True)[-length:] if length else [])


def _domain(present: int | str, last: int, noted: str) -> int:
    """The present domain, or the last one as far as anybody knows it."""
    found = next((domid for domid in (int(present), last, int(noted) if noted.isdecimal() else -1) if domid >= 0), None)
    if found is None:
        raise Conflict(NO_LOG)
    return found
