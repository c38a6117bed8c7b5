"""The plugin as the installer lays it out, in the dom0 of a simulated host, called through host.call_plugin with real bytes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from compute_core.model.errors import BadImage, NotFound
from compute_core.xenapi import dom0_bundle, vhd_chains
from compute_core.xenapi.errors import XenApiFailure
from compute_core.xenapi.plugins import AgentReply, AgentRequest, AgentTimedOut, GuestGone, LaidVhd, PluginRefusal, Source
from fake_xapi.dom0.plugins.network_config import STATE
from fake_xapi.verbs.hosts import dom0_files
from tests.compute_core.dom0.simulated import Site, over_dom0
from tests.compute_core.dom0.vhds import DISK_BYTES, SEEN, UUIDS, archived, chain, image_service, numbered
from tests.compute_core.simulated import loses_reply, refuses
from tests.fake_xapi.verbs.kit.hosts import VM_RECORD


def test_the_version_is_that_of_the_file(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        found = await site.dom0.version()
        assert (found["version"], found["sha256"]) == ("1.1", dom0_bundle.digest(dom0_bundle.built()))

    over_dom0(tmp_path, body)


@pytest.mark.parametrize("how", ["introduce", "scan"])
def test_an_image_becomes_a_vdi_with_its_bytes(tmp_path: Path, how: str) -> None:
    async def body(site: Site) -> None:
        with image_service() as service:
            service.content["/v2/images/i/file"] = archived(numbered(chain()))
            source = Source(f"{service.url}/v2/images/i/file", {"X-Auth-Token": "secret"})
            laid = await site.dom0.download(site.sr_uuid, UUIDS, source)
            assert service.headers[0]["X-Auth-Token"] == "secret"
        assert laid == [
            LaidVhd(UUIDS[0], UUIDS[1], DISK_BYTES, laid[0].physical_utilisation, False),
            LaidVhd(UUIDS[1], UUIDS[2], DISK_BYTES, laid[1].physical_utilisation, True),
            LaidVhd(UUIDS[2], "", DISK_BYTES, laid[2].physical_utilisation, True),
        ]
        register = {"introduce": vhd_chains.introduce, "scan": vhd_chains.scan}[how]
        leaf = await register(site.session, site.place.sr, laid, "root")
        record = await site.session.call("VDI.get_record", leaf)
        assert (record["uuid"], record["name_label"], record["sm_config"]["vhd-parent"]) == (UUIDS[0], "root", UUIDS[1])
        assert (record["managed"], record["virtual_size"]) == (True, DISK_BYTES)
        assert site.xapi.disks.read(site.xapi.world.find_ref(leaf), 0, DISK_BYTES) == SEEN

    over_dom0(tmp_path, body)


# ---- guests --------------------------------------------------------------------------------------------------------------------


async def _guest(site: Site, **other_config: str) -> int:
    """The domain of a VM that runs."""
    vm = await site.session.call("VM.create", {**VM_RECORD, "other_config": other_config})
    await site.session.call("VM.start_on", vm, site.place.host, False, False)
    await asyncio.sleep(120)
    return int(await site.session.call("VM.get_domid", vm))


def test_an_agent_answers_several_requests_in_one_call(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        domid = await _guest(site)
        asked = [AgentRequest("version", "agent"), AgentRequest("nonsense", "", ("404",)), AgentRequest("keyinit", "5", ("D0",))]
        version, nonsense, key = await site.dom0.ask_agent(domid, "first", asked)
        assert (version, nonsense) == (AgentReply("0", "1.39.1"), AgentReply("404", "No such command: nonsense"))
        assert (key.returncode, key.message.isdecimal()) == ("D0", True)
        assert (
            await site.dom0.call("xenstore_list", domid=domid, path="data/host")
            == await site.dom0.call("xenstore_list", domid=domid, path="data/guest")
            == {}
        )

    over_dom0(tmp_path, body)


def test_an_answer_that_is_not_accepted_is_the_last(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        domid = await _guest(site)
        replies = await site.dom0.ask_agent(domid, "r", [AgentRequest("nonsense"), AgentRequest("version", "agent")])
        assert [reply.returncode for reply in replies] == ["404"]

    over_dom0(tmp_path, body)


def test_an_agent_that_is_mute_is_waited_for_in_the_simulators_own_time(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        domid, before_s = await _guest(site, **{"sim.agent": "mute"}), asyncio.get_running_loop().time()
        with pytest.raises(AgentTimedOut, match=r"version: no answer from the agent within 3 seconds"):
            await site.dom0.ask_agent(domid, "r", [AgentRequest("version", "agent")], timeout_s=3)
        assert round(asyncio.get_running_loop().time() - before_s, 6) == 3
        assert [
            path for path in await site.dom0.call("xenstore_list", domid=domid, path="data") if path.startswith(("host/", "guest/"))
        ] == []

    over_dom0(tmp_path, body)


def test_a_domain_that_is_gone_is_told_from_one_that_is_silent(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        with pytest.raises(GuestGone, match="there is no domain 77"):
            await site.dom0.ask_agent(77, "r", [AgentRequest("version", "agent")])
        domid = await _guest(site, **{"sim.agent": "mute"})
        [vm] = await site.session.call("VM.get_by_name_label", VM_RECORD["name_label"])
        asking = asyncio.ensure_future(site.dom0.ask_agent(domid, "r", [AgentRequest("version", "agent")]))
        await asyncio.sleep(2)
        await site.session.call("VM.hard_shutdown", vm)
        with pytest.raises(GuestGone, match=f"version: the domain {domid} is gone"):
            await asking

    over_dom0(tmp_path, body)


def test_xenstore_is_written_read_and_listed_while_the_guest_runs(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        domid = await _guest(site)
        await site.dom0.write_xenstore(domid, {"vm-data/a": "1", "vm-data/b/c": '{"x": "ä"}', "vm-data/d": "two\nlines"})
        listed = await site.dom0.call("xenstore_list", domid=domid, path="vm-data")
        assert listed == {**listed, "a": "1", "b/c": '{"x": "ä"}', "d": "two\nlines"}
        await site.dom0.write_xenstore(domid, {"vm-data/a": None, "vm-data/never": None, "vm-data/b": None})
        assert (
            await site.dom0.call("xenstore_read", domid=domid, path="vm-data/b/c")
            is await site.dom0.call("xenstore_read", domid=domid, path="vm-data/a")
            is None
        )
        assert await site.dom0.call("xenstore_read", domid=domid, path="vm-data/d") == "two\nlines"
        with pytest.raises(NotFound, match=r"There is no domain 77 on this host\."):
            await site.dom0.write_xenstore(77, {"vm-data/a": "1"})

    over_dom0(tmp_path, body)


# ---- network -------------------------------------------------------------------------------------------------------------------

HYBRID = [
    {"do": "bridge-add", "bridge": "qbr1"},
    {"do": "bridge-delay", "bridge": "qbr1", "delay": "0"},
    {"do": "bridge-stp", "bridge": "qbr1", "stp": "off"},
    {"do": "veth-add", "device": "qvb1", "peer": "qvo1"},
    {"do": "bridge-add-interface", "bridge": "qbr1", "interface": "qvb1"},
    {"do": "link-set", "device": "qbr1", "state": "up"},
    {"do": "ovs-add-bridge", "bridge": "br-int"},
    {"do": "ovs-add-port", "bridge": "br-int", "port": "qvo1", "external_ids": "iface-id=p1,attached-mac=fa:16:3e:00:00:01", "tag": "7"},
    {"do": "ovs-limit", "port": "qvo1", "kbps": "10000"},
]


def _network(site: Site) -> Any:
    host = site.xapi.world.find_ref(site.place.host)
    return json.loads(dom0_files.read(site.xapi.world, STATE, host) or "{}")


def test_a_port_is_plumbed_with_one_call_and_a_second_time_changes_only_what_cannot_be_seen(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        site.wire.requests.clear()
        assert await site.dom0.plumb(HYBRID) == [True] * 9
        assert site.wire.requests == ["host.call_plugin"]
        state = _network(site)
        assert state["bridges"]["qbr1"] == {"kind": "linux", "ports": ["qvb1"], "fd": "0", "stp": "off"}
        assert state["interfaces"]["qvo1"] == {
            "external_ids": {"iface-id": "p1", "attached-mac": "fa:16:3e:00:00:01"},
            "tag": "7",
            "ingress_policing_rate": "10000",
            "ingress_policing_burst": "1000",
        }
        assert await site.dom0.plumb(HYBRID) == [False, True, True, False, False, True, False, True, True]
        assert _network(site) == state

    over_dom0(tmp_path, body)


def test_a_step_that_fails_takes_those_before_it_back(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        await site.dom0.plumb(HYBRID[:1])
        before = _network(site)
        with pytest.raises(PluginRefusal, match=r"step 3: ovs-vsctl failed with code 1: no bridge named br-none$"):
            await site.dom0.plumb(
                [*HYBRID[3:5], {"do": "ovs-add-bridge", "bridge": "br-x"}, {"do": "ovs-add-port", "bridge": "br-none", "port": "qvo1"}]
            )
        assert _network(site) == before

    over_dom0(tmp_path, body)


# ---- files become VDIs ---------------------------------------------------------------------------------------------------------


async def _laid(site: Site) -> list[LaidVhd]:
    with image_service() as service:
        service.content["/i"] = archived(numbered(chain()))
        return await site.dom0.download(site.sr_uuid, UUIDS, Source(f"{service.url}/i"))


@pytest.mark.parametrize(
    ("release", "calls"),
    [
        ("latest", ["VDI.db_introduce"] * 3),
        ("tampa", ["VDI.db_introduce"] * 3),
        ("boston", ["VDI.db_introduce", "SR.scan", "VDI.get_by_uuid", "VDI.set_name_label"]),
    ],
)
def test_a_chain_is_registered_in_the_way_that_the_release_knows(tmp_path: Path, release: str, calls: list[str]) -> None:
    async def body(site: Site) -> None:
        laid = await _laid(site)
        site.wire.requests.clear()
        leaf = await vhd_chains.register(site.session, site.place.sr, laid, "root")
        assert site.wire.requests == calls
        assert (await site.session.call("VDI.get_record", leaf))["name_label"] == "root"
        assert await vhd_chains.register(site.session, site.place.sr, laid, "root") == leaf
        assert site.xapi.disks.read(site.xapi.world.find_ref(leaf), 0, DISK_BYTES) == SEEN

    over_dom0(tmp_path, body, release)


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_lost_answer_of_an_introduction_is_looked_up(tmp_path: Path, lost: int) -> None:
    async def body(site: Site) -> None:
        laid = await _laid(site)
        site.wire.requests.clear()
        site.wire.after = loses_reply(lost)
        leaf = await vhd_chains.introduce(site.session, site.place.sr, laid, "root")
        assert (await site.session.call("VDI.get_record", leaf))["uuid"] == UUIDS[0]
        assert site.wire.requests.count("VDI.db_introduce") == 3

    over_dom0(tmp_path, body)


def test_what_the_host_refuses_for_another_reason_is_raised(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        laid = await _laid(site)
        site.wire.requests.clear()
        site.wire.before = refuses(1, "SR_HAS_NO_PBDS", "sr")
        with pytest.raises(XenApiFailure, match="SR_HAS_NO_PBDS"):
            await vhd_chains.register(site.session, site.place.sr, laid, "root")
        assert site.wire.requests == ["VDI.db_introduce"]

    over_dom0(tmp_path, body)


def test_a_lost_download_is_found_done(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        site.wire.requests.clear()
        site.wire.after = loses_reply(1)
        assert [disk.uuid for disk in await _laid(site)] == UUIDS[:3]
        assert site.wire.requests == ["host.call_plugin"] * 2

    over_dom0(tmp_path, body)


def test_a_vdi_goes_out_whole_from_a_simulated_sr(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        leaf = await vhd_chains.register(site.session, site.place.sr, await _laid(site), "root")
        site.xapi.disks.write(site.xapi.world.find_ref(leaf), DISK_BYTES - 512, b"e" * 512)
        with image_service() as service:
            sent = await site.dom0.upload(site.sr_uuid, UUIDS[:3], Source(f"{service.url}/o"), gzip=1)
            assert (sent.vhds, sent.virtual_size, sent.bytes) == (3, DISK_BYTES, len(service.content["/o"]))
            again = await site.dom0.download(site.sr_uuid, UUIDS[3:], Source(f"{service.url}/o"))
        copy = await vhd_chains.register(site.session, site.place.sr, again, "copy")
        assert site.xapi.disks.read(site.xapi.world.find_ref(copy), 0, DISK_BYTES) == SEEN[:-512] + b"e" * 512

    over_dom0(tmp_path, body)


def test_a_bad_image_leaves_no_vdi(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        with image_service() as service:
            service.content["/i"] = archived(numbered(chain()[:1]))
            with pytest.raises(BadImage, match=r"The image is refused: 0\.vhd needs the parent .*, which is not there\."):
                await site.dom0.download(site.sr_uuid, UUIDS, Source(f"{service.url}/i"))
        before = await site.session.call("SR.get_VDIs", site.place.sr)
        await site.session.call("SR.scan", site.place.sr)
        assert await site.session.call("SR.get_VDIs", site.place.sr) == before

    over_dom0(tmp_path, body)
