"""VM.call_plugin and VM.call_host_plugin: what a guest's agent can be asked for, and every refusal."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from tests.fake_xapi.verbs.kit.hosts import Host, over_host

PLUGIN = "guest-agent-operation"
SCRIPT = {"username": "u", "password": "p", "script": "dir"}


async def _up(host: Host, name: str = "Windows 7") -> str:
    vm, *_ = await host.server(name_label=name)
    await host.call("VM.start", vm, False, False)
    await asyncio.sleep(1)
    return vm


async def _allow_scripts(host: Host) -> None:
    pool = host.world.ref(next(host.world.ids("pool")))
    await host.call("pool.add_to_other_config", pool, "allow_guest_agent_run_script", "true")


def test_a_remote_desktop_is_switched_on_and_off() -> None:
    async def body(host: Host) -> None:
        vm = await _up(host)
        metrics = host.row(vm)["guest_metrics"]
        assert host.world[metrics]["other"]["data-ts"] == "0"
        for fn, shown in (("request-rdp-on", "1"), ("request-rdp-off", "0")):
            assert await host.call("VM.call_plugin", vm, PLUGIN, fn, {}) == ""
            assert host.world[metrics]["other"]["data-ts"] == shown
            await asyncio.sleep(10)

    over_host(body)


def test_a_script_is_given_to_the_guest() -> None:
    async def body(host: Host) -> None:
        vm = await _up(host)
        await _allow_scripts(host)
        digest = hashlib.sha256(b"dir").hexdigest()
        assert await host.call("VM.call_plugin", vm, PLUGIN, "run-script", SCRIPT) == f"SUCCESS ran a script of 3 bytes, SHA-256 {digest}"

    over_host(body)


@pytest.mark.parametrize(
    ("args", "refusal"),
    [
        ({"username": "u", "password": "p"}, ["XENAPI_PLUGIN_FAILURE", "missing argument", "", "Argument script is required."]),
        (
            {**SCRIPT, "script": "x" * 1025},
            ["XENAPI_PLUGIN_FAILURE", "length restriction", "", "The script length must not exceed 1024 bytes"],
        ),
    ],
)
def test_a_script_that_is_not_taken(args: dict[str, str], refusal: list[str]) -> None:
    async def body(host: Host) -> list[str]:
        vm = await _up(host)
        await _allow_scripts(host)
        return await host.refused("VM.call_plugin", vm, PLUGIN, "run-script", args)

    assert over_host(body) == refusal


def test_scripts_are_for_pools_that_allow_them_and_guests_that_can() -> None:
    async def body(host: Host) -> None:
        vm = await _up(host, "web")
        assert await host.refused("VM.call_plugin", vm, PLUGIN, "run-script", SCRIPT) == ["FEATURE_RESTRICTED"]
        await asyncio.sleep(10)
        await _allow_scripts(host)
        text = "run-script is not supported on the given VM (or it is still booting)"
        assert await host.refused("VM.call_plugin", vm, PLUGIN, "run-script", SCRIPT) == ["NOT_IMPLEMENTED", text]

    over_host(body)


def test_what_is_not_known_or_not_announced() -> None:
    async def body(host: Host) -> None:
        vm = await _up(host, "web")
        assert await host.refused("VM.call_plugin", vm, "x", "y", {}) == ["XENAPI_MISSING_PLUGIN", "x"]
        text = f'The requested fn "y" could not be found in plugin "{PLUGIN}".'
        assert await host.refused("VM.call_plugin", vm, PLUGIN, "y", {}) == ["XENAPI_PLUGIN_FAILURE", "failed to find fn", text, text]
        await asyncio.sleep(10)
        text = f'The requested fn "request-rdp-on" of plugin "{PLUGIN}" could not be executed for lack of guest agent control feature.'
        refused = await host.refused("VM.call_plugin", vm, PLUGIN, "request-rdp-on", {})
        assert refused == ["XENAPI_PLUGIN_FAILURE", "failed to execute fn", text, text]

    over_host(body)


def test_a_plugin_of_the_host_is_called_for_a_vm() -> None:
    async def body(host: Host) -> None:
        vm = await _up(host)
        domid = host.row(vm)["domid"]
        answer = await host.call("VM.call_host_plugin", vm, "xenstore", "read_record", {"dom_id": domid, "path": "name"})
        assert answer == '"Windows 7"'
        assert await host.refused("VM.call_host_plugin", vm, "none", "f", {}) == ["XENAPI_MISSING_PLUGIN", "none"]

    over_host(body)


@pytest.mark.parametrize("message", ["VM.send_sysrq", "VM.send_trigger"])
def test_xapi_itself_has_neither_keys_nor_triggers(message: str) -> None:
    async def body(host: Host) -> list[str]:
        return await host.refused(message, await _up(host), "x")

    assert over_host(body) == ["NOT_IMPLEMENTED", message.removeprefix("VM.")]


def test_a_guest_is_not_asked_too_often() -> None:
    async def body(host: Host) -> None:
        vm = await _up(host)
        await host.call("VM.call_plugin", vm, PLUGIN, "request-rdp-on", {})
        await asyncio.sleep(4)
        refused = await host.refused("VM.call_plugin", vm, PLUGIN, "request-rdp-off", {})
        assert refused == ["VM_CALL_PLUGIN_RATE_LIMIT", vm, "10.", "6."]
        await asyncio.sleep(6)
        assert await host.call("VM.call_plugin", vm, PLUGIN, "request-rdp-off", {}) == ""

    over_host(body)
