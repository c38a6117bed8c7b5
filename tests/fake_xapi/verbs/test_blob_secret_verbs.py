"""Blobs and secrets: what other objects hold by name or by uuid."""

from __future__ import annotations

import pytest

from fake_xapi.verbs.blob import OWNERS
from tests.fake_xapi.verbs.kit.hosts import Host, over_host


@pytest.mark.parametrize("cls", OWNERS)
def test_an_object_has_blobs_under_names_that_are_taken_once(cls: str) -> None:
    async def body(host: Host) -> None:
        owner = await host.vm() if cls == "VM" else host.world.ref(next(host.world.ids(cls)))
        blob = await host.call(f"{cls}.create_new_blob", owner, "icon", "", True)
        assert await host.call(f"{cls}.get_blobs", owner) == {"icon": blob}
        assert (host.row(blob)["mime_type"], host.row(blob)["public"]) == ("application/octet-stream", True)
        refusal = await host.refused(f"{cls}.create_new_blob", owner, "icon", "text/plain")
        assert refusal == ["MAP_DUPLICATE_KEY", cls, "blobs", owner, "icon"]
        assert host.world.count("blob") == 1
        await host.call("blob.destroy", blob)
        assert (await host.call(f"{cls}.get_blobs", owner), host.world.count("blob")) == ({}, 0)

    over_host(body)


def test_a_blob_is_no_bytes_at_first_and_belongs_to_nobody() -> None:
    async def body(host: Host) -> None:
        blob = host.row(await host.call("blob.create", "text/plain"))
        assert (blob["mime_type"], blob["public"], blob["size"], blob["last_updated"]) == ("text/plain", False, 0, "19700101T00:00:00Z")

    over_host(body)


def test_a_vm_takes_its_blobs_and_their_bytes_with_it() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        blob = host.id(await host.call("VM.create_new_blob", vm, "icon", "image/png"))
        host.kit.xapi.disks.create(blob, 4096)
        await host.call("VM.destroy", vm)
        assert (host.world.get(blob), blob in host.kit.xapi.disks) == (None, False)

    over_host(body)


def test_a_secret_is_introduced_under_its_uuid_once() -> None:
    async def body(host: Host) -> None:
        uuid = "11111111-2222-3333-4444-555555555555"
        secret = await host.call("secret.introduce", uuid, "value", {"a": "b"})
        record = (await host.call("secret.get_record", secret)).value()
        assert record == {"uuid": uuid, "value": "value", "other_config": {"a": "b"}}
        refusal = await host.refused("secret.introduce", uuid, "another", {})
        assert refusal == ["DB_UNIQUENESS_CONSTRAINT_VIOLATION", "secret", "uuid", uuid]

    over_host(body)


def test_what_is_done_with_secrets_is_audited_without_them() -> None:
    async def body(host: Host) -> None:
        secret = await host.call("secret.create", {"value": "hush", "other_config": {"name": "hush"}})
        await host.call("secret.set_value", secret, "hush")
        lines = list(host.kit.xapi.audit_lines(""))
        assert [line.split("'API' ")[1] for line in lines] == ["'secret.create' ())", "'secret.set_value' ())"]

    over_host(body)
