"""Conversations with the agents of simulated guests, by the plugin in a simulated dom0."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest

from compute_core.model.errors import Conflict
from compute_core.model.instances import File
from compute_core.xenapi.errors import ReplyLost
from compute_core.xenapi.guest_agent import Errand, Heard, NoAgent, change_password, introduce, reset_network
from compute_core.xenapi.guest_agent_errands import AUTHORIZED_KEYS
from compute_core.xenapi.guest_agent_rules import AgentBuild, AgentRules, Terms
from compute_core.xenapi.plugins import AgentTimedOut, GuestGone, PluginRefusal
from fake_xapi.guest import machine
from tests.compute_core.dom0.simulated import Site, over_dom0
from tests.compute_core.simulated import loses_reply
from tests.fake_xapi.verbs.kit.hosts import VM_RECORD

RULES = AgentRules(boot_s=120.0)
UNSAID = Terms()
MOTD = File("/etc/motd", base64.b64encode(b"hello, world\n").decode())
BUILD = AgentBuild("2.5.1", "http://agents/agent-2.5.1.tgz", "0" * 32)
FIRST_BOOT = Errand(120.0, "secret word", "ssh-rsa AAAA me", (MOTD,), resets_network=True, updates=True)
THREE = ["VM.get_domid", "host.call_plugin", "host.call_plugin"]


async def started(site: Site, agent: str = "new", **members: Any) -> str:
    """A VM that has just been started: its guest takes its time to boot."""
    record = {**VM_RECORD, "other_config": {"sim.agent": agent}, **members}
    vm = str(await site.session.call("VM.create", record))
    await site.session.call("VM.start_on", vm, site.place.host, False, False)
    site.wire.requests.clear()
    return vm


def guest(site: Site, vm: str) -> Any:
    """What the guest keeps."""
    kept = machine.machine(site.xapi.world, site.xapi.world.find_ref(vm))
    assert kept is not None
    return kept


def told(folder: Path, errand: Errand, agent: str = "new", terms: Terms = UNSAID, rules: AgentRules = RULES) -> Any:
    """What was heard, what the guest keeps then, and what was asked for it."""

    async def body(site: Site) -> Any:
        vm = await started(site, agent)
        heard = await introduce(site.session, site.place, vm, errand, terms, rules)
        domid = int(await site.session.call("VM.get_domid", vm))
        assert (
            await site.dom0.call("xenstore_list", domid=domid, path="data/host")
            == await site.dom0.call("xenstore_list", domid=domid, path="data/guest")
            == {}
        )
        return heard, guest(site, vm), site.wire.requests[: site.wire.requests.index("VM.get_domid", 1)]

    return over_dom0(folder, body)


def test_a_guest_is_told_all_at_its_first_boot_with_three_calls(tmp_path: Path) -> None:
    heard, kept, asked = told(tmp_path, FIRST_BOOT, rules=AgentRules(boot_s=120.0, builds=(BUILD,)))
    assert (heard, asked) == (Heard("1.39.1", password_is_set=True), THREE)
    assert (kept["password"], kept["agent"]) == ("secret word", "2.5.1")
    keys = "\n# The following key was injected by the compute service\nssh-rsa AAAA me\n"
    assert kept["files"] == {"/etc/motd": "hello, world\n", AUTHORIZED_KEYS: keys}


def test_an_old_agent_is_told_in_its_own_way(tmp_path: Path) -> None:
    heard, kept, asked = told(tmp_path, FIRST_BOOT, "old")
    assert (heard, asked) == (Heard("0.0.1.34", password_is_set=True), THREE)
    assert (kept["password"], sorted(kept["files"])) == ("secret word", ["/etc/motd", AUTHORIZED_KEYS])


@pytest.mark.parametrize("derivation", ["sha256", "pbkdf2"])
def test_an_agent_that_cannot_read_the_password_is_told_again_by_another_derivation(tmp_path: Path, derivation: Any) -> None:
    rules = AgentRules(boot_s=120.0, derivations={"0": derivation})
    heard, kept, asked = told(tmp_path, FIRST_BOOT, "old", rules=rules)
    assert (heard.password_is_set, heard.complaints, kept["password"]) == (True, (), "secret word")
    assert asked == ["VM.get_domid", *["host.call_plugin"] * 4]
    assert "/etc/motd" in kept["files"]


def test_a_new_agent_reads_the_derivation_that_the_rules_say_at_once(tmp_path: Path) -> None:
    rules = AgentRules(boot_s=120.0, derivations={"1.39": "sha256"})
    heard, kept, asked = told(tmp_path, FIRST_BOOT, rules=rules)
    assert (heard.password_is_set, kept["password"], asked) == (True, "secret word", THREE)


def test_what_an_image_does_not_leave_to_the_agent_is_not_told_it(tmp_path: Path) -> None:
    terms = Terms(is_there=True, takes_key=False, takes_files=False)
    heard, kept, asked = told(tmp_path, FIRST_BOOT, terms=terms)
    assert (heard.password_is_set, dict(kept["files"]), asked) == (True, {}, THREE)
    _, kept, _ = told(tmp_path, FIRST_BOOT, terms=Terms(os="windows"), rules=AgentRules(boot_s=120.0, builds=(BUILD,)))
    assert (list(kept["files"]), kept["agent"]) == (["/etc/motd"], "")


def test_without_a_password_there_is_no_exchange_and_with_nothing_to_say_two_calls(tmp_path: Path) -> None:
    heard, kept, asked = told(tmp_path, Errand(120.0, files=(MOTD,)))
    assert (heard, asked, list(kept["files"])) == (Heard("1.39.1"), THREE, ["/etc/motd"])
    assert (kept["password"], kept["key"]) == ("", "")
    heard, _, asked = told(tmp_path, Errand(120.0))
    assert (heard, asked) == (Heard("1.39.1"), THREE[:2])


def test_a_file_that_the_agent_does_not_take_is_complained_of_and_the_rest_is_done(tmp_path: Path) -> None:
    large = File("/large", base64.b64encode(b"x" * 4000).decode())
    nowhere = File("etc/motd", MOTD.contents)
    heard, kept, asked = told(tmp_path, Errand(120.0, "s", files=(large, nowhere, MOTD)))
    assert (heard.password_is_set, list(kept["files"]), asked) == (True, ["/etc/motd"], THREE)
    assert heard.complaints == (
        "file /large: it is too large for the agent, which takes 3072 bytes with what is around them",
        "file etc/motd: the agent answered '500', 'Not an absolute path: etc/motd'",
    )


@pytest.mark.parametrize("agent", ["mute", "none"])
def test_an_agent_that_never_answers_costs_as_long_as_a_guest_may_take_to_boot(tmp_path: Path, agent: str) -> None:
    async def body(site: Site) -> Any:
        vm, before_s = await started(site, agent), asyncio.get_running_loop().time()
        with pytest.raises(AgentTimedOut, match="version: no answer from the agent within 120 seconds"):
            await introduce(site.session, site.place, vm, FIRST_BOOT, Terms(), RULES)
        return round(asyncio.get_running_loop().time() - before_s), list(site.wire.requests)

    assert over_dom0(tmp_path, body) == (120, THREE[:2])


def test_an_agent_that_falls_silent_is_complained_of_and_what_it_did_is_known(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        vm = await started(site)

        def silences(_: str, number: int) -> None:
            world = site.xapi.world
            if number == 3:
                with world.edit() as edit:
                    edit.set(world.find_ref(vm), other_config={"sim.agent": "mute"})

        site.wire.before = silences
        return await introduce(site.session, site.place, vm, Errand(120.0, files=(MOTD,)), Terms(), RULES)

    said = "file /etc/motd: the agent answered 'TIMEOUT', 'file_inject: no answer from the agent within 30 seconds'"
    assert over_dom0(tmp_path, body) == Heard("1.39.1", complaints=(said,))


def test_a_guest_that_reboots_meanwhile_is_told_when_it_is_back(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        vm = await started(site, "mute")
        talk = asyncio.create_task(introduce(site.session, site.place, vm, FIRST_BOOT, Terms(), RULES))
        await asyncio.sleep(5)
        await site.session.call("VM.hard_shutdown", vm)
        await site.session.call("VM.set_other_config", vm, {})
        await asyncio.sleep(40)
        await site.session.call("VM.start_on", vm, site.place.host, False, False)
        heard = await talk
        return heard, guest(site, vm)["password"], [request for request in site.wire.requests if not request.startswith("VM.")]

    heard, password, asked = over_dom0(tmp_path, body)
    assert (heard.password_is_set, password) == (True, "secret word")
    assert asked == ["host.call_plugin", *["event.from"] * 3, "host.call_plugin", "host.call_plugin"]


def test_a_guest_that_does_not_come_back_is_given_up(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        vm = await started(site, "mute")
        talk = asyncio.create_task(introduce(site.session, site.place, vm, FIRST_BOOT, Terms(), RULES))
        await asyncio.sleep(5)
        await site.session.call("VM.hard_shutdown", vm)
        with pytest.raises(GuestGone, match="did not come back in time"):
            await talk

    over_dom0(tmp_path, body)


def test_a_vm_that_is_destroyed_meanwhile_is_not_waited_for(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        vm = await started(site, "mute")
        talk = asyncio.create_task(introduce(site.session, site.place, vm, FIRST_BOOT, Terms(), RULES))
        await asyncio.sleep(5)
        await site.session.call("VM.hard_shutdown", vm)
        await asyncio.sleep(5)
        await site.session.call("VM.destroy", vm)
        with pytest.raises(GuestGone, match="the VM is gone"):
            await talk

    over_dom0(tmp_path, body)


@pytest.mark.parametrize("lost", [2, 3])
def test_a_lost_answer_of_the_plugin_is_a_beginning_anew(tmp_path: Path, lost: int) -> None:
    async def body(site: Site) -> Any:
        vm = await started(site)
        site.wire.after = loses_reply(lost)
        heard = await introduce(site.session, site.place, vm, FIRST_BOOT, Terms(), RULES)
        return heard.password_is_set, guest(site, vm)["password"]

    assert over_dom0(tmp_path, body) == (True, "secret word")


def test_answers_that_are_lost_time_and_again_are_told(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        vm = await started(site)

        def loses(name: str, _: int) -> None:
            if name == "host.call_plugin":
                raise ReplyLost(name, "lost by the test")

        site.wire.after = loses
        with pytest.raises(ReplyLost):
            await introduce(site.session, site.place, vm, FIRST_BOOT, Terms(), RULES)
        assert site.wire.requests.count("host.call_plugin") == 4

    over_dom0(tmp_path, body)


# ---- what users ask for ----------------------------------------------------------------------------------------------------------


def test_a_password_is_changed_with_three_calls(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        vm = await started(site)
        await asyncio.sleep(120)
        await change_password(site.session, site.place, vm, "another", RULES)
        return list(site.wire.requests), guest(site, vm)["password"]

    assert over_dom0(tmp_path, body) == (["VM.get_record", "host.call_plugin", "host.call_plugin"], "another")


def test_a_network_is_reset_with_two_calls(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        vm = await started(site)
        await asyncio.sleep(120)
        await reset_network(site.session, site.place, vm, RULES)
        return list(site.wire.requests)

    assert over_dom0(tmp_path, body) == ["VM.get_record", "host.call_plugin"]


@pytest.mark.parametrize("call", ["password", "network"])
def test_who_has_no_agent_or_does_not_run_is_not_asked(tmp_path: Path, call: str) -> None:
    async def body(site: Site) -> Any:
        async def asked(vm: str) -> None:
            if call == "password":
                await change_password(site.session, site.place, vm, "another", RULES)
            else:
                await reset_network(site.session, site.place, vm, RULES)

        without = await started(site, other_config={"inova-guest-agent": '{"is_there": false}'})
        with pytest.raises(NoAgent, match="the server's image says that its guest has no agent"):
            await asked(without)
        assert site.wire.requests == ["VM.get_record"]
        await site.session.call("VM.hard_shutdown", without)
        await site.session.call("VM.set_other_config", without, {})
        with pytest.raises(Conflict, match="not running"):
            await asked(without)
        mute = await started(site, "mute")
        with pytest.raises(AgentTimedOut):
            await asked(mute)

    over_dom0(tmp_path, body)


def test_a_password_that_the_agent_does_not_take_is_told(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        vm = await started(site)
        await asyncio.sleep(120)

        def spoil(name: str, _: int) -> None:
            """Another exchange comes between."""
            world = site.xapi.world
            with world.edit() as edit:
                machine.keep(edit, world.find_ref(vm), key="77")

        site.wire.before = spoil
        with pytest.raises(PluginRefusal, match="password: the agent answered '500', 'Cannot decrypt the password"):
            await change_password(site.session, site.place, vm, "another", RULES)
        assert site.wire.requests.count("host.call_plugin") == 4

    over_dom0(tmp_path, body)
