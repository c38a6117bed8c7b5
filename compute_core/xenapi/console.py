"""The console log of a running VM, which dom0's plugin ``console`` keeps."""

from __future__ import annotations

import base64
import binascii
import zlib

from compute_core.model.errors import Conflict
from compute_core.xenapi.errors import XenApiFailure
from compute_core.xenapi.place import Place
from compute_core.xenapi.session import XenApi


async def console_log(xapi: XenApi, place: Place, vm: str, length: int | None) -> str:
    """The last ``length`` lines, None: all that dom0 keeps. Conflict when there is no log to be had, with the cure."""
    domid = await xapi.call("VM.get_domid", vm)
    if domid < 0:
        raise Conflict("The server is not running: there is no console to read. Cure: start it.")
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
