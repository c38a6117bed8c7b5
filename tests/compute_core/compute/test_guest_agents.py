"""What an agent of the core does with the agents in its guests: at builds, rescues, rebuilds, when it was killed, and when it is asked."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from compute_core.model.errors import Conflict
from compute_core.model.instances import RUNNING, File, Instance
from compute_core.model.json import to_json
from compute_core.xenapi import dom0_bundle, marks
from compute_core.xenapi.guest_agent_rules import AgentRules
from fake_xapi.dom0.user_plugins import load
from fake_xapi.guest import machine
from tests.compute_core.compute.agent_site import BEATS_S, CONTEXT, SETTINGS, Site, on_site
from tests.compute_core.compute.test_interfaces import COMING, FIRST, Ports
from tests.compute_core.compute.test_interfaces import agent as with_ports
from tests.compute_core.rig import NOTHING
from tests.compute_core.values import UUID, an_instance

T = TypeVar("T")
KEY = generate_private_key(65537, 2048)
PUBLIC_KEY = KEY.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
MOTD = File("/etc/motd", base64.b64encode(b"hello\n").decode())
RULES = AgentRules(boot_s=60.0)
PATIENCE_S = 90.0
"""Longer than a mute guest is waited for."""


def over_agents(
    folder: Path, body: Callable[[Site], Awaitable[T]], rules: AgentRules = RULES, image_says: str = "true", *, with_agent: bool = True
) -> T:
    """A site whose host has our plugin, and whose image says whether its guest has an agent."""
    dom0 = folder / "dom0"
    dom0.mkdir()
    dom0_bundle.write(dom0)

    async def with_image(site: Site) -> T:
        if image_says:
            site.image = await site.images.update(site.image.id, properties={"xenapi_use_agent": image_says})
        return await body(site)

    return on_site(folder, with_image, settings=replace(SETTINGS, guest_agents=rules), plugins=load(dom0), with_agent=with_agent)


def ordered(**changes: Any) -> Instance:
    return an_instance(**{"key_data": f"{PUBLIC_KEY} me@home", "key_name": "mine", "personality": (MOTD,), **changes})


def active(site: Site, **changes: Any) -> Instance:
    """The server as the cell has it once it is built."""
    server = ordered(vm_state="active", task_state=None, power_state=RUNNING, image_ref=site.image.id, **changes)
    site.cell.instances[:] = [server]
    return server


def guest(site: Site, label: str = f"instance-{UUID}") -> Mapping[str, Any]:
    world = site.xapi.world
    [vm] = world.named("VM", label)
    kept = machine.machine(world, vm)
    assert kept is not None
    return {name: kept[name] for name in ("password", "files")}


def ends(site: Site, method: str) -> list[Any]:
    return [arguments for name, arguments in site.cell.told if name == method]


def opened(sealed: str) -> str:
    """What the owner of the key reads."""
    return KEY.decrypt(base64.b64decode(sealed), PKCS1v15()).decode()


def mutes(site: Site) -> None:
    """Every guest that is made from now on has a mute agent."""

    async def before(name: str, _: int) -> None:
        if name == "VM.start_on":
            for vm, record in (await site.operator("VM.get_all_records_where", 'field "is_a_template"="false"')).items():
                if marks.instance_of(record) and record["power_state"] == "Halted":
                    await site.operator("VM.set_other_config", vm, {**record["other_config"], "sim.agent": "mute"})

    site.wire.before = before


async def heard(site: Site, *methods: str) -> Any:
    """The first thing of these kinds that the cell is told."""
    for _ in range(round(PATIENCE_S)):
        if told := [arguments for name, arguments in site.cell.told if name in methods]:
            return told[0]
        await asyncio.sleep(1)
    raise AssertionError(f"nobody has told {methods}")


async def built(site: Site, **changes: Any) -> Any:
    """What is told of the end of a build; the cell knows of it then."""
    await site.build(ordered(**changes))
    told = await heard(site, "build_succeeded", "build_failed")
    active(site)
    site.cell.told.clear()
    return told


def test_a_build_ends_when_the_guest_was_told(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        end = await built(site)
        assert (end["power_state"], list(end["changes"]), "note" in end) == (RUNNING, ["encrypted_password"], False)
        assert opened(end["changes"]["encrypted_password"]) == "s"
        assert (guest(site)["password"], sorted(guest(site)["files"])) == ("s", ["/etc/motd", "/root/.ssh/authorized_keys"])

    over_agents(tmp_path, body)


@pytest.mark.parametrize(("image_says", "is_assumed"), [("", False), ("false", True)])
def test_a_guest_without_an_agent_is_left_alone_and_costs_no_call(tmp_path: Path, image_says: str, is_assumed: bool) -> None:
    async def body(site: Site) -> None:
        assert await built(site) == {"uuid": UUID, "power_state": RUNNING}
        assert {"VM.get_domid", "host.call_plugin"}.isdisjoint(site.wire.requests)

    over_agents(tmp_path, body, AgentRules(is_assumed=is_assumed), image_says)


def test_an_image_that_does_not_say_has_the_agent_that_the_rules_assume(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        await built(site)
        assert guest(site)["password"] == "s"

    over_agents(tmp_path, body, AgentRules(is_assumed=True), "")


def test_a_mute_agent_is_noted_and_the_server_runs(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        mutes(site)
        end = await built(site)
        assert end["note"] == "The guest was not told: agent_ask: TimedOut: version: no answer from the agent within 60 seconds"

    over_agents(tmp_path, body)


def test_a_mute_agent_fails_the_server_where_one_is_required(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        mutes(site)
        end = await built(site)
        assert (end["is_retryable"], "no answer from the agent" in end["message"]) == (False, True)
        assert site.left() == NOTHING

    over_agents(tmp_path, body, AgentRules(boot_s=60.0, is_required=True))


def test_builds_do_not_wait_for_the_guests_of_others(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        mutes(site)
        for number in range(6):
            await site.build(ordered(uuid=f"{UUID[:-1]}{number}"))
        await asyncio.sleep(30)
        assert len(await site.operator("host.get_resident_VMs", (await site.operator("host.get_all"))[0])) == 7

    over_agents(tmp_path, body)


@pytest.mark.parametrize(("is_heard_again", "password"), [(True, "s"), (False, "")])
def test_a_guest_is_told_by_the_next_life_of_a_killed_agent(tmp_path: Path, is_heard_again: bool, password: str) -> None:
    """The password only where the broker has it still."""

    async def body(site: Site) -> None:
        async with site.agent():
            mutes(site)
            await site.build(ordered())
            await asyncio.sleep(20)
        site.wire.before = None
        await site.operator("VM.remove_from_other_config", await site.vm(), "sim.agent")
        if not is_heard_again:
            site.bus._topics["compute.xs1"]._waiting.clear()
        async with site.agent():
            await asyncio.sleep(BEATS_S)
            assert ends(site, "build_succeeded")[0]["power_state"] == RUNNING
            assert (guest(site)["password"], "/etc/motd" in guest(site)["files"]) == (password, True)

    over_agents(tmp_path, body, with_agent=False)


def test_a_rescue_vm_gets_the_password_of_the_rescue(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        await built(site)
        server = active(site)
        await site.cast("act", instance=to_json(server), action="rescue", arguments={"admin_password": "rescuer"})
        end = await heard(site, "action_finished")
        assert (end["error"], end["changes"]) == (None, {})
        assert guest(site, f"instance-{UUID}-rescue")["password"] == "rescuer"

    over_agents(tmp_path, body)


def test_a_server_that_is_evacuated_gets_a_new_password_where_it_is_built_again(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        server = active(site, host="xs1")
        arguments = {"image": to_json(site.image), "admin_password": "anew", "migration": {}}
        await site.cast("act", instance=to_json(server), action="evacuate", arguments=arguments)
        end = await heard(site, "action_finished")
        assert (end["error"], opened(end["changes"]["encrypted_password"]), guest(site)["password"]) == (None, "anew", "anew")

    over_agents(tmp_path, body)


@pytest.mark.parametrize(("vm_state", "password"), [("active", "anew"), ("stopped", "")])
def test_a_server_that_is_rebuilt_gets_a_new_password_when_it_runs(tmp_path: Path, vm_state: Any, password: str) -> None:
    async def body(site: Site) -> None:
        await built(site)
        server = replace(active(site), vm_state=vm_state)
        await site.cast("act", instance=to_json(server), action="rebuild", arguments={"admin_password": "anew"})
        await asyncio.sleep(PATIENCE_S)
        [end] = ends(site, "action_finished")
        sealed = end["changes"].pop("encrypted_password", "")
        assert (end["error"], end["changes"]) == (None, {"vm_state": vm_state})
        assert (sealed and opened(sealed)) == password
        if password:
            assert guest(site)["password"] == password

    over_agents(tmp_path, body)


# ---- what is asked of a host ------------------------------------------------------------------------------------------------------


async def ask(site: Site, server: Instance, question: str, **arguments: Any) -> Any:
    asked = {"context": CONTEXT, "instance": to_json(server), "question": question, "arguments": arguments}
    return await site.bus.call("compute.xs1", "query", asked, 60.0)


def test_a_password_is_changed_on_request_and_sealed_for_the_owner_of_the_key(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        await built(site)
        told = await ask(site, active(site), "change_password", admin_password="another")
        assert (opened(told), guest(site)["password"]) == ("another", "another")
        assert await ask(site, active(site, key_data=None), "change_password", admin_password="third") == ""
        assert guest(site)["password"] == "third"

    over_agents(tmp_path, body)


def test_two_who_change_a_password_at_once_do_not_cross(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        await built(site)
        server = active(site, key_data=None)
        words = ["one", "two", "three"]
        await asyncio.gather(*(ask(site, server, "change_password", admin_password=word) for word in words))
        assert guest(site)["password"] in words

    over_agents(tmp_path, body)


@pytest.mark.parametrize("question", ["change_password", "reset_network"])
def test_a_guest_without_an_agent_that_answers_is_a_conflict(tmp_path: Path, question: str) -> None:
    async def body(site: Site) -> None:
        await built(site)
        with pytest.raises(Conflict, match="the server's image says that its guest has no agent"):
            await ask(site, active(site), question, admin_password="another")

    over_agents(tmp_path, body, image_says="false")


@pytest.mark.parametrize(("image_says", "asks"), [("true", 1), ("false", 0)])
def test_a_guest_with_an_agent_hears_of_a_change_of_its_network_at_once(tmp_path: Path, image_says: str, asks: int) -> None:
    async def body(site: Site) -> None:
        await built(site)
        server = active(site)
        moved = replace(server, vifs=tuple(replace(vif, ip="10.0.0.99") for vif in server.vifs))
        site.wire.requests.clear()
        await site.cast("hear", instance=to_json(moved), news="network-changed", arguments={})
        await asyncio.sleep(10)
        expected = ["VM.get_record", "VM.set_xenstore_data", "host.call_plugin", *["host.call_plugin"] * asks]
        assert [request for request in site.wire.requests if request.startswith("VM.") or request == "host.call_plugin"] == expected
        metrics = site.xapi.world[site.xapi.world[site.xapi.world.find_ref(await site.vm())]["guest_metrics"]]
        assert (metrics["networks"]["0/ip"] == "10.0.0.99") == bool(asks)

    over_agents(tmp_path, body, image_says=image_says)


def test_a_guest_with_an_agent_sets_up_an_interface_that_comes(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        async with with_ports(site, Ports(), guest_agents=RULES):
            await built(site)
            server = active(site, vifs=(FIRST, COMING))
            site.wire.requests.clear()
            await site.cast("act", instance=to_json(server), action="attach_interface", arguments={})
            assert (await heard(site, "action_finished"))["error"] is None
            metrics = site.xapi.world[site.xapi.world[site.xapi.world.find_ref(await site.vm())]["guest_metrics"]]
            assert (metrics["networks"]["1/ip"], site.wire.requests.count("host.call_plugin")) == (COMING.ip, 2)

    over_agents(tmp_path, body, with_agent=False)


def test_a_mute_agent_is_a_conflict_in_time(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        mutes(site)
        await built(site)
        before_s = asyncio.get_running_loop().time()
        with pytest.raises(Conflict, match="was not changed: agent_ask: TimedOut: version: no answer from the agent within 30 seconds"):
            await ask(site, active(site), "change_password", admin_password="another")
        assert round(asyncio.get_running_loop().time() - before_s) == 30

    over_agents(tmp_path, body)


def test_no_password_is_in_a_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def body(site: Site) -> None:
        mutes(site)
        site.cell.instances.append(ordered())
        await site.cast("build", instance=to_json(ordered()), image=to_json(site.image), admin_password="Zy7-secret", attempt=1)
        await asyncio.sleep(PATIENCE_S)
        server = active(site)
        await asyncio.sleep(PATIENCE_S)
        with pytest.raises(Conflict):
            await ask(site, server, "change_password", admin_password="Zy7-secret")
        await site.cast("act", instance=to_json(server), action="rescue", arguments={"admin_password": "Zy7-secret"})
        await asyncio.sleep(PATIENCE_S)

    caplog.set_level("DEBUG")
    over_agents(tmp_path, body)
    assert "was not told" in caplog.text
    assert "Zy7-secret" not in caplog.text
