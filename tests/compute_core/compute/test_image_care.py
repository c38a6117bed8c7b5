"""Images that an agent keeps on its host: fetched ahead, listed, evicted when asked and by themselves."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compute_core.compute import manager
from compute_core.model.cached_images import EvictionPolicy
from compute_core.model.instances import RUNNING
from compute_core.model.json import to_json
from compute_core.xenapi.place import Place, learn
from compute_core.xenapi.session import Session
from tests.compute_core.compute.agent_site import CONTEXT, SETTINGS, Site, on_site
from tests.compute_core.values import an_image, an_instance


async def ask(site: Site, question: str, **arguments: Any) -> Any:
    asked = {"context": CONTEXT, "question": question, "arguments": arguments}
    return await site.bus.call("compute.xs1", "query_host", asked, 30.0)


async def ahead(site: Site) -> None:
    missing = an_image(id="00000000-0000-4000-8000-0000000000ff", size_bytes=1)
    await site.cast("cache_images", images=[to_json(missing), to_json(site.image)])
    await asyncio.sleep(10)


def test_an_image_that_was_fetched_ahead_is_there_for_its_first_server(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        await ahead(site)
        (kept,) = await ask(site, "list_images")
        count = len(site.wire.requests)
        await site.build(an_instance())
        await asyncio.sleep(10)
        return kept, [name for name in site.wire.requests[count:] if name == "PUT /import_raw_vdi"], site.image.id, site.left()["VM"]

    kept, fetched, image_id, vms = on_site(tmp_path, body)
    assert (kept["image_id"], kept["kind"], kept["in_use"]) == (image_id, "disk", "")
    assert (fetched, len(vms)) == ([], 1)


def test_what_is_in_use_is_kept_and_said_to_be_when_somebody_wants_images_evicted(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        await site.build(an_instance())
        await asyncio.sleep(10)
        site.cell.instances[:] = [replace(each, vm_state="active", task_state=None, power_state=RUNNING) for each in site.cell.instances]
        kept = await ask(site, "evict_images", images=None)
        await site.cast("destroy", instance=to_json(an_instance()))
        site.cell.instances.clear()
        await asyncio.sleep(600)
        return kept, await ask(site, "evict_images", images=[site.image.id]), await ask(site, "list_images")

    kept, evicted, left = on_site(tmp_path, body)
    assert (kept["evicted"], [image["in_use"] for image in kept["kept"]]) == ([], ["disks that stand on it: 1"])
    assert ([image["why"] for image in evicted["evicted"]], evicted["kept"], left) == (["asked for"], [], [])


@pytest.mark.parametrize("is_alone", [True, False])
def test_who_has_images_evicted_in_a_pool_is_warned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, is_alone: bool
) -> None:  # fmt: skip
    async def placed(session: Session, url: str) -> Place:
        return replace(await learn(session, url), is_alone=is_alone)

    async def body(site: Site) -> Any:
        return await ask(site, "evict_images", images=None)

    monkeypatch.setattr(manager, "learn", placed)
    assert on_site(tmp_path, body) == {"evicted": [], "kept": []}
    assert ("what builds of its other hosts need is not known" in caplog.text) is not is_alone


@pytest.mark.parametrize(("keep_s", "left"), [(0.0, 1), (1200.0, 0)])
def test_an_image_that_nobody_uses_goes_in_a_round_of_the_agent(tmp_path: Path, keep_s: float, left: int) -> None:
    async def body(site: Site) -> Any:
        await ahead(site)
        before = await ask(site, "list_images")
        await asyncio.sleep(1800)
        return len(before), len(await ask(site, "list_images"))

    assert on_site(tmp_path, body, settings=replace(SETTINGS, eviction=EvictionPolicy(keep_s=keep_s))) == (1, left)
