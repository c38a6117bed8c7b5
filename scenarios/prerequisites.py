"""The programs of the operating system that rehearsals and tests use, and how they get onto a machine.

May not know what a program is used for beyond one sentence for people.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

LOCK_TIMEOUT_S = 300
"""How long to wait for whoever else is installing packages."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program, the Debian package that has it, what for, and the folders outside PATH where packages put it."""

    name: str
    package: str
    purpose: str
    folders: tuple[str, ...] = ()


PROGRAMS: Mapping[str, Program] = {
    program.name: program
    for program in (
        Program("qemu-img", "qemu-utils", "makes and checks VHD images"),
        Program("mke2fs", "e2fsprogs", "makes the file system inside an image", ("/sbin", "/usr/sbin")),
        Program("e2fsck", "e2fsprogs", "checks the file system inside an image", ("/sbin", "/usr/sbin")),
        Program("sshd", "openssh-server", "is the shell of hosts that VMs are moved from", ("/usr/sbin",)),
        Program("ssh", "openssh-client", "reaches the shells of hosts"),
        Program("rsync", "rsync", "copies the files of VMs from host to host"),
        Program("lvcreate", "lvm2", "takes snapshots of volumes", ("/sbin", "/usr/sbin")),
        Program("sfdisk", "fdisk", "partitions disks", ("/sbin", "/usr/sbin")),
        Program("ovsdb-server", "openvswitch-switch", "keeps what switches are told", ("/usr/sbin",)),
        Program("ovs-vswitchd", "openvswitch-switch", "is the switch that flows are tried on", ("/usr/sbin",)),
        Program("postgres", "postgresql", "keeps a cell's instances", ("/usr/lib/postgresql/*/bin",)),
        Program("initdb", "postgresql", "makes a private PostgreSQL cluster", ("/usr/lib/postgresql/*/bin",)),
        Program("rabbitmq-server", "rabbitmq-server", "carries messages between cells", ("/usr/lib/rabbitmq/bin",)),
        Program("node", "nodejs", "runs the clients of XenAPI that are written in JavaScript"),
        Program("npm", "npm", "gets those clients"),
        Program("chromium", "chromium", "shows the dashboard to its tests"),
        Program("epmd", "erlang-base", "tells RabbitMQ's nodes where they are", ("/usr/lib/erlang/*/bin", "/usr/lib/erlang/bin")),
    )
}


def find(name: str) -> Path | None:
    """The program's path: a package's own folder before PATH, where a wrapper may stand; None when it is not installed."""
    for pattern in PROGRAMS[name].folders:
        for folder in sorted(Path("/").glob(pattern.lstrip("/")), reverse=True):
            if os.access(folder / name, os.X_OK):
                return folder / name
    found = shutil.which(name)
    return Path(found) if found else None


def missing(names: Iterable[str] = PROGRAMS) -> list[Program]:
    """Those of the programs that are not installed."""
    return [PROGRAMS[name] for name in names if find(name) is None]


def cure(programs: Iterable[Program]) -> str:
    """The sentence that says how to get the programs."""
    return f"on Debian and Ubuntu: apt-get install {' '.join(_packages(programs))}"


def can_install() -> bool:
    """Whether this process may install packages: it is root on a machine that has apt-get."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(programs: Iterable[Program]) -> None:
    """Install the programs' packages with apt-get; CalledProcessError when apt-get fails."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *_packages(programs)]):
        subprocess.run(
            ["apt-get", "-o", f"DPkg::Lock::Timeout={LOCK_TIMEOUT_S}", *command], env=environment, check=True, stdin=subprocess.DEVNULL
        )


def _packages(programs: Iterable[Program]) -> list[str]:
    return sorted({program.package for program in programs})
