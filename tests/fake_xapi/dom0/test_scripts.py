"""Scripts of users in a simulated dom0: the commands, files and time that they find there, as in a real one."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from fake_xapi.dom0.commands import COMMANDS
from fake_xapi.dom0.user_plugins import load
from fake_xapi.dom0.vhd import BLOCK_BYTES, FOOTER_BYTES, read_footer
from fake_xapi.dom0.vhd_write import Parent, VhdImage
from fake_xapi.engine.settings import Settings
from tests.fake_xapi.dom0.plugins.dom0 import running
from tests.fake_xapi.verbs.kit.hosts import Host, over_host

SHELL = """#!/usr/bin/env python3
import json, subprocess, XenAPIPlugin

def run(session, args):
    done = subprocess.run(["/bin/sh", "-c", args["script"]], capture_output=True, text=True)
    return json.dumps([done.returncode, done.stdout, done.stderr])

def refuse(session, args):
    raise XenAPIPlugin.Failure("VDI_MISSING", ["a", "b"])

def fail(session, args):
    raise LookupError("nothing there")

def whose(session, args):
    return session.handle

if __name__ == "__main__":
    XenAPIPlugin.dispatch({"run": run, "refuse": refuse, "fail": fail, "whose": whose})
"""
DISK_BYTES = 4 * BLOCK_BYTES
NEW, BASE = (str(UUID(int=number)) for number in (501, 502))
SR_FOLDER = "$DOM0_ROOT/run/sr-mount"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "shell").write_text(SHELL, encoding="utf-8")
    (tmp_path / "shell").chmod(0o755)
    return Settings(plugins=load(tmp_path))


def _over(settings: Settings, body: Callable[[Host], Awaitable[Any]]) -> Any:
    return over_host(body, settings=settings)


async def _run(host: Host, script: str, **args: str) -> tuple[int, str, str]:
    code, out, err = json.loads(await host.call("host.call_plugin", host.host, "shell", "run", {"script": script, **args}))
    return code, out, err


async def _printed(host: Host, script: str, **args: str) -> str:
    code, out, err = await _run(host, script, **args)
    assert (code, err) == (0, ""), (code, out, err)
    return out


def _sr(host: Host) -> str:
    return host.world.uuid(host.id(host.sr))


def _uuid(host: Host, ref: str) -> str:
    return host.world.uuid(host.id(ref))


def test_a_script_that_dispatches_as_in_a_real_dom0_runs_unchanged(settings: Settings) -> None:
    async def body(host: Host) -> None:
        assert await host.call("host.call_plugin", host.host, "shell", "whose", {}) == host.kit.session
        refusals = {name: await host.refused("host.call_plugin", host.host, "shell", name, {}) for name in ("refuse", "fail", "other")}
        assert refusals == {
            "refuse": ["VDI_MISSING", "a", "b"],
            "fail": ["XENAPI_PLUGIN_EXCEPTION", "fail", "LookupError", "nothing there"],
            "other": ["UNKNOWN_XENAPI_PLUGIN_FUNCTION", "other"],
        }

    _over(settings, body)


def test_xenstore_is_the_guests(settings: Settings) -> None:
    async def body(host: Host) -> None:
        vm, domid = await running(host)
        top = f"/local/domain/{domid}"
        assert await _printed(host, f"xenstore-read {top}/name {top}/domid") == f"web\n{domid}\n"
        await _printed(host, f"xenstore-write -- {top}/vm-data/a 1 {top}/vm-data/b -x")
        assert host.row(vm)["xenstore_data"] == {"vm-data/a": "1", "vm-data/b": "-x"}
        assert await _printed(host, f"xenstore-list {top}/vm-data; xenstore-exists {top}/vm-data/a && echo yes") == "a\nb\nyes\n"
        await _printed(host, f"xenstore-rm {top}/vm-data/a")
        assert await _run(host, f"xenstore-read {top}/vm-data/a") == (1, "", f"xenstore-read: couldn't read path {top}/vm-data/a\n")
        assert await _run(host, f"xenstore-rm {top}/vm-data/a") == (1, "", f"xenstore-rm: could not remove path {top}/vm-data/a\n")
        assert await _run(host, f"xenstore-list {top}/none") == (1, "", f"xenstore-list: could not list path {top}/none\n")
        assert await _run(host, "xenstore-write /local/domain/77/a 1") == (
            1,
            "",
            "xenstore-write: could not write path /local/domain/77/a\n",
        )
        assert await _run(host, f"xenstore-exists {top}/none") == (1, "", "xenstore-exists: no such path\n")
        assert await _run(host, "xenstore-read /vm") == (1, "", "xenstore-read: couldn't read path /vm\n")

    _over(settings, body)


def test_xenstore_tells_of_changes_and_of_a_domain_that_goes(settings: Settings) -> None:
    async def body(host: Host) -> None:
        vm, domid = await running(host)
        listeners = list(host.world.listeners)
        path = f"/local/domain/{domid}/vm-data/a"
        waits = asyncio.create_task(_printed(host, f"xenstore-watch -n 3 {path}"))
        for value in ("1", "1", "2"):
            await asyncio.sleep(10)
            assert not waits.done()
            await _printed(host, f"xenstore-write {path} {value}")
        assert await waits == f"{path}\n" * 3
        waits = asyncio.create_task(_printed(host, f"xenstore-watch -n 2 {path}none"))
        await asyncio.sleep(10)
        await host.call("VM.hard_shutdown", vm)
        assert await waits == f"{path}none\n" * 2
        assert host.world.listeners == listeners
        assert await _run(host, f"xenstore-watch {path}") == (2, "", "Usage: xenstore-watch -n N PATH\n")

    _over(settings, body)


ASKS = """python3 -c 'import json, os, socket, sys
wire = socket.socket(socket.AF_UNIX)
wire.connect(os.environ["DOM0_COMMANDS"])
wire.sendall(json.dumps([sys.argv[1:], "/"]).encode())
wire.shutdown(1)
print(json.loads(wire.recv(9999)))' """


