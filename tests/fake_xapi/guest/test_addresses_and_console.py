"""The addresses of a guest, its system, and the text on its console."""

from __future__ import annotations

import asyncio
import json

import pytest

from fake_xapi.engine.durations import durations
from fake_xapi.engine.settings import Settings
from fake_xapi.guest.addresses import networks
from fake_xapi.guest.console_log import console_text
from fake_xapi.guest.systems import system_of
from tests.fake_xapi.verbs.kit.hosts import Host, over_host

MAC = "fa:16:3e:00:00:01"
KEY = "vm-data/networking/fa163e000001"
GIVEN = {"mac": MAC, "ips": [{"ip": "10.0.0.11"}, {"ip": "10.0.0.12"}], "ip6s": [{"ip": "fd00::11"}]}


def _networks(xenstore_data: dict[str, str]) -> dict[str, str]:
    async def body(host: Host) -> dict[str, str]:
        vm = await host.vm(xenstore_data=xenstore_data)
        await host.vif(vm, MAC=MAC)
        await host.call("VM.start", vm, False, False)
        return networks(host.world, host.row(vm))

    return over_host(body)


@pytest.mark.parametrize("key", [KEY, "vm-data/networking/FA163E000001"])
def test_addresses_come_from_xenstore(key: str) -> None:
    assert _networks({key: json.dumps(GIVEN)}) == {
        "0/ip": "10.0.0.11",
        "0/ipv4/0": "10.0.0.11",
        "0/ipv4/1": "10.0.0.12",
        "0/ipv6/0": "fd00::11",
    }


@pytest.mark.parametrize("text", ["", "not json", "7", "[]", '{"ips": 7}', '{"ips": [{}]}'])
def test_without_them_a_lease_follows_from_the_address_of_the_interface(text: str) -> None:
    leased = _networks({KEY: text})
    assert leased == _networks({})
    assert leased["0/ip"].startswith("10.")
    assert leased["0/ipv6/0"] == "fe80::f816:3eff:fe00:1"


def test_a_detached_interface_has_no_address() -> None:
    async def body(host: Host) -> dict[str, str]:
        vm = await host.vm()
        await host.vif(vm)
        return networks(host.world, host.row(vm))

    assert over_host(body) == {}


@pytest.mark.parametrize(
    ("fields", "distro"),
    [
        ({"name_label": "Windows Server 2012"}, "windows"),
        ({"other_config": {"base_template_name": "Ubuntu Precise Pangolin 12.04 (64-bit)"}}, "ubuntu"),
        ({"other_config": {"base_template_name": "CentOS 6"}}, "centos"),
        ({"name_label": "web"}, "debian"),
    ],
)
def test_a_guest_runs_what_its_template_says(fields: dict[str, object], distro: str) -> None:
    async def body(host: Host) -> str:
        return system_of(host.row(await host.vm(**fields)), "modern").distro

    assert over_host(body) == distro


def test_the_console_says_how_far_the_guest_is() -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server(xenstore_data={}, PV_args="quiet")
        await host.call("VM.start", vm, False, False)
        booting = console_text(host.world, host.id(vm))
        assert "ro console=hvc0 quiet\r\n" in booting
        assert "Booting on Xen as a pv domain, 1024 MiB\r\n" in booting
        assert "blkfront: xvda: barrier: enabled\r\n" in booting
        await asyncio.sleep(120)
        up = console_text(host.world, host.id(vm))
        address = host.world[host.row(vm)["guest_metrics"]]["networks"]["0/ip"]
        assert f"eth0: link up, address {address}\r\n" in up
        assert up.endswith("web login: \r\n")
        assert up.startswith(booting)
        await host.call("VM.clean_shutdown", vm)
        assert console_text(host.world, host.id(vm)).endswith("reboot: Power down\r\n")

    over_host(body, settings=Settings(durations=durations("realistic")))
