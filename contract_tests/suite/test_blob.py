"""Blobs: bytes that are kept with an object, put and got over HTTP (semantics 12)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from contract_tests.made import Made
from contract_tests.refusals import DEAD, NEVER, refusal
from contract_tests.target import Reply, Target

CONTENT = bytes(range(256)) * 700


@pytest.fixture
def blob(xapi: Any, made: Made) -> str:
    """A blob of ours that nothing has."""
    found: str = xapi.blob.create("text/plain")
    made.later(xapi.blob.destroy, found)
    return found


@pytest.fixture
def exchanged(target: Target, session: Any) -> Any:
    """Put bytes into a blob, or get them."""

    def exchange(method: str, body: bytes = b"", **query: str) -> Reply:
        return target.request(method, f"/blob?{urlencode({'session_id': session.handle, **query})}", body)

    return exchange


def test_a_new_blob_is_empty(xapi: Any, blob: str) -> None:
    """No bytes, never updated, not public."""
    record = xapi.blob.get_record(blob)
    assert {name: record[name] for name in ("mime_type", "size", "name_label")} == {
        "mime_type": "text/plain",
        "size": "0",
        "name_label": "",
    }
    assert record["last_updated"].value == NEVER


def test_no_type_means_any_bytes(xapi: Any, made: Made) -> None:
    """application/octet-stream."""
    found = xapi.blob.create("")
    made.later(xapi.blob.destroy, found)
    assert xapi.blob.get_mime_type(found) == "application/octet-stream"


@pytest.mark.rule("blob")
@pytest.mark.parametrize("content", [b"hello", CONTENT])
def test_what_is_put_is_got(xapi: Any, exchanged: Any, blob: str, content: bytes) -> None:
    """PUT /blob by reference, GET /blob by uuid, with the blob's type."""
    assert exchanged("PUT", content, ref=blob).status == 200
    reply = exchanged("GET", uuid=xapi.blob.get_uuid(blob))
    assert (reply.status, reply.headers["content-type"], reply.body) == (200, "text/plain", content)
    assert xapi.blob.get_size(blob) == str(len(content))
    assert xapi.blob.get_last_updated(blob).value != NEVER


def test_an_empty_blob_is_not_found(exchanged: Any, blob: str) -> None:
    """404 until something was put."""
    assert exchanged("GET", ref=blob).status == 404


@pytest.mark.rule("blob")
@pytest.mark.parametrize(("query", "status"), [({}, 400), ({"ref": DEAD}, 404)])
def test_what_is_no_blob_is_not_found(exchanged: Any, query: dict[str, str], status: int) -> None:
    """400 for a request that names none, 404 for one that is not there."""
    assert exchanged("GET", **query).status == status


@pytest.mark.rule("blob")
def test_a_stranger_is_asked_who_he_is(target: Target, blob: str, exchanged: Any) -> None:
    """401 for reading a blob that is not public, and for writing any."""
    exchanged("PUT", b"hello", ref=blob)
    assert target.request("GET", f"/blob?{urlencode({'ref': blob})}").status == 401
    assert target.request("PUT", f"/blob?{urlencode({'ref': blob})}", b"bye").status == 401
    assert exchanged("GET", ref=blob).body == b"hello"


@pytest.mark.rule("blob")
@pytest.mark.requires("blob.set_public")
def test_a_public_blob_is_for_everybody(xapi: Any, target: Target, blob: str, exchanged: Any) -> None:
    """GET without a session; PUT still needs one."""
    exchanged("PUT", b"hello", ref=blob)
    xapi.blob.set_public(blob, True)
    assert target.request("GET", f"/blob?{urlencode({'ref': blob})}").body == b"hello"
    assert target.request("PUT", f"/blob?{urlencode({'ref': blob})}", b"bye").status == 401


def test_a_vm_has_blobs_under_names(xapi: Any, made: Made) -> None:
    """VM.create_new_blob puts it into VM.blobs; blob.destroy takes it out."""
    vm = made.vm()
    blob = xapi.VM.create_new_blob(vm, "icon", "image/png")
    assert xapi.VM.get_blobs(vm) == {"icon": blob}
    assert xapi.blob.get_mime_type(blob) == "image/png"
    xapi.blob.destroy(blob)
    assert xapi.VM.get_blobs(vm) == {}
    assert refusal(xapi.blob.get_size, blob) == ["HANDLE_INVALID", "blob", blob]


@pytest.mark.parametrize("cls", ["SR", "host", "network", "pool"])
def test_other_objects_have_blobs_as_well(xapi: Any, made: Made, sr: str, host: str, cls: str) -> None:
    """create_new_blob of SR, host, network and pool."""
    owner = {"SR": sr, "host": host, "network": made.network, "pool": xapi.pool.get_all()[0]}[cls]
    name = made.name()
    calls = getattr(xapi, cls)
    blob = calls.create_new_blob(owner, name, "text/plain")
    made.later(xapi.blob.destroy, blob)
    assert calls.get_blobs(owner)[name] == blob
