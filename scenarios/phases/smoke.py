"""The smoke test of each host: build a server there, see its guest come up, take an image of it, look at the image, delete both."""

from __future__ import annotations

import asyncio
from typing import Any

from compute_core.xenapi.errors import XenApiFailure
from compute_core.xenapi.marks import instance_of
from compute_core.xenapi.session import XenApi
from scenarios import image
from scenarios.figures import SmokeTrial
from scenarios.phases.stage import Stage
from scenarios.traffic.client import ApiRefused

POLL_S = 1.0
GUEST_LIMIT_S = 300.0
EVENT_WAIT_S = 20.0
IMAGE_LIMIT_S = 600.0


class SmokeFailed(Exception):
    """A step of the test that went wrong; the message says which and how."""


async def smoke(stage: Stage) -> None:
    """Test every host, a few at a time."""
    gate = asyncio.Semaphore(stage.scenario.smoke_concurrency)

    async def one(host: str) -> None:
        async with gate:
            await _test(stage, host)

    await asyncio.gather(*(one(host) for host in stage.hosts))


async def _test(stage: Stage, host: str) -> None:
    trial = SmokeTrial(host)
    stage.results.smoke.append(trial)
    began_s = stage.journal.now_s()
    try:
        await _steps(stage, host)
        trial.passed = True
    except (SmokeFailed, TimeoutError, ApiRefused, XenApiFailure, image.ImageToolFailed) as error:
        trial.reason = str(error) or type(error).__name__
    trial.took_s = stage.journal.now_s() - began_s
    stage.journal.note("smoke tested", host=host, passed=trial.passed, reason=trial.reason)


async def _steps(stage: Stage, host: str) -> None:
    client, limit_s = stage.client, stage.scenario.build_limit_s
    server_id = await client.create_server(f"smoke-{host}", stage.images["sound"], stage.scenario.flavor, host)
    server = await stage.watcher.until(server_id, "ACTIVE", "ERROR", limit_s=limit_s)
    if server["status"] == "ERROR":
        raise SmokeFailed(f"the server was not built: {server['fault']['message']}")
    if server["OS-EXT-SRV-ATTR:host"] != host:
        raise SmokeFailed(f"the server was built on {server['OS-EXT-SRV-ATTR:host']}")
    await _until_guest_reports(stage.hosts[host], server_id)
    image_id = await client.snapshot(server_id, f"smoke-{host}")
    await _until_image_is_active(stage, image_id)
    stage.checked.check(await client.download_image(image_id))
    await client.delete_image(image_id)
    await client.delete_server(server_id)
    await stage.watcher.until(server_id, "DELETED", limit_s=limit_s)


async def _until_guest_reports(xenapi: XenApi, server_id: str) -> None:
    """Until the guest's metrics have its system and its address: looked at whenever some guest's metrics have changed."""
    token = ""
    async with asyncio.timeout(GUEST_LIMIT_S):
        while True:
            token = (await xenapi.call("event.from", ["vm_guest_metrics"], token, EVENT_WAIT_S if token else 0.0))["token"]
            metrics = await _guest_metrics(xenapi, server_id)
            if metrics is not None and metrics["os_version"].get("name") and metrics["networks"].get("0/ip"):
                return


async def _guest_metrics(xenapi: XenApi, server_id: str) -> dict[str, Any] | None:
    vms = (await xenapi.call("VM.get_all_records_where", f'field "name__label" = "instance-{server_id}"')).values()
    for vm in vms:
        if instance_of(vm) == server_id:
            try:
                return dict(await xenapi.call("VM_guest_metrics.get_record", vm["guest_metrics"]))
            except XenApiFailure:
                return None
    return None


async def _until_image_is_active(stage: Stage, image_id: str) -> None:
    async with asyncio.timeout(IMAGE_LIMIT_S):
        while True:
            status = (await stage.client.image(image_id))["status"]
            if status == "active":
                return
            if status not in ("queued", "saving"):
                raise SmokeFailed(f"the image of the server is {status}")
            await asyncio.sleep(POLL_S)
