"""The shells of hosts by OpenSSH's own client: one connection per host, shared by its commands; host keys checked strictly.

A key file is given to an agent of our own, so that a host which copies from another logs in there without ever having the key.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shlex
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from compute_core.firstgen.shell import SAID_CHARACTERS, CommandFailed, HostLost, SshHost

log = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 18
NO_CONNECTION = 255
"""How ``ssh`` ends when it, and not the command, has failed."""
IDLE_S = 30
"""A shared connection that nobody uses ends by itself."""
STEADY = (
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "GlobalKnownHostsFile=/dev/null",
    "ConnectTimeout=20",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=4",
    "ControlMaster=auto",
    f"ControlPersist={IDLE_S}",
)
LIFELINE = """
exec 3<&0
LC_ALL=C setsid "$@" </dev/null 3<&- &
command=$!
(cat; kill -TERM -$command) <&3 >/dev/null 2>&1 &
lifeline=$!
exec 3<&-
wait $command
code=$?
kill $lifeline 2>/dev/null
exit $code
"""
"""Ends the command with all that it has started when stdin ends: an orphan would go on writing below whoever resumes its work."""


KEEPER = """
echo ready
cat >/dev/null
for socket in "$1"/to-*; do
    if [ -S "$socket" ]; then ssh -F none -o ControlPath="$socket" -O exit none; fi
done
if [ -n "$SSH_AGENT_PID" ]; then kill "$SSH_AGENT_PID"; fi
rm -rf "$1"
"""
"""Ends every connection, and with itself the agent that runs it, when this process is gone, however it went."""


class Ssh:
    """The ``Shell`` of all hosts that know one key. A scope: left, it ends its connections and its agent.

    Without ``key`` the agent of the environment is used. ``known_hosts`` is OpenSSH's file of host keys.
    """

    def __init__(self, known_hosts: Path, key: Path | None = None) -> None:
        self._known_hosts = known_hosts
        self._key = key
        self._folder = Path(tempfile.gettempdir())
        self._environment: Mapping[str, str] = os.environ
        self._keeper: Process | None = None

    async def __aenter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="inova-ssh-"))
        socket = self._folder / "agent"
        agent = ("ssh-agent", "-a", str(socket)) if self._key is not None else ()
        command = (*agent, "sh", "-c", KEEPER, "sh", str(self._folder))
        quiet = asyncio.subprocess.DEVNULL
        mine = {**os.environ, "SSH_AGENT_PID": ""}  # that of the environment is to live on
        self._keeper = await asyncio.create_subprocess_exec(
            *command, env=mine, stdin=PIPE, stdout=PIPE, stderr=quiet, start_new_session=True
        )
        try:
            await _line(self._keeper)
            if self._key is not None:
                self._environment = {**os.environ, "SSH_AUTH_SOCK": str(socket)}
                await self._lend(self._key)
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, reason: BaseException | None, trace: TracebackType | None) -> None:
        await self._close()

    async def run(self, host: SshHost, *command: str) -> str:
        """See the port."""
        async with self._started(host, command) as process:
            assert process.stdout is not None  # noqa: S101  # it was asked for
            printed, said = await asyncio.gather(process.stdout.read(), _said(process))
            await _check(process, host, command, said)
        return printed.decode(errors="replace").rstrip()

    async def stream(self, host: SshHost, *command: str) -> AsyncIterator[bytes]:
        """See the port."""
        async with self._started(host, command) as process:
            assert process.stdout is not None  # noqa: S101  # it was asked for
            saying = asyncio.ensure_future(_said(process))
            try:
                while chunk := await process.stdout.read(CHUNK_BYTES):
                    yield chunk
                await _check(process, host, command, await saying)
            finally:
                saying.cancel()

    async def feed(self, host: SshHost, file: Path, *command: str) -> None:
        """See the port. The end of the file ends the command by itself."""
        with file.open("rb") as content:
            async with self._process(host, shlex.join(command), content) as process:
                await _check(process, host, command, await _said(process))

    async def identity(self, host: SshHost) -> str:
        """See the port."""
        name = host.address if host.port == 22 else f"[{host.address}]:{host.port}"
        command = ("ssh-keygen", "-F", name, "-f", str(self._known_hosts))
        process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, stdout=PIPE, stderr=PIPE)
        printed, _ = await process.communicate()
        lines = [line for line in printed.decode().splitlines() if line and not line.startswith("#")]
        if not lines:
            raise HostLost(host.name, f"{self._known_hosts} has no key of {name}; cure: check the host's key and add it")
        return "\n".join(lines)

    @contextlib.asynccontextmanager
    async def _started(self, host: SshHost, command: tuple[str, ...]) -> AsyncIterator[Process]:
        async with self._process(host, shlex.join(("sh", "-c", LIFELINE, "sh", *command)), PIPE) as process:
            yield process

    @contextlib.asynccontextmanager
    async def _process(self, host: SshHost, command: str, stdin: int | IO[bytes]) -> AsyncIterator[Process]:
        """An ``ssh`` that has ended when the scope is left."""
        log.debug("%s: %s", host.name, command)
        process = await asyncio.create_subprocess_exec(
            *self._dialling(host),
            host.address,
            command,
            stdin=stdin,
            stdout=PIPE,
            stderr=PIPE,
            env=self._environment,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            await _end(process)

    def _dialling(self, host: SshHost) -> tuple[str, ...]:
        forwarding = f"ForwardAgent={'yes' if host.lends_agent else 'no'}"
        files = (f'UserKnownHostsFile="{self._known_hosts}"', f'ControlPath="{self._folder}/to-%C"')
        options = (*host.options, *STEADY, *files, forwarding)
        return ("ssh", "-F", "none", "-T", "-p", str(host.port), "-l", host.user, *(part for each in options for part in ("-o", each)))

    async def _lend(self, key: Path) -> None:
        """Give the key to our agent, which nobody else can ask."""
        command = ("ssh-add", "-q", str(key))
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(*command, env=self._environment, stdin=quiet, stdout=quiet, stderr=PIPE)
        _, said = await process.communicate()
        if process.returncode:
            raise HostLost("the agent", f"it does not take {key}: {said.decode(errors='replace').strip()}")

    async def _close(self) -> None:
        if self._keeper is not None and self._keeper.stdin is not None:
            self._keeper.stdin.close()
            await self._keeper.wait()


async def _line(process: Process) -> None:
    assert process.stdout is not None  # noqa: S101  # it was asked for
    await process.stdout.readline()


async def _said(process: Process) -> str:
    assert process.stderr is not None  # noqa: S101  # it was asked for
    said = b""
    while chunk := await process.stderr.read(CHUNK_BYTES):
        said = (said + chunk)[-SAID_CHARACTERS:]
    return said.decode(errors="replace").strip()


async def _check(process: Process, host: SshHost, command: tuple[str, ...], said: str) -> None:
    code = await process.wait()
    if code == NO_CONNECTION:
        raise HostLost(host.name, said)
    if code:
        raise CommandFailed(host.name, command, code, said)


async def _end(process: Process) -> None:
    """Kill it when it still runs; what it runs on the host notices by its lifeline."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    if process.stdin is not None:
        process.stdin.close()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            await pipe.read()
    await process.wait()