@pytest.mark.parametrize(
    ("words", "reply"),
    [
        ("timeout 5 sleep 9", [124, "", ""]),
        ("timeout 9 sleep 5", [0, "", ""]),
        ("timeout 9 frobnicate", [127, "", "frobnicate: command not found"]),
        ("timeout soon sleep 5", [125, "", "timeout: invalid time interval: soon"]),
        ("timeout", [125, "", "timeout: invalid time interval: "]),
    ],
)
def test_who_asks_the_simulator_itself_gives_a_command_its_time(settings: Settings, words: str, reply: list[Any]) -> None:
    async def body(host: Host) -> None:
        assert await _printed(host, ASKS + words) == f"{reply}\n"

    _over(settings, body)


def test_the_network_is_that_of_the_other_plugins(settings: Settings) -> None:
    async def body(host: Host) -> None:
        await _printed(host, "brctl addbr b0 && brctl setfd b0 0 && brctl stp b0 off && ip link add v0 type veth peer name v1")
        await _printed(host, "brctl addif b0 v0 && ip link set dev v0 up && ip link set v0 promisc on && ip link set v0 mtu 9000")
        assert await _printed(host, "ip -o link show dev v0 master b0; ip -o link show dev v1 master b0") == (
            "v0: <BROADCAST,MULTICAST,PROMISC,UP> mtu 1500 qdisc mq state UP\n"
        )
        await _printed(host, "ovs-vsctl --timeout=5 add-br o0 -- add-port o0 v1 tag=7 -- set Interface v1 'external-ids:mac=\"fa:16\"'")
        assert await _printed(host, "ovs-vsctl br-exists o0 && echo yes") == "yes\n"
        assert (await _run(host, "ovs-vsctl br-exists o1"))[0] == 2
        assert (await _run(host, "ovs-vsctl add-br o0"))[0] == 1
        assert (await _run(host, "ovs-vsctl --may-exist add-br o0 && ovs-vsctl del-port o0 v1 && ovs-vsctl del-br o0"))[0] == 0
        assert await _run(host, "ovs-vsctl set Interface nobody a=b") == (1, "", 'ovs-vsctl: no row "nobody" in table Interface\n')
        for command in ("ip link frobnicate", "ip link set v0 sideways", "brctl show", "ovs-vsctl list Port"):
            code, _, said = await _run(host, command)
            assert (code, "this simulated dom0 does not know" in said) == (1, True)
        await _printed(host, "brctl delif b0 v0 && ip link del v0 && brctl delbr b0")
        assert (await _run(host, "ip link show dev v1"))[0] == 1
        assert (await _run(host, "ip link add b1 type bridge && ip link show b1"))[0] == 0

    _over(settings, body)


def test_sleep_takes_the_simulators_time(settings: Settings) -> None:
    async def body(host: Host) -> None:
        before_s = asyncio.get_running_loop().time()
        assert await _printed(host, "sleep 3600; echo awake") == "awake\n"
        assert asyncio.get_running_loop().time() - before_s == 3600
        assert (await _run(host, "sleep soon"))[0] == (await _run(host, "sleep"))[0] == (await _run(host, "sleep -1"))[0] == 1

    _over(settings, body)


