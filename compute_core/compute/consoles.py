"""Queries about servers' consoles and what they do at this moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compute_core.compute.interfaces import counted
from compute_core.compute.work import Query, Work
from compute_core.model.errors import NotFound
from compute_core.model.json import to_json
from compute_core.xenapi.console import console_log
from compute_core.xenapi.console_access import console_access
from compute_core.xenapi.diagnostics import diagnostics


def acting_vm(work: Work) -> str:
    """The ref of the VM that is the server's to its user: its rescue VM, when it has one. NotFound when it has none here."""
    vm = work.host.vms.acting(work.instance.uuid)
    if vm is None:
        raise NotFound(f"{work.host.settings.host} has no VM of instance {work.instance.uuid}.")
    return vm.ref


async def _console_output(work: Work) -> str:
    """The last ``length`` lines of the console log, None: all that is kept."""
    vm = work.host.vms.acting(work.instance.uuid)
    last_domid = -1 if vm is None else vm.last_domid
    return await console_log(work.host.xapi, work.host.place, acting_vm(work), work.arguments["length"], last_domid)


async def _console_access(work: Work) -> Any:
    """For the proxy alone: it goes to no user."""
    return to_json(await console_access(work.host.xapi, acting_vm(work)))


async def _diagnostics(work: Work) -> Any:
    found = await diagnostics(work.host.xapi, work.host.place, work.host.settings.url, acting_vm(work))
    return {**to_json(found), "interfaces": await counted(work.host, work.instance)}


CONSOLES: Mapping[str, Query] = {
    "console_output": _console_output,
    "console_access": _console_access,
    "diagnostics": _diagnostics,
}
