"""A host as a whole: in and out of use, rebooted, switched off and on. Each is asked for once; what is not heard of is looked up."""

from __future__ import annotations

from dataclasses import dataclass

from compute_core.model.errors import Conflict
from compute_core.xenapi.certainty import certain
from compute_core.xenapi.errors import XenApiFailure
from compute_core.xenapi.place import Record
from compute_core.xenapi.session import XenApi

NO_WAY_ON = frozenset({"", "disabled"})
"""Values of ``power_on_mode`` that name no way to switch a host on."""


@dataclass(frozen=True, slots=True)
class HostState:
    """``boot_time`` is the host's own word for when it booted: it is compared, and not understood."""

    is_enabled: bool
    is_live: bool
    boot_time: str
    pool: str = ""


async def state_of(xapi: XenApi, host: str, pool: str = "") -> HostState:
    """How a host is: two calls."""
    record = await xapi.call("host.get_record", host)
    metrics = await xapi.call("host_metrics.get_record", record["metrics"])
    return HostState(record["enabled"], metrics["live"], _boot_time(record), pool)


async def disable(xapi: XenApi, host: str) -> None:
    """Have nothing started there any more; what runs stays."""
    await certain(xapi.call("host.disable", host), lambda: _is_enabled(xapi, host, wanted=False))


async def enable(xapi: XenApi, host: str) -> None:
    """Have VMs started there again."""
    await certain(xapi.call("host.enable", host), lambda: _is_enabled(xapi, host, wanted=True))


async def reboot(xapi: XenApi, host: str, boot_time: str) -> None:
    """Have it boot, nothing running there. One that has booted since ``boot_time`` is left alone: whoever hears nothing asks again."""
    await _sent_down(xapi, "host.reboot", host, boot_time)


async def shutdown(xapi: XenApi, host: str, boot_time: str) -> None:
    """Have it switch itself off; as ``reboot``."""
    await _sent_down(xapi, "host.shutdown", host, boot_time)


async def power_on(xapi: XenApi, uuid: str) -> None:
    """Switch on another host of the pool, and wait until it has booted. Conflict when nobody has said how; one that is on is fine."""
    host = await xapi.call("host.get_by_uuid", uuid)
    record = await xapi.call("host.get_record", host)
    if (await xapi.call("host_metrics.get_record", record["metrics"]))["live"]:
        return
    if record["power_on_mode"] in NO_WAY_ON:
        raise Conflict(
            f"{record['hostname']} has no power_on_mode: nobody knows how to switch it on. "
            "Cure: set one with host.set_power_on_mode, wake-on-lan for example, or switch it on at the machine."
        )
    await certain(_switched_on(xapi, host, record["power_on_mode"]), lambda: _is_live(xapi, host))


async def _switched_on(xapi: XenApi, host: str, mode: str) -> bool:
    try:
        await xapi.call("host.power_on", host)
    except XenApiFailure as failure:
        if failure.code != "XENAPI_MISSING_PLUGIN":
            raise
        raise Conflict(f"The pool has no script for the power_on_mode {mode}. Cure: set another with host.set_power_on_mode.") from failure
    return True


async def _sent_down(xapi: XenApi, method: str, host: str, boot_time: str) -> None:
    if (await state_of(xapi, host)).boot_time != boot_time:
        return
    await disable(xapi, host)
    await xapi.call(method, host)


async def _is_enabled(xapi: XenApi, host: str, *, wanted: bool) -> bool | None:
    """True when it is as it was wanted, None when it is not."""
    enabled: bool = await xapi.call("host.get_enabled", host)
    return True if enabled == wanted else None


async def _is_live(xapi: XenApi, host: str) -> bool | None:
    return (await state_of(xapi, host)).is_live or None


def _boot_time(record: Record) -> str:
    said: str = record["other_config"].get("boot_time", "")
    return said
