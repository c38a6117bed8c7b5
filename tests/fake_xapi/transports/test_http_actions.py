"""Every HTTP action of XenAPI answers: it is served, or declined with a reason. And what those do that have no tests of their own."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.datamodel.model import HttpAction
from fake_xapi.dom0.glyphs import glyph
from fake_xapi.dom0.report_files import REPORTED
from fake_xapi.dom0.screens import screen_of
from fake_xapi.dom0.updateinfo import place_of, unpacked
from fake_xapi.transports.http import CODECS
from fake_xapi.transports.services import DECLINED
from tests.fake_xapi.engine.kit import Kit
from tests.fake_xapi.transports.images import exchange, served
from tests.fake_xapi.transports.serving import Client, Reply, run
from tests.fake_xapi.transports.worlds import Host as Xen
from tests.fake_xapi.verbs.kit.hosts import Host, furnish
from tests.fake_xapi.verbs.kit.repodata import bundle, files, update
from tests.fake_xapi.verbs.kit.updates import PATCH, image, introduced, update_xml

ONE = update("U-1", mandatory="RebootHost")
Ask = Callable[..., Any]


@asynccontextmanager
async def asking(release: str = "latest") -> AsyncIterator[tuple[Host, Ask]]:
    """A host, and a function that asks it on a connection that stays."""
    async with served(release=release) as (xen, client):
        yield furnish(Kit(xen.xapi, xen.session)), _asker(xen, client)


def _asker(xen: Xen, client: Client) -> Ask:
    async def ask(path: str, method: str = "GET", body: bytes = b"", **query: str) -> Reply:
        told = urlencode({"session_id": xen.session, **query})
        return await exchange(client, f"{method} {path}?{told} HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    return ask


# ---- all of them -----------------------------------------------------------------------------------------------------------------

BY_CODECS = {
    "post_root",
    "post_RPC2",
    "post_json",
    "post_jsonrpc",
    "post_root_options",
    "post_json_options",
    "post_jsonrpc_options",
    "get_root",
}
"""Those that are not transfers."""
DECLINED_ACTIONS = {action for action, _ in DECLINED.values()} | {"post_cli"}


def test_most_are_served() -> None:
    names = {action.name for action in datamodel().http_actions}
    assert len(names) == len(datamodel().http_actions) == 57
    assert names >= DECLINED_ACTIONS | BY_CODECS
    assert len(DECLINED_ACTIONS) == 14


@pytest.mark.parametrize("action", datamodel().http_actions, ids=lambda action: action.name)
def test_every_action_answers(action: HttpAction) -> None:
    async def body() -> None:
        async with served() as (xen, client):
            told = urlencode({"session_id": xen.session})
            await client.send(f"{action.method} {action.uri}?{told} HTTP/1.1\r\nContent-Length: 0\r\n\r\n".encode())
            head = await client.reader.readuntil(b"\r\n\r\n")
            status = int(head.split()[1])
            if action.name in DECLINED_ACTIONS:
                assert status == 501
            elif action.name in BY_CODECS:
                assert (status, action.uri in CODECS) == (500 if action.method == "POST" else 200, True)  # no call is in the body
            else:
                assert status in (200, 400, 403, 404, 411, 500), head
                assert status != 404 or b"404 not found</h1></body>" not in await client.reader.read(200)  # a page with a reason

    run(body())


@pytest.mark.parametrize(("method", "path"), [*DECLINED, (b"POST", b"/cli")], ids=str)
def test_what_is_declined_says_why(method: bytes, path: bytes) -> None:
    async def body() -> None:
        async with served() as (xen, client):
            reply = await exchange(
                client, method + b" " + path + f"?session_id={xen.session} HTTP/1.1\r\nContent-Length: 0\r\n\r\n".encode()
            )
            assert reply.status == 501
            assert len(reply.body) > len(b"<html><body><h1>HTTP 501 not implemented</h1></body></html>") + 20

    run(body())


def test_services_are_listed_and_no_other_daemon_listens() -> None:
    async def body() -> None:
        async with asking() as (host, ask):
            host.kit.make("SM", type="nfs", name_label="NFS <file>")
            page = await ask("/services")
            assert (page.status, b"<li>nfs: NFS &lt;file&gt;</li>" in page.body) == (200, True)
            assert [(await ask(f"/services/plugin/{name}", method)).status for name, method in (("x", "GET"), ("y", "POST"))] == [404, 501]

    run(body())


def test_balancing_is_not_there() -> None:
    async def body() -> None:
        async with asking() as (host, ask):
            task = await host.call("task.create", "report", "")
            assert (await ask("/wlb_report", task_id=task)).status == 500
            assert host.row(task)["error_info"] == ("WLB_NOT_INITIALIZED",)
            with host.world.edit() as edit:
                edit.set(next(host.world.ids("pool")), wlb_url="wlb:8012")
            task = await host.call("task.create", "report", "")
            await ask("/wlb_diagnostics", task_id=task)
            assert host.row(task)["error_info"] == ("WLB_CONNECTION_REFUSED",)

    run(body())


# ---- what hosts keep on their disks ----------------------------------------------------------------------------------------------


def members(content: bytes, mode: str = "r:*") -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(content), mode=mode) as tar:  # type: ignore[call-overload]  # one of its modes
        return {one.name: (tar.extractfile(one) or io.BytesIO()).read().decode() for one in tar}


def zip_members(content: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


@pytest.mark.parametrize(
    ("output", "read"),
    [("tar", lambda body: members(body, "r:")), ("tar.bz2", lambda body: members(body, "r:bz2")), ("zip", zip_members)],
)
def test_a_bug_report_is_what_it_is_asked_to_be(output: str, read: Callable[[bytes], dict[str, str]]) -> None:
    async def body() -> None:
        async with asking() as (host, ask):
            vm, *_ = await host.server()
            await host.call("VM.start", vm, False, False)
            everything = read((await ask("/system-status", output=output)).body)
            names = {name.partition("/")[2] for name in everything}
            assert {"var/log/xensource.log", "var/log/audit.log", "etc/xensource-inventory", "pbds.out", "xl-list.out"} <= names
            assert f"var/log/xen/guest/console.{host.row(vm)['domid']}" in names
            some = read((await ask("/system-status", output=output, entries="xen-info,no-such-thing")).body)
            assert [name.partition("/")[2] for name in some] == ["versions.out"]
            logged = next(text for name, text in everything.items() if name.endswith("audit.log"))
            assert "VM.start" in logged
            assert not any("xenroot" in text for text in everything.values())

    run(body())


def test_a_bug_report_of_no_known_form_is_refused() -> None:
    async def body() -> None:
        async with asking() as (host, ask):
            task = await host.call("task.create", "report", "")
            assert (await ask("/system-status", output="rar", task_id=task)).status == 500
            assert host.row(task)["error_info"] == ("SYSTEM_STATUS_RETRIEVAL_FAILED", "unknown output rar")
            assert set(REPORTED) <= set(_capabilities(await host.call("host.get_system_status_capabilities", host.host)))

    run(body())


def _capabilities(document: str) -> list[str]:
    return [entry.attrib["key"] for entry in ET.fromstring(document)]


def test_logs_are_downloaded() -> None:
    async def body() -> None:
        async with asking() as (_, ask):
            reply = await ask("/host_logs_download")
            assert (reply.status, reply.headers["content-disposition"]) == (200, 'attachment; filename="logs.tar.gz"')
            assert {"var/log/xensource.log", "var/log/xen/hypervisor.log", "var/log/audit.log"} <= set(members(reply.body))

    run(body())


def test_a_backup_is_taken_back_by_a_host_of_its_release_alone() -> None:
    async def body() -> None:
        async with asking() as (host, ask):
            host.set(host.host, software_version={"product_version": "8.4.0", "db_schema": "5.909"})
            backup = (await ask("/host_backup")).body
            assert "INSTALLATION_UUID" in members(backup)["etc/xensource-inventory"]
            assert (await ask("/host_restore", "PUT", backup)).status == 200
            kept = next(row["content"] for _, row in host.world.rows("dom0_file") if row["path"] == "/var/backup/restored.sha256")
            assert kept == f"{hashlib.sha256(backup).hexdigest()}\n"
            host.set(host.host, software_version={"product_version": "8.5.0"})
            for content, error in (
                (backup, ("RESTORE_INCOMPATIBLE_VERSION",)),
                (backup[:100], ("RESTORE_SCRIPT_FAILED", "this is no backup: ")),
                (gzip.compress(bytes(1024)), ("RESTORE_SCRIPT_FAILED", "there is no etc/xensource-inventory in the backup")),
            ):
                task = await host.call("task.create", "restore", "")
                assert (await ask("/host_restore", "PUT", content, task_id=task)).status == 500
                told = host.row(task)["error_info"]
                assert (told[0], [one[: len(other)] for one, other in zip(told[1:], error[1:], strict=True)]) == (error[0], list(error[1:]))

    run(body())


def test_the_database_is_dumped_as_a_document() -> None:
    async def body() -> None:
        async with asking() as (host, ask):
            vm = await host.vm(name_label='a "b" <c> & \x01', xenstore_data={"it's": "so"})
            root = ET.fromstring((await ask("/pool/xmldbdump")).body)
            tables = {table.attrib["name"]: table for table in root.findall("table")}
            assert {"VM", "host", "pool", "SR"} <= set(tables)
            assert not {"session", "task", "user_session", "guest", "rrd"} & set(tables)
            row = next(row.attrib for row in tables["VM"] if row.attrib["ref"] == vm)
            assert (row["_ref"], row["name__label"], row["xenstore_data"]) == (vm, 'a "b" <c> & ', "(('it\\'s' 'so'))")
            assert (row["is_a_template"], row["memory__static_max"], row["VBDs"]) == ("false", str(1 << 30), "()")
            generation = next(pair for pair in root.findall("manifest/pair") if pair.attrib["key"] == "generation_count")
            assert generation.attrib["value"] == str(host.world.generation)

    run(body())


def test_only_hosts_fetch_configuration() -> None:
    async def body() -> None:
        async with asking() as (_, ask):
            assert (await ask("/sync_config_files/0")).status == 403

    run(body())


# ---- updates ---------------------------------------------------------------------------------------------------------------------


def test_files_of_an_update_are_fetched() -> None:
    async def body() -> None:
        async with asking() as (host, ask):
            content = update_xml()
            await introduced(host, image({"update.xml": content}))
            found = await ask(f"/update/{PATCH}/update.xml")
            assert (found.status, found.body) == (200, content)
            for path in (f"/update/{PATCH}/other", f"/update/{PATCH}/..%2Fupdate.xml", "/update/none/update.xml", "/update/"):
                assert (await ask(path)).status == 404

    run(body())


def test_the_repository_in_use_is_there_for_other_hosts() -> None:
    async def body() -> None:
        async with asking() as (host, ask):
            assert (await ask("/repository/enabled/repodata/repomd.xml")).status == 500  # NO_REPOSITORY_ENABLED
            one = await host.call("Repository.introduce_bundle", "a", "")
            (pool,) = await host.call("pool.get_all")
            await host.call("pool.set_repositories", pool, [one])
            assert (await ask("/host_updates")).status == 500
            assert (await ask("/bundle", "PUT", bundle(files(ONE)))).status == 200
            place = place_of((await ask("/repository/enabled/repodata/repomd.xml")).body)
            assert "<id>U-1</id>" in unpacked((await ask(f"/repository/enabled/{place.href}")).body, place)
            assert json.loads((await ask("/host_updates")).body) == {
                "updates": ["xapi-1-U-1.x86_64"], "accumulative_updates": ["xapi-1-U-1.x86_64"], "update_ids": ["U-1"],
            }  # fmt: skip
            for path, status in (
                ("/repository/enabled/Packages/x.rpm", 404),
                ("/repository/enabled", 404),
                ("/repository", 403),
                ("/repository/x", 403),
            ):
                assert (await ask(path)).status == status

    run(body())


# ---- pictures --------------------------------------------------------------------------------------------------------------------


def test_a_picture_shows_the_screen() -> None:
    async def body() -> None:
        async with asking() as (host, ask):
            vm, *_ = await host.server()
            await host.call("VM.start", vm, False, False)
            while not host.row(vm)["guest_metrics"]:  # noqa: ASYNC110  # its life goes on behind the call
                await asyncio.sleep(0)
            reply = await ask("/vncsnapshot", uuid=await host.call("VM.get_uuid", vm))
            assert (reply.status, reply.headers["content-type"]) == (200, "image/jpeg")
            lines = screen_of(host.world, host.id(vm)).lines
            with Image.open(io.BytesIO(reply.body)) as picture:
                assert (picture.size, picture.mode) == ((640, 16 * len(lines)), "L")
                for line, text in enumerate(lines[1:3], start=1):
                    for column, character in enumerate(text):
                        dots = [[picture.getpixel((8 * column + x, 16 * line + y)) for x in range(8)] for y in range(16)]
                        lit = tuple(sum((int(str(dot)) > 85) << (7 - x) for x, dot in enumerate(row)) for row in dots)
                        assert lit == glyph(character)
            assert (await ask("/vncsnapshot", uuid="none")).status == 404

    run(body())