def test_a_command_that_makes_no_sense_gets_no_answer(settings: Settings) -> None:
    script = """python3 -c 'import os, socket
wire = socket.socket(socket.AF_UNIX)
wire.connect(os.environ["DOM0_COMMANDS"])
wire.sendall(b"no json")
wire.shutdown(socket.SHUT_WR)
print(wire.recv(9))'"""

    async def body(host: Host) -> None:
        assert await _printed(host, script) == "b''\n"

    _over(settings, body)


# ---- disks ---------------------------------------------------------------------------------------------------------------------


def test_the_disks_of_an_sr_that_a_call_names_are_files(settings: Settings) -> None:
    async def body(host: Host) -> None:
        named, other = await host.disk(DISK_BYTES), await host.disk(DISK_BYTES)
        for vdi in (named, other):
            host.write(vdi, BLOCK_BYTES, b"x" * BLOCK_BYTES)
        await host.call("VDI.snapshot", named, {})
        parent = host.row(named)["sm_config"]["vhd-parent"]
        listed = await _printed(
            host, f"cd {SR_FOLDER}/$(ls {SR_FOLDER}) && stat -c '%n %s' *.vhd", names=f"{_sr(host)} {_uuid(host, named)}"
        )
        sizes = {line.split()[0].removesuffix(".vhd"): int(line.split()[1]) for line in listed.splitlines()}
        assert sizes[parent] > BLOCK_BYTES > max(sizes[_uuid(host, named)], sizes[_uuid(host, other)])
        assert await _printed(host, f"ls {SR_FOLDER}; ls $DOM0_ROOT/var/run/sr-mount") == f"{_sr(host)}\n" * 2

    _over(settings, body)


def test_disks_of_an_sr_that_is_not_named_or_not_of_files_are_not_there(settings: Settings) -> None:
    async def body(host: Host) -> None:
        assert await _printed(host, f"ls {SR_FOLDER}") == ""
        block = host.kit.make("SR", type="lvm", name_label="block")
        host.kit.make("PBD", SR=host.id(block), host=host.id(host.host), currently_attached=True)
        assert await _printed(host, f"ls {SR_FOLDER}", sr=_uuid(host, block)) == ""

    _over(settings, body)


def _image(uuid: str, byte: bytes, parent: str = "", *, is_hidden: bool = False) -> bytes:
    above = Parent(UUID(parent), f"{parent}.vhd") if parent else None
    return b"".join(VhdImage(DISK_BYTES, UUID(uuid), [0], lambda _: byte * BLOCK_BYTES, above, is_hidden).pieces())


@pytest.mark.parametrize("way", ["SR.scan", "VDI.db_introduce"])
def test_a_file_that_a_script_makes_becomes_a_vdi_with_its_bytes(settings: Settings, tmp_path: Path, way: str) -> None:
    (tmp_path / "new").write_bytes(_image(NEW, b"n", BASE))
    (tmp_path / "base").write_bytes(_image(BASE, b"b", is_hidden=True))

    async def body(host: Host) -> None:
        sr = _sr(host)
        await _printed(host, f"cd {SR_FOLDER}/{sr} && cp {tmp_path}/new {NEW}.vhd && cp {tmp_path}/base {BASE}.vhd && echo note > note")
        if way == "SR.scan":
            await host.call("SR.scan", host.sr)
        else:
            for uuid, config in ((BASE, {}), (NEW, {"vhd-parent": BASE})):
                row = [uuid, "", "", host.sr, "user", False, False, {}, uuid, {}, config, uuid == NEW, str(DISK_BYTES), "0"]
                await host.call("VDI.db_introduce", *row, "OpaqueRef:NULL", False, "19700101T00:00:00Z", "OpaqueRef:NULL", False)
        new, base = [host.row(await host.call("VDI.get_by_uuid", uuid)) for uuid in (NEW, BASE)]
        assert [(row["managed"], row["virtual_size"]) for row in (new, base)] == [(True, DISK_BYTES), (False, DISK_BYTES)]
        assert new["sm_config"]["vhd-parent"] == BASE
        ref = await host.call("VDI.get_by_uuid", NEW)
        assert host.kit.xapi.disks.read(host.id(ref), 0, DISK_BYTES) == b"n" * BLOCK_BYTES + bytes(DISK_BYTES - BLOCK_BYTES)
        assert _lying(host) == []
        assert await _printed(host, f"cat {SR_FOLDER}/{sr}/note", sr=sr) == "note\n"

    _over(settings, body)


