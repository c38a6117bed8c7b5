"""HTTP handlers beside those of disks and archives: what hosts and VMs are measured to do, and their consoles."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from contract_tests.capabilities import Server
from contract_tests.target import Reply, Target


@pytest.fixture
def get(target: Target, session: Any) -> Any:
    """GET a path as who is logged in."""

    def ask(path: str, **query: str) -> Reply:
        return target.request("GET", f"{path}?{urlencode({'session_id': session.handle, **query})}")

    return ask


@pytest.fixture(scope="module")
def lately(xapi: Any, host: str) -> str:
    """Five minutes ago by the host's clock, in seconds since 1970."""
    now = xmlrpc_date(xapi.host.get_servertime(host))
    return str(int(now.timestamp()) - 300)


def xmlrpc_date(date: Any) -> datetime:
    """A date of the wire."""
    return datetime.strptime(date.value, "%Y%m%dT%H:%M:%SZ").replace(tzinfo=UTC)


@pytest.mark.rule("GET /rrd_updates")
def test_updates_need_to_know_since_when(get: Any) -> None:
    """400 without start."""
    assert get("/rrd_updates").status == 400


@pytest.mark.rule("GET /rrd_updates")
def test_updates_are_a_table(xapi: Any, get: Any, host: str, lately: str) -> None:
    """Meta says how many rows and columns there are and what they are; each row has as many values, the newest first."""
    tree = ET.fromstring(get("/rrd_updates", start=lately, host="true").text)  # noqa: S314  # the server is the operator's own
    legend = [entry.text or "" for entry in tree.iter("entry")]
    rows = list(tree.iter("row"))
    assert (tree.tag, tree.findtext("meta/columns"), tree.findtext("meta/rows")) == ("xport", str(len(legend)), str(len(rows)))
    assert {len(row.findall("v")) for row in rows} == {len(legend)}
    times = [int(row.findtext("t") or "") for row in rows]
    assert times == sorted(times, reverse=True)
    assert f"AVERAGE:host:{xapi.host.get_uuid(host)}:cpu0" in legend


@pytest.mark.rule("GET /rrd_updates")
def test_updates_are_of_one_kind_when_asked(get: Any, lately: str) -> None:
    """cf= leaves the other consolidations out."""
    tree = ET.fromstring(get("/rrd_updates", start=lately, host="true", cf="MAX", interval="60").text)  # noqa: S314  # as above
    assert {(entry.text or "").partition(":")[0] for entry in tree.iter("entry")} <= {"MAX"}


@pytest.mark.rule("GET /rrd_updates")
def test_updates_come_as_json_as_well(get: Any, lately: str, server: Server) -> None:
    """json=true: {meta, data: [{t, values}]}; the releases of 2012 wrote what is no JSON."""
    if server.era != "modern":
        pytest.skip(f"{server.summary} has no well-formed-JSON")
    answer = json.loads(get("/rrd_updates", start=lately, host="true", json="true").text)
    assert {len(row["values"]) for row in answer["data"]} == {len(answer["meta"]["legend"])}


@pytest.mark.rule("GET /vm_rrd and host_rrd")
@pytest.mark.parametrize("path", ["/host_rrd", "/vm_rrd"])
def test_whole_databases_are_read(xapi: Any, get: Any, dom0: str, path: str) -> None:
    """An rrd with its sources and archives, whose step is five seconds."""
    query = {"uuid": xapi.VM.get_uuid(dom0)} if path == "/vm_rrd" else {}
    tree = ET.fromstring(get(path, **query).text)  # noqa: S314  # as above
    assert (tree.tag, tree.findtext("step")) == ("rrd", "5")
    assert {int(archive.findtext("pdp_per_row") or "") for archive in tree.iter("rra")} == {1, 12, 720, 17280}
    assert "cpu0" in {(source.findtext("name") or "").strip() for source in tree.iter("ds")}


@pytest.mark.rule("GET /vm_rrd and host_rrd")
def test_a_database_has_an_owner(get: Any) -> None:
    """400 for /vm_rrd without uuid."""
    assert get("/vm_rrd").status == 400


@pytest.mark.rule("HTTP 401")
@pytest.mark.parametrize("path", ["/rrd_updates?start=0", "/host_rrd", "/vm_rrd?uuid=x"])
def test_strangers_are_not_told_what_is_measured(target: Target, path: str) -> None:
    """401 without a session."""
    assert target.request("GET", path).status == 401


def begun(target: Target, path: str) -> bytes:
    """What a server says to CONNECT until it has said all of its head and greeted, or has ended."""
    with target.connection() as connection:
        connection.connect()
        connection.sock.sendall(f"CONNECT {path} HTTP/1.0\r\n\r\n".encode())
        said = b""
        while b"\r\n\r\n" not in said or len(said.partition(b"\r\n\r\n")[2]) < len(b"RFB 003.008\n"):
            more = connection.sock.recv(4096)
            if not more:
                break
            said += more
        return said


@pytest.mark.rule("CONNECT /console")
def test_a_console_greets_in_its_protocol(xapi: Any, target: Target, session: Any, running: str) -> None:
    """200, then RFB's own greeting on the same connection."""
    consoles = xapi.VM.get_consoles(running)
    screen = next(console for console in consoles if xapi.console.get_protocol(console) == "rfb")
    said = begun(target, f"/console?uuid={xapi.console.get_uuid(screen)}&session_id={session.handle}")
    head, _, greeting = said.partition(b"\r\n\r\n")
    assert (head.split()[1], greeting[:8]) == (b"200", b"RFB 003.")


@pytest.mark.rule("CONNECT /console")
def test_a_console_is_not_for_strangers(xapi: Any, target: Target, running: str) -> None:
    """401 without a session."""
    console = xapi.console.get_uuid(xapi.VM.get_consoles(running)[0])
    assert begun(target, f"/console?uuid={console}").split()[1] == b"401"
