"""Disks go to another host by rsync: through a real sshd, and between the simulated hosts of a process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from compute_core.dom0.machine import Machine, Ran, run_process
from compute_core.xenapi import vhd_chains
from compute_core.xenapi.plugins import Receiver, Source
from tests.compute_core.dom0.local import OTHER_SR, SR, call, dom0_in, files_in, refused, sr_folder
from tests.compute_core.dom0.simulated import Site, over_dom0
from tests.compute_core.dom0.vhds import DISK_BYTES, SEEN, UUIDS, archived, chain, image_service, numbered
from tests.compute_core.firstgen.sshd import Keys, make_keys, path_with, sshd

LABEL = "vm-1"
INCOMING = f".inova-incoming/{LABEL}"
RSYNC = """#!{python}
import os, sys
os.execv("/usr/bin/rsync", [word.replace("/run/sr-mount", "{root}/run/sr-mount") for word in sys.argv])
"""


@dataclass(frozen=True)
class Hosts:
    """The dom0 that sends, in one folder, and the one that receives, in another, behind an sshd."""

    folder: Path
    there: Path
    keys: Keys
    port: int

    @property
    def sender(self) -> Machine:
        return dom0_in(self.folder)._replace(runs=run_process)

    def ssh(self, **changes: Any) -> dict[str, Any]:
        known, key = str(self.keys.known_hosts), str(self.keys.key)
        return {"host": "127.0.0.1", "user": "root", "port": self.port, "identity_file": key, "known_hosts_file": known, **changes}

    def send(self, *disks: tuple[int, str], **changes: Any) -> Any:
        wanted = [{"vdi": vdi, "place": place} for place, vdi in disks]
        return call(self.sender, "transfer_send", sr=SR, target_sr=OTHER_SR, label=LABEL, disks=wanted, **self.ssh(**changes))

    def refused(self, **changes: Any) -> tuple[str, str]:
        disks = changes.pop("disks", [{"vdi": UUIDS[0], "place": 0}])
        arguments = {"sr": SR, "target_sr": OTHER_SR, "label": LABEL, "disks": disks, **self.ssh(), **changes}
        return refused(self.sender, "transfer_send", **arguments)


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    here, there, programs = tmp_path / "here", tmp_path / "there", tmp_path / "programs"
    for folder in (here, there):
        dom0_in(folder)
    programs.mkdir()
    (programs / "rsync").write_text(RSYNC.format(python=sys.executable, root=there), encoding="utf-8")
    (programs / "rsync").chmod(0o755)
    for uuid, content in zip(UUIDS, chain(), strict=False):
        (sr_folder(here) / f"{uuid}.vhd").write_bytes(content)
    keys = make_keys(tmp_path / "keys")
    with sshd(tmp_path / "sshd", keys, {"PATH": path_with(programs)}) as port:
        yield Hosts(here, there, keys, port)


@pytest.mark.ssh
def test_a_chain_goes_parents_first_and_becomes_a_chain_there(hosts: Hosts) -> None:
    receiver = dom0_in(hosts.there)
    prepared = call(receiver, "transfer_prepare", sr=OTHER_SR, label=LABEL, needed_bytes=1)
    for uuid in UUIDS[:3]:
        os.utime(sr_folder(hosts.folder) / f"{uuid}.vhd", (1.0, 1.0))
    assert (prepared["files"], prepared["free_bytes"] > 0) == ({}, True)
    parents, leaf = hosts.send((1, UUIDS[1]), (2, UUIDS[2])), hosts.send((0, UUIDS[0]))
    assert all(path.stat().st_mtime > 1.0 for path in (sr_folder(hosts.there, OTHER_SR) / INCOMING).iterdir())
    sizes = [len(content) for content in chain()]
    assert (parents, leaf) == ({"bytes": sizes[1] + sizes[2], "files": 2}, {"bytes": sizes[0], "files": 1})
    assert call(receiver, "transfer_prepare", sr=OTHER_SR, label=LABEL)["files"] == dict(
        zip(["0.vhd", "1.vhd", "2.vhd"], sizes, strict=True)
    )
    done = call(receiver, "transfer_receive", sr=OTHER_SR, label=LABEL, uuids=UUIDS[3:6], count=3)
    assert [(disk["uuid"], disk["parent"]) for disk in done["vhds"]] == [(UUIDS[3], UUIDS[4]), (UUIDS[4], UUIDS[5]), (UUIDS[5], "")]
    assert files_in(hosts.there, OTHER_SR) == [f"{uuid}.vhd" for uuid in UUIDS[3:6]]
    assert call(receiver, "transfer_receive", sr=OTHER_SR, label=LABEL, uuids=UUIDS[3:6], count=3) == done
    assert files_in(hosts.folder) == [f"{uuid}.vhd" for uuid in UUIDS[:3]]


@pytest.mark.ssh
def test_ssh_goes_to_no_host_that_it_does_not_know_and_asks_nobody(hosts: Hosts, tmp_path: Path) -> None:
    call(dom0_in(hosts.there), "transfer_prepare", sr=OTHER_SR, label=LABEL)
    (tmp_path / "nobody").write_text("", encoding="utf-8")
    kind, text = hosts.refused(known_hosts_file=str(tmp_path / "nobody"))
    assert (kind, "Host key verification failed" in text) == ("Denied", True)
    stranger = make_keys(tmp_path / "stranger")
    kind, text = hosts.refused(identity_file=str(stranger.key))
    assert (kind, "Permission denied" in text) == ("Denied", True)
    kind, text = hosts.refused(port=9)
    assert (kind, "Connection refused" in text) == ("Retryable", True)
    assert files_in(hosts.there, OTHER_SR) == []


@pytest.mark.ssh
def test_a_folder_that_nobody_prepared_takes_nothing(hosts: Hosts) -> None:
    kind, text = hosts.refused()
    assert (kind, "No such file or directory" in text, files_in(hosts.there, OTHER_SR)) == ("NotFound", True, [])


@pytest.mark.parametrize(
    ("code", "said", "kind"),
    [
        (1, "syntax or usage error", "BadArguments"),
        (5, "error starting client-server protocol", "Denied"),
        (10, "error in socket IO", "Retryable"),
        (11, "write failed on x: No space left on device (28)", "Full"),
        (11, "error in file IO", "Retryable"),
        (12, "Host key verification failed. connection unexpectedly closed", "Denied"),
        (12, "connection unexpectedly closed", "Retryable"),
        (23, "some files could not be transferred", "NotFound"),
        (30, "timeout in data send/receive", "Retryable"),
        (35, "timeout waiting for daemon connection", "Retryable"),
        (124, "killed after 6 seconds", "Retryable"),
        (255, "ssh: connect to host x port 22: No route to host", "Retryable"),
        (255, "Permission denied (publickey).", "Denied"),
        (255, "Host key verification failed.", "Denied"),
    ],
)
def test_what_rsync_says_is_sorted(tmp_path: Path, code: int, said: str, kind: str) -> None:
    asked: list[tuple[str, ...]] = []

    def commands(command: tuple[str, ...]) -> Ran:
        asked.append(command)
        return Ran(code, "", said)

    machine = dom0_in(tmp_path, commands)
    (sr_folder(tmp_path) / f"{UUIDS[0]}.vhd").write_bytes(chain()[0])
    arguments = {"sr": SR, "target_sr": OTHER_SR, "label": LABEL, "host": "fe80::1", "most_kib_s": 50}
    found, text = refused(machine, "transfer_send", disks=[{"vdi": UUIDS[0], "place": 0}], **arguments)
    assert (found, text) == (kind, f"rsync to root@[fe80::1]:/run/sr-mount/{OTHER_SR}/{INCOMING}/ failed with code {code}: {said}")
    assert asked[0][:3] == ("rsync", "--inplace", "--timeout=120")
    assert asked[0][3:5] == (
        "--bwlimit=50",
        "--rsh=ssh -oBatchMode=yes -oStrictHostKeyChecking=yes -oConnectTimeout=20 -oServerAliveInterval=15 -oServerAliveCountMax=8 -p22",
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"host": "-oProxyCommand=id"}, "'host' is no host"),
        ({"host": "a b"}, "'host' is no host"),
        ({"user": "root -x"}, "'user' is no name"),
        ({"label": "../x"}, "'label' is no name"),
        ({"target_sr": "x"}, "'target_sr' is no uuid"),
        ({"identity_file": "/root/a b"}, "'identity_file' is no absolute path of plain characters"),
        ({"known_hosts_file": "-x"}, "'known_hosts_file' is no absolute path"),
        ({"disks": []}, "'disks' is no list of maps"),
        ({"disks": [{"vdi": UUIDS[0], "place": 0}, {"vdi": UUIDS[1], "place": 0}]}, "'disks' has the place 0 twice"),
    ],
)
def test_what_would_end_in_a_shell_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    machine = dom0_in(tmp_path)
    for uuid in UUIDS[:2]:
        (sr_folder(tmp_path) / f"{uuid}.vhd").write_bytes(chain()[0])
    arguments = {"sr": SR, "target_sr": OTHER_SR, "label": LABEL, "host": "h", "disks": [{"vdi": UUIDS[0], "place": 0}], **changes}
    kind, text = refused(machine, "transfer_send", **arguments)
    assert (kind, said in text) == ("BadArguments", True)


def test_what_has_not_come_or_is_no_chain_is_not_received(tmp_path: Path) -> None:
    machine = dom0_in(tmp_path)
    call(machine, "transfer_prepare", sr=SR, label=LABEL)
    (sr_folder(tmp_path) / INCOMING / "0.vhd").write_bytes(chain()[0])
    arguments = {"sr": SR, "label": LABEL, "uuids": UUIDS[:2]}
    assert refused(machine, "transfer_receive", count=2, **arguments) == ("NotFound", "1 of the disks have not come: 1.vhd")
    assert refused(machine, "transfer_receive", count=0, **arguments)[0] == "NotFound"
    assert refused(machine, "transfer_receive", count=1, **arguments)[0] == "BadImage"
    assert files_in(tmp_path) == [f"{INCOMING}/0.vhd"]
    for _ in range(2):
        call(machine, "transfer_forget", sr=SR, label=LABEL)
    assert files_in(tmp_path) == []


def test_folders_are_forgotten_with_those_that_are_called_so_and_more(tmp_path: Path) -> None:
    machine = dom0_in(tmp_path)
    for label in (LABEL, f"{LABEL}-0", f"{LABEL}-1", f"{LABEL}0"):
        call(machine, "transfer_prepare", sr=SR, label=label)
    call(machine, "transfer_forget", sr=SR, label=LABEL)
    assert [path.name for path in (sr_folder(tmp_path) / ".inova-incoming").iterdir()] == [f"{LABEL}0"]


def test_an_sr_without_room_is_said_before_anything_is_sent(tmp_path: Path) -> None:
    kind, text = refused(dom0_in(tmp_path), "transfer_prepare", sr=SR, label=LABEL, needed_bytes=1 << 60)
    assert (kind, text.startswith(f"{1 << 60} bytes are needed, the SR has ")) == ("Full", True)


@pytest.mark.ssh
def test_disks_go_from_one_simulated_pool_to_another(tmp_path: Path) -> None:
    async def body(here: Site, there: Site) -> None:
        with image_service() as service:
            service.content["/i"] = archived(numbered(chain()))
            laid = await here.dom0.download(here.sr_uuid, UUIDS, Source(f"{service.url}/i"))
        await vhd_chains.introduce(here.session, here.place.sr, laid, "root")
        receiver = Receiver(there.place.address, there.sr_uuid)
        await there.dom0.prepare_transfer(there.sr_uuid, LABEL)
        for disks in ({2: UUIDS[2], 1: UUIDS[1]}, {0: UUIDS[0]}):
            await here.dom0.send(here.sr_uuid, disks, receiver, LABEL)
        come = await there.dom0.receive(there.sr_uuid, LABEL, UUIDS[3:6])
        leaf = await vhd_chains.register(there.session, there.place.sr, come, "moved")
        assert there.xapi.disks.read(there.xapi.world.find_ref(leaf), 0, DISK_BYTES) == SEEN

    over_dom0(tmp_path, body, hosts=2)