def _lying(host: Host) -> list[str]:
    """The disks that lie in SRs without a row."""
    return sorted(uuid for medium in host.world.ids("medium") for uuid in host.world[medium]["disks"])


def test_a_file_that_goes_again_before_a_scan_has_never_been(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "base").write_bytes(_image(BASE, b"b"))

    async def body(host: Host) -> None:
        sr = _sr(host)
        await _printed(host, f"cp {tmp_path}/base {SR_FOLDER}/{sr}/{BASE}.vhd")
        assert _lying(host) == [BASE]
        await _printed(host, f"rm {SR_FOLDER}/{sr}/{BASE}.vhd")
        assert _lying(host) == []
        await host.call("SR.scan", host.sr)
        assert await host.refused("VDI.get_by_uuid", BASE) == ["UUID_INVALID", "VDI", BASE]

    _over(settings, body)


def test_a_disk_that_has_a_row_is_laid_out_again_and_goes_with_it(settings: Settings) -> None:
    async def body(host: Host) -> None:
        vdi, sr = await host.disk(DISK_BYTES), _sr(host)
        file = f"{SR_FOLDER}/{sr}/{_uuid(host, vdi)}.vhd"
        await _printed(host, f"rm {file}")
        assert await _printed(host, f"test -s {file} && echo yes", sr=sr) == "yes\n"
        await _printed(host, f"echo spoilt > {file}")
        host.write(vdi, 0, b"later" * 100)
        assert await _printed(host, f"grep -c later {file}") == "1\n"
        await host.call("VDI.destroy", vdi)
        assert (await _run(host, f"ls {file}"))[0] != 0

    _over(settings, body)


def test_a_file_that_is_no_vhd_is_passed_over_and_said(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    async def body(host: Host) -> None:
        sr = _sr(host)
        await _printed(host, f"echo nonsense > {SR_FOLDER}/{sr}/{NEW}.vhd; echo x > {SR_FOLDER}/{sr}/other.vhd")
        assert _lying(host) == []
        await host.call("SR.scan", host.sr)

    _over(settings, body)
    assert [f"{NEW}.vhd is passed over: VHD '/tmp/{NEW}.vhd' is not valid" in record.message for record in caplog.records] == [True]


def test_the_mark_of_hidden_disks_is_in_their_footers(settings: Settings) -> None:
    image = _image(BASE, b"b", is_hidden=True)
    assert [read_footer(raw, 0).is_hidden for raw in (image[:FOOTER_BYTES], image[-FOOTER_BYTES:])] == [True, True]


@pytest.mark.skipif(shutil.which("rsync") is None, reason="there is no rsync")
def test_rsync_reaches_simulated_hosts_alone(settings: Settings) -> None:
    async def body(host: Host) -> None:
        sr, address = _sr(host), host.row(host.host)["address"]
        send = f"cd {SR_FOLDER}/{sr} && echo x > x && rsync x"
        await _printed(host, f"{send} root@{address}:/run/sr-mount/{sr}/y && cat y")
        assert await _printed(host, f"cat {SR_FOLDER}/{sr}/y", sr=sr) == "x\n"
        code, _, said = await _run(host, f"{send} root@192.0.2.1:/run/sr-mount/{sr}/y")
        assert (code, said) == (255, "ssh: connect to host 192.0.2.1 port 22: No route to host\n")

    _over(settings, body)


# ---- how it ends ---------------------------------------------------------------------------------------------------------------


def test_a_script_ends_with_its_call(settings: Settings, tmp_path: Path) -> None:
    async def body(host: Host) -> None:
        script = f"sleep 1000; touch {tmp_path}/went-on"
        calling = asyncio.ensure_future(_run(host, script))
        await asyncio.sleep(10)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        await asyncio.sleep(2000)
        assert not (tmp_path / "went-on").exists()

    _over(settings, body)


def test_every_command_is_in_the_path_before_the_systems(settings: Settings) -> None:
    async def body(host: Host) -> None:
        found = (await _printed(host, f"for name in {' '.join(COMMANDS)}; do command -v $name; done")).splitlines()
        assert [Path(path).name for path in found] == list(COMMANDS)
        assert len({Path(path).parent for path in found}) == 1

    _over(settings, body)


def test_the_folders_go_with_the_plugins(tmp_path: Path) -> None:
    plugins = load(tmp_path)
    top = plugins.folders.top(COMMANDS)
    assert (top / "bin" / "sleep").exists()
    del plugins
    assert not top.exists()
