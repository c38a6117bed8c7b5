"""Screens and diagnostics of servers as each version of the API tells them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.compute_core.api import harness
from tests.compute_core.api.harness import Api, run

PROXY = "http://127.0.0.1:6080"
MEASURED = {"cpu0": 0.25, "memory": 512.0 * (1 << 20), "memory_internal_free": 100.0 * 1024, "vif_0_rx": 12.7, "vbd_xvda_read": 4096.0}
RUNNING = {"power_state": "Running", "vcpus": 1, "uptime_s": 60, "values": MEASURED}
HALTED: dict[str, Any] = {"power_state": "Halted", "vcpus": 1, "uptime_s": None, "values": {}}


def test_a_screen_is_opened_by_a_url_with_a_token(tmp_path: Path) -> None:
    async def test(cloud: Api) -> None:
        server = await cloud.active()
        old, new = f"/v2.1/servers/{server}/action", f"/v2.1/servers/{server}/remote-consoles"
        asked = {"os-getVNCConsole": {"type": "novnc"}}
        assert (await cloud.send("POST", old, asked)).status == 503
        cloud.cloud.services.consoles.url = PROXY
        first = await cloud.send("POST", old, asked, version=5)
        assert first.json["console"]["url"].startswith(f"{PROXY}/vnc_auto.html?path=%3Ftoken%3D")
        assert (await cloud.send("POST", old, asked, version=6)).status == 404
        wanted = {"remote_console": {"protocol": "vnc", "type": "xvpvnc"}}
        second = (await cloud.send("POST", new, wanted, version=6)).json["remote_console"]
        assert (second["protocol"], second["type"]) == ("vnc", "xvpvnc")
        assert second["url"].startswith(f"{PROXY}/console?token=")
        assert (await cloud.send("POST", new, wanted, version=5)).status == 404
        spice = {"remote_console": {"protocol": "spice", "type": "spice-html5"}}
        assert (await cloud.send("POST", new, spice, version=6)).status == 400
        token = second["url"].partition("=")[2]
        path = f"/v2.1/os-console-auth-tokens/{token}"
        assert (await cloud.send("GET", path, version=31)).status == 403
        told = (await cloud.get(path, version=31, user="admin"))["console"]
        assert told == {"instance_uuid": server, "host": "127.0.0.1", "port": 6080, "internal_access_path": "/console"}
        assert (await cloud.send("GET", f"{path}x", version=31, user="admin")).status == 404

    run(tmp_path, test)


def test_a_server_that_is_being_built_has_no_screen(tmp_path: Path) -> None:
    async def test(cloud: Api) -> None:
        server = await cloud.server()
        reply = await cloud.send("POST", f"/v2.1/servers/{server}/action", {"os-getVNCConsole": {"type": "novnc"}})
        assert reply.status == 409

    run(tmp_path, test)


@pytest.mark.parametrize(("version", "told"), [(1, RUNNING), (47, RUNNING), (48, RUNNING), (87, HALTED)])
def test_diagnostics_are_the_hosts_own_until_2_47_and_novas_from_then_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int, told: dict[str, Any]
) -> None:
    monkeypatch.setitem(harness.ANSWERS, "diagnostics", told)

    async def test(cloud: Api) -> None:
        server = await cloud.active()
        assert (await cloud.send("GET", f"/v2.1/servers/{server}/diagnostics")).status == 403
        shown = await cloud.get(f"/v2.1/servers/{server}/diagnostics", version=version, user="admin")
        if version < 48:
            assert shown == MEASURED
            return
        assert (shown["driver"], shown["state"]) == ("xenapi", "running" if told is RUNNING else "shutdown")
        if told is RUNNING:
            assert shown["memory_details"] == {"maximum": 512, "used": 412}
            assert shown["cpu_details"] == [{"id": 0, "time": None, "utilisation": 25}]
            assert (shown["nic_details"][0]["rx_rate"], shown["disk_details"][0]["read_bytes"], shown["uptime"]) == (12, 4096, 60)

    run(tmp_path, test)
