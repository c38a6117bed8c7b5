"""The plugin is laid out over a real sshd into the dom0 of simulated hosts, checked over XenAPI, and taken away again."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from compute_core.cli import core
from compute_core.installer.rollout import CHECK
from compute_core.xenapi import dom0_bundle
from fake_xapi.dom0.user_plugins import load
from fake_xapi.engine.settings import Settings
from fake_xapi.fleet.fleet import Order
from fake_xapi.testing import _Served
from scenarios.testrun import free_port
from tests.compute_core.firstgen.sshd import Keys, make_keys, path_with, sshd

pytestmark = pytest.mark.ssh
WANTED = dom0_bundle.digest(dom0_bundle.built())


@dataclass(frozen=True)
class Site:
    """A pool of two hosts whose plugins lie in ``folder``, and the sshd that leads there."""

    folder: Path
    keys: Keys
    port: int
    urls: list[str]

    def run(self, command: str, *options: str, urls: list[str] | None = None) -> tuple[int, Any]:
        """The exit code and the rows of a command."""
        access = [word for url in (urls or self.urls) for word in ("--url", url)]
        done = CliRunner().invoke(core, ["dom0", command, *access, "--json", *options])
        return done.exit_code, json.loads(done.stdout) if done.stdout.startswith("[") else done.output

    def over_ssh(self, command: str, *options: str) -> tuple[int, Any]:
        known, key = str(self.keys.known_hosts), str(self.keys.key)
        where = ("--ssh-port", str(self.port), "--folder", str(self.folder))
        return self.run(command, "--known-hosts", known, "--key", key, *where, *options)


def _two_free_ports() -> int:
    """The first of two ports in a row that nobody has."""
    while True:
        first = free_port()
        with socket.socket() as second:
            try:
                second.bind(("127.0.0.1", first + 1))
            except OSError:
                continue
        return first


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder, keys = tmp_path / "plugins", make_keys(tmp_path / "keys")
    folder.mkdir()
    order = Order(hosts=2, pool_size=2, port=_two_free_ports(), has_own_addresses=False)
    with (
        sshd(tmp_path / "sshd", keys, {"PATH": path_with(tmp_path)}) as port,
        closing(_Served(order, Settings(plugins=load(folder)))) as served,
    ):
        yield Site(folder, keys, port, [served.hosts()[0].url])


def _states(rows: Any) -> list[str]:
    return [row["state"] for row in rows]


def test_every_host_of_a_pool_gets_the_plugin_once_and_loses_it_again(site: Site) -> None:
    assert _states(site.run("check")[1]) == ["missing", "missing"]
    code, rows = site.over_ssh("install")
    assert (code, _states(rows), [row["version"] for row in rows], [row["problem"] for row in rows]) == (
        0,
        ["right"] * 2,
        ["1.1"] * 2,
        [""] * 2,
    )
    file = site.folder / dom0_bundle.FILE
    assert (dom0_bundle.digest(file.read_bytes()), file.stat().st_mode & 0o777) == (WANTED, 0o755)
    assert sorted(path.name for path in site.folder.iterdir()) == [dom0_bundle.FILE]
    before = file.stat()
    assert site.over_ssh("install")[0] == 0
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert site.run("check")[0] == 0
    for _ in range(2):
        code, rows = site.over_ssh("remove")
        assert (code, _states(rows), list(site.folder.iterdir())) == (0, ["missing"] * 2, [])


def test_another_build_and_a_broken_one_are_told_and_replaced(site: Site) -> None:
    file = dom0_bundle.write(site.folder)
    file.write_bytes(file.read_bytes().replace(b'VERSION = "1.1"', b'VERSION = "0.9"'))
    code, rows = site.run("check")
    assert (code, _states(rows), rows[0]["version"]) == (1, ["other", "other"], "0.9")
    file.write_bytes(b"#!/bin/sh\nexit 3\n")
    code, rows = site.run("check")
    assert (code, _states(rows), "XENAPI_PLUGIN_FAILURE" in rows[0]["problem"]) == (1, ["failing"] * 2, True)
    assert site.over_ssh("install")[0] == 0


def test_what_stands_in_the_way_is_said_for_each_host(site: Site, tmp_path: Path) -> None:
    code, rows = site.over_ssh("install", "--folder", str(tmp_path / "nowhere"))
    assert (code, _states(rows), "is this the dom0 of a XenServer?" in rows[0]["problem"]) == (1, ["missing"] * 2, True)
    site.keys.known_hosts.write_text("", encoding="utf-8")
    code, rows = site.over_ssh("install")
    assert (code, "Host key verification failed" in rows[0]["problem"], list(site.folder.iterdir())) == (1, True, [])


@pytest.mark.parametrize(
    ("python", "said"),
    [
        ("#!/bin/sh\necho 'the plugin needs Python 3.6, here is 3.4' >&2; exit 1\n", "the plugin needs Python 3.6, here is 3.4"),
        ("", "there is no python3; the plugin needs Python 3.6"),
    ],
)
def test_a_dom0_whose_python_is_too_old_is_left_alone(tmp_path: Path, python: str, said: str) -> None:
    if python:
        (tmp_path / "python3").write_text(python, encoding="utf-8")
        (tmp_path / "python3").chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", "-c", CHECK, "sh", tmp_path], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.strip()) == (1, said)


def test_a_python_of_today_is_enough(tmp_path: Path) -> None:
    subprocess.run(["/bin/sh", "-c", CHECK, "sh", tmp_path], check=True)


def test_bytes_that_change_on_their_way_are_not_installed(site: Site, tmp_path: Path) -> None:
    (tmp_path / "cat").write_text("#!/bin/sh\n/bin/cat\necho changed\n", encoding="utf-8")
    (tmp_path / "cat").chmod(0o755)
    code, rows = site.over_ssh("install")
    assert (code, _states(rows), list(site.folder.iterdir())) == (1, ["missing"] * 2, [])
    assert "FAILED" in rows[0]["problem"] or "did NOT match" in rows[0]["problem"]


def test_a_host_that_does_not_answer_and_a_wrong_password_are_told(site: Site) -> None:
    code, rows = site.run("check", urls=["http://127.0.0.1:9"])
    assert (code, _states(rows), rows[0]["host"]) == (1, ["failing"], "127.0.0.1-9")
    code, rows = site.run("check", "--password", "wrong", urls=site.urls)
    assert (code, "SESSION_AUTHENTICATION_FAILED" in rows[0]["problem"]) == (1, True)
    code, said = site.run("check", urls=["ftp://x"])
    assert (code, "is no URL of a host" in said) == (2, True)


def test_the_plugin_is_written_for_whoever_copies_it(tmp_path: Path) -> None:
    done = CliRunner().invoke(core, ["dom0", "write", str(tmp_path / "out")])
    assert done.output.replace("\n", "") == f"{tmp_path / 'out' / 'inova'} {WANTED}"
    assert CliRunner().invoke(core, ["dom0", "write", "/proc/nowhere"]).exit_code == 2


def test_the_same_sources_are_the_same_bytes() -> None:
    assert dom0_bundle.built() == dom0_bundle.built()
