"""The port to the shells of hosts: run a command there, take what it prints, feed it a file. May not know how a host is reached."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

SAID_CHARACTERS = 2000
"""Of what a failed command said on stderr, the last so many are kept."""


@dataclass(frozen=True, slots=True)
class SshHost:
    """Where a shell is. ``options`` are OpenSSH's (``HostKeyAlgorithms=+ssh-rsa`` for servers of 2008).

    ``lends_agent``: commands there may log in to other hosts with our key, which itself stays here.
    """

    name: str
    address: str
    port: int = 22
    user: str = "root"
    options: tuple[str, ...] = ()
    lends_agent: bool = False


class ShellFailure(Exception):
    """Something that was to be done in a host's shell and was not."""


class HostLost(ShellFailure):
    """The host cannot be reached, or is not the one that it should be; what a command did there is unknown."""

    def __init__(self, host: str, said: str) -> None:
        super().__init__(f"{host} cannot be reached: {said or 'the connection broke off'}")


class CommandFailed(ShellFailure):
    """A command ended with another code than 0; the message has all that is known."""

    def __init__(self, host: str, command: tuple[str, ...], code: int, said: str) -> None:
        super().__init__(f"{host}: `{' '.join(command)}` ended with {code}: {said or 'it said nothing'}")
        self.code = code
        self.said = said


class Shell(Protocol):
    """Commands are lists of arguments, which no shell splits again. Secrets are no arguments. Raises CommandFailed, HostLost.

    A command ends when whoever asked for it goes away, be it by a cancellation or by a crash.
    """

    async def run(self, host: SshHost, *command: str) -> str:
        """What the command prints, without white space at the end."""

    def stream(self, host: SshHost, *command: str) -> AsyncIterator[bytes]:
        """What the command prints, as it comes."""

    async def feed(self, host: SshHost, file: Path, *command: str) -> None:
        """Run a command that reads a file of this machine on its stdin."""

    async def identity(self, host: SshHost) -> str:
        """The lines of ``known_hosts`` by which others know the host."""


def as_lines(*lines: str) -> str:
    """A script of several lines that ends at the first one that fails."""
    return "\n".join(("set -e", *lines))


def script(text: str, *arguments: str) -> tuple[str, ...]:
    """A script as a command; it sees its arguments as ``$1`` and so on, so that nothing needs quotes."""
    return ("sh", "-c", text, "sh", *arguments)
