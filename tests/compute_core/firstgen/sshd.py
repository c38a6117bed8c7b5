"""A real sshd for tests: on loopback, at a free port, with keys and settings of its own in a folder, gone when the test is."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scenarios import prerequisites
from scenarios.testrun import free_port
from tests.services import server

PRIVILEGE_SEPARATION = Path("/run/sshd")


@dataclass(frozen=True, slots=True)
class Keys:
    """The key with which the tests log in, and the file of the host keys that they know."""

    key: Path
    known_hosts: Path


def make_keys(folder: Path) -> Keys:
    folder.mkdir(parents=True, exist_ok=True)
    return Keys(_key(folder / "id"), folder / "known_hosts")


def _key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "a test", "-f", path], check=True, stdin=subprocess.DEVNULL)
    return path


@contextmanager
def sshd(folder: Path, keys: Keys, environment: Mapping[str, str]) -> Iterator[int]:
    """Serve shells with this environment to whoever has the key; yields the port, whose host key is added to those that are known."""
    folder.mkdir(parents=True, exist_ok=True)
    PRIVILEGE_SEPARATION.mkdir(exist_ok=True)
    port, host_key = free_port(), _key(folder / "host_key")
    variables = " ".join(f'"{name}={value}"' for name, value in environment.items())
    settings = {
        "ListenAddress": "127.0.0.1",
        "Port": str(port),
        "HostKey": str(host_key),
        "AuthorizedKeysFile": f"{keys.key}.pub",
        "AuthenticationMethods": "publickey",
        "PermitRootLogin": "prohibit-password",
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
        "SetEnv": variables,
    }
    (folder / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()), encoding="utf-8")
    public = " ".join(host_key.with_suffix(".pub").read_text(encoding="utf-8").split()[:2])
    with keys.known_hosts.open("a", encoding="utf-8") as known:
        known.write(f"[127.0.0.1]:{port} {public}\n")
    with server([str(prerequisites.find("sshd")), "-D", "-e", "-f", str(folder / "sshd_config")], folder, "Server listening on"):
        yield port


def path_with(*programs: Path) -> str:
    """A PATH on which some programs stand before the system's."""
    return os.pathsep.join([*map(str, programs), "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"])
