"""Patches in, over HTTP."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from tests.fake_xapi.transports.images import exchange, served
from tests.fake_xapi.transports.serving import run
from tests.fake_xapi.verbs.kit.updates import PATCH, image, patch, update_xml


def upload(content: bytes, **query: str) -> bytes:
    return f"PUT /pool_patch_upload?{urlencode(query)} HTTP/1.1\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content


async def sent(xen: Any, client: Any, content: bytes, **query: str) -> dict[str, Any]:
    """The client's task after an upload."""
    task = await xen.call("task.create", "upload", "")
    await exchange(client, upload(content, session_id=xen.session, task_id=task, **query))
    return dict(xen.task_record(task))


def test_an_uploaded_patch_is_the_result_of_the_task() -> None:
    async def body() -> None:
        async with served(release="tampa") as (xen, client):
            content = patch() + bytes(range(256)) * 100
            task = await sent(xen, client, content)
            (one,) = await xen.call("pool_patch.get_all")
            assert task == {"status": "success", "progress": 1.0, "result": one, "error_info": ()}
            record = (await xen.call("pool_patch.get_record", one)).value()
            assert record == {
                "uuid": PATCH,
                "name_label": "XS61E001",
                "name_description": "a fix",
                "version": "1.0",
                "size": len(content),
                "pool_applied": False,
                "host_patches": [],
                "after_apply_guidance": ["restartHost", "restartXAPI"],
                "other_config": {},
            }
            assert xen.content(one) == content
            assert (await sent(xen, client, patch()))["error_info"] == ("PATCH_ALREADY_EXISTS", PATCH)
            await xen.call("pool_patch.clean", one)
            assert (await sent(xen, client, patch()))["result"] == one

    run(body())


@pytest.mark.parametrize("content", [b"", b"no patch", patch(uuid="no"), patch(guidance="dance")])
def test_what_is_no_patch_is_refused(content: bytes) -> None:
    async def body() -> None:
        async with served(release="boston") as (xen, client):
            assert (await sent(xen, client, content))["error_info"] == ("INVALID_PATCH",)
            assert await xen.call("pool_patch.get_all") == []

    run(body())


def test_since_ely_an_upload_is_an_update_on_a_vdi() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            content = image({"update.xml": update_xml()})
            task = await sent(xen, client, content, sr_id=xen.xapi.world.uuid(xen.sr))
            (one,) = await xen.call("pool_patch.get_all")
            assert (task["status"], task["result"]) == ("success", one)
            (update,) = await xen.call("pool_update.get_all")
            vdi = await xen.call("pool_update.get_vdi", update)
            assert await xen.call("pool_patch.get_pool_update", one) == update
            assert xen.content(vdi)[: len(content)] == content
            again = await sent(xen, client, content, sr_id=xen.xapi.world.ref(xen.sr))
            assert again["error_info"] == ("UPDATE_ALREADY_EXISTS", PATCH)
            bad = await sent(xen, client, b"no update", sr_id=xen.xapi.world.ref(xen.sr))
            assert bad["error_info"] == ("INVALID_UPDATE", "Please upload a valid package.")
            assert await xen.call("VDI.get_all") == [vdi]
            nowhere = await sent(xen, client, content)
            assert nowhere["status"] == "failure"

    run(body())
