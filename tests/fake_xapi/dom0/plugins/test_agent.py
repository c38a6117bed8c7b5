"""The plugin ``agent`` and the agent in the guest: each request, each kind of agent, and each way of not being answered."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from fake_xapi.dom0 import xenstore
from fake_xapi.engine.durations import durations
from fake_xapi.engine.settings import Settings
from fake_xapi.guest.agent import COMMANDS, files_of
from fake_xapi.guest.machine import machine
from fake_xapi.guest.secrets import BASE, PRIME, encrypt
from tests.fake_xapi.dom0.plugins.dom0 import answer, encoded, running, texts, texts_refused
from tests.fake_xapi.verbs.kit.hosts import Host, over_host

REALISTIC = Settings(durations=durations("realistic"))
PRIVATE = 987_654_321


async def _asked(host: Host, domid: str, function: str, **args: Any) -> tuple[str, str]:
    return answer(await texts(host, "agent.py", function, id="r", dom_id=domid, timeout=30, **args))


async def _exchanged(host: Host, domid: str) -> str:
    """The secret of a key exchange."""
    code, public = await _asked(host, domid, "key_init", pub=str(pow(BASE, PRIVATE, PRIME)))
    assert code == "D0"
    return str(pow(int(public), PRIVATE, PRIME))


def _password(host: Host, vm: str) -> str:
    kept = machine(host.world, host.id(vm))
    return "" if kept is None else str(kept["password"])


@pytest.mark.parametrize(("kind", "version"), [("new", "1.39.1"), ("old", "0.0.1.34")])
def test_an_agent_says_its_version(kind: str, version: str) -> None:
    async def body(host: Host) -> None:
        _, domid = await running(host, other_config={"sim.agent": kind})
        assert await _asked(host, domid, "version") == ("0", version)
        assert await _asked(host, domid, "agentupdate", url="http://x/agent-2.5.1.tgz", md5sum="0" * 32) == ("0", "")
        assert await _asked(host, domid, "version") == ("0", "2.5.1")
        assert await _asked(host, domid, "agentupdate", url="nowhere", md5sum="0") == (
            "500",
            "Not a URL and an MD5 sum with a comma between them",
        )

    over_host(body, settings=REALISTIC)


@pytest.mark.parametrize(
    ("kind", "digest", "is_read"), [("new", "sha256", True), ("new", "md5", True), ("old", "md5", True), ("old", "sha256", False)]
)
def test_a_password_is_decrypted_and_set(kind: str, digest: str, is_read: bool) -> None:
    async def body(host: Host) -> None:
        vm, domid = await running(host, other_config={"sim.agent": kind})
        shared = await _exchanged(host, domid)
        code, message = await _asked(host, domid, "password", enc_pass=encrypt("hunter2\n", shared, digest))
        assert (code, _password(host, vm)) == (("0", "hunter2") if is_read else ("500", ""))
        assert message.startswith("" if is_read else "Cannot decrypt the password: ")
        uuid = host.world.uuid(host.id(vm))
        assert await texts(host, "simulated_guest", "check_password", vm=uuid, password="hunter2") == str(is_read).lower()
        assert await texts(host, "simulated_guest", "check_password", vm=uuid, password="") == "false"

    over_host(body)


def test_a_key_is_good_for_one_password_of_one_domain() -> None:
    async def body(host: Host) -> None:
        vm, domid = await running(host)
        sealed = encrypt("hunter2\n", await _exchanged(host, domid), "sha256")
        assert (await _asked(host, domid, "password", enc_pass=sealed))[0] == "0"
        assert await _asked(host, domid, "password", enc_pass=sealed) == ("500", "Key exchange has not happened")
        await _exchanged(host, domid)
        await host.call("VM.clean_reboot", vm)
        await asyncio.sleep(60)
        again = str(host.row(vm)["domid"])
        assert await _asked(host, again, "password", enc_pass=sealed) == ("500", "Key exchange has not happened")
        assert _password(host, vm) == "hunter2"

    over_host(body)


def test_a_number_that_no_exchange_has_is_refused_by_the_agent() -> None:
    async def body(host: Host) -> None:
        _, domid = await running(host)
        assert await _asked(host, domid, "key_init", pub="1") == ("D2", "the public number is not between 1 and the prime")

    over_host(body)


@pytest.mark.parametrize("kind", ["new", "old"])
def test_a_file_is_kept_by_the_guest(kind: str) -> None:
    async def body(host: Host) -> None:
        vm, domid = await running(host, other_config={"sim.agent": kind})
        uuid = host.world.uuid(host.id(vm))
        for path, content in (("/etc/motd", "hello, world\nä"), ("/root/.ssh/authorized_keys", "# key\n")):
            args = {"b64_path": encoded(path), "b64_contents": encoded(content)}
            assert await _asked(host, domid, "inject_file", **args) == ("0", "")
            read = await texts(host, "simulated_guest", "read_file", vm=uuid, path=path)
            assert base64.b64decode(read).decode() == content
        assert files_of(host.kit.xapi, host.id(vm)) == {"/etc/motd": "hello, world\nä", "/root/.ssh/authorized_keys": "# key\n"}
        assert json.loads(await texts(host, "simulated_guest", "list_files", vm=uuid)) == ["/etc/motd", "/root/.ssh/authorized_keys"]
        await host.call("VM.clean_reboot", vm)
        assert len(files_of(host.kit.xapi, host.id(vm))) == 2
        assert (await _asked(host, str(host.row(vm)["domid"]), "version"))[0] == "0"

    over_host(body)


def test_a_file_without_an_absolute_path_is_refused() -> None:
    async def body(host: Host) -> None:
        _, domid = await running(host)
        args = {"b64_path": encoded("etc/motd"), "b64_contents": encoded("x")}
        assert await _asked(host, domid, "inject_file", **args) == ("500", "Not an absolute path: etc/motd")

    over_host(body)


def test_a_network_is_read_again() -> None:
    async def body(host: Host) -> None:
        vm, domid = await running(host)
        metrics = host.row(vm)["guest_metrics"]
        mac = host.world[host.row(vm)["VIFs"][0]]["MAC"].replace(":", "")
        given = json.dumps({"ips": [{"ip": "192.0.2.9"}]})
        await texts(host, "xenstore", "write_record", dom_id=domid, path=f"vm-data/networking/{mac}", value=given)
        assert host.world[metrics]["networks"]["0/ip"] != "192.0.2.9"
        assert await _asked(host, domid, "resetnetwork") == ("0", "")
        assert host.world[metrics]["networks"]["0/ip"] == "192.0.2.9"

    over_host(body)


@pytest.mark.parametrize(
    ("kind", "text"),
    [("none", "TIMEOUT: No response from agent within 30 seconds"), ("mute", "TIMEOUT: No response from agent within 30 seconds")],
)
def test_an_agent_that_does_not_answer(kind: str, text: str) -> None:
    async def body(host: Host) -> None:
        vm, domid = await running(host, other_config={"sim.agent": kind})
        loop = asyncio.get_running_loop()
        start = loop.time()
        refused = await texts_refused(host, "agent", "version", id="r", dom_id=domid, timeout="30")
        assert refused == ["XENAPI_PLUGIN_EXCEPTION", "version", "PluginError", text]
        assert loop.time() - start == 30
        assert xenstore.below(host.world, host.id(vm), "data/host") == {}

    over_host(body)


def test_a_guest_that_boots_still_answers_later() -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server()
        await host.call("VM.start", vm, False, False)
        domid = str(host.row(vm)["domid"])
        refused = await texts_refused(host, "agent", "version", id="r", dom_id=domid, timeout="1")
        assert refused[3] == "TIMEOUT: No response from agent within 1 seconds"
        await asyncio.sleep(60)
        assert (await _asked(host, domid, "version"))[0] == "0"

    over_host(body, settings=REALISTIC)


def test_a_domain_that_goes_meanwhile_is_a_reboot() -> None:
    async def body(host: Host) -> None:
        vm, domid = await running(host, other_config={"sim.agent": "mute"})
        asked = asyncio.ensure_future(texts_refused(host, "agent", "version", id="r", dom_id=domid, timeout="30"))
        await asyncio.sleep(3)
        await host.call("VM.hard_reboot", vm)
        text = f"REBOOT: the domain {domid} is gone, and its guest with it"
        assert await asked == ["XENAPI_PLUGIN_EXCEPTION", "version", "PluginError", text]
        refused = await texts_refused(host, "agent", "version", id="r", dom_id="999")
        assert refused[3] == "REBOOT: the domain 999 is not there"

    over_host(body)


def test_an_agent_without_a_feature_is_not_asked_for_it() -> None:
    async def body(host: Host) -> None:
        _, domid = await running(host, other_config={"sim.agent": "old"})
        refused = await texts_refused(host, "agent", "kmsactivate", id="r", dom_id=domid)
        assert refused == [
            "XENAPI_PLUGIN_EXCEPTION",
            "kmsactivate",
            "PluginError",
            "NOT IMPLEMENTED: the agent does not support kmsactivate",
        ]

    over_host(body)


@pytest.mark.parametrize(("name", "code"), [("Windows 7", "0"), ("web", "500")])
def test_only_windows_is_activated(name: str, code: str) -> None:
    async def body(host: Host) -> None:
        _, domid = await running(host, name_label=name)
        assert (await _asked(host, domid, "kmsactivate"))[0] == code

    over_host(body)


@pytest.mark.parametrize(
    ("asked", "code"),
    [("not json", "500"), ("[]", "500"), ("{}", "500"), ('{"name": "dance"}', "404"), ('{"name": "password", "value": "x"}', "500")],
)
def test_what_is_no_request_is_answered_all_the_same(asked: str, code: str) -> None:
    async def body(host: Host) -> None:
        vm, domid = await running(host)
        await texts(host, "xenstore", "write_record", dom_id=domid, path="data/host/r", value=asked)
        await asyncio.sleep(1)
        assert answer(xenstore.read(host.world, host.id(vm), "data/guest/r") or "{}")[0] == code

    over_host(body)


def test_features_are_the_commands() -> None:
    async def body(host: Host) -> None:
        vm, domid = await running(host)
        await texts(host, "xenstore", "write_record", dom_id=domid, path="data/host/r", value='{"name": "features"}')
        await asyncio.sleep(1)
        assert answer(xenstore.read(host.world, host.id(vm), "data/guest/r") or "{}") == ("0", ",".join(COMMANDS["new"]))

    over_host(body)


@pytest.mark.parametrize(("how", "state"), [("shutdown", "Halted"), ("reboot", "Running"), ("crash", "Running")])
def test_a_test_may_end_a_guest(how: str, state: str) -> None:
    async def body(host: Host) -> None:
        vm, _ = await running(host)
        uuid = host.world.uuid(host.id(vm))
        assert await texts(host, "simulated_guest", "end", vm=uuid, how=how) == state
        assert host.row(vm)["power_state"] == state
        if state == "Halted":
            refused = await texts_refused(host, "simulated_guest", "end", vm=uuid, how=how)
            assert refused == ["XENAPI_PLUGIN_EXCEPTION", "end", "PluginError", f"the guest of {uuid} does not run"]

    over_host(body)


def test_a_request_that_came_before_the_agent_is_answered_when_it_is_up() -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server()
        await host.call("VM.start", vm, False, False)
        assert (await _asked(host, str(host.row(vm)["domid"]), "version"))[0] == "0"

    over_host(body, settings=REALISTIC)
