"""The shells of hosts over a real sshd."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from compute_core.firstgen.shell import CommandFailed, HostLost, SshHost, as_lines, script
from compute_core.firstgen.ssh import Ssh
from tests.compute_core.firstgen.sshd import Keys, make_keys

pytestmark = pytest.mark.firstgen
T = TypeVar("T")


def over(keys: Keys, body: Callable[[Ssh], Awaitable[T]]) -> T:
    async def main() -> T:
        async with Ssh(keys.known_hosts, keys.key) as shell:
            return await body(shell)

    return asyncio.run(main())


def test_a_command_is_a_list_that_no_shell_splits_and_says_what_it_prints(keys: Keys, bench: SshHost) -> None:
    async def body(shell: Ssh) -> list[str]:
        odd = "a 'b' \"c\" $HOME ; `true` \\ ü"
        return [await shell.run(bench, "printf", "%s|", odd, "", "x"), await shell.run(bench, *script(as_lines('echo "$2$1"'), "1", "2"))]

    assert over(keys, body) == ["a 'b' \"c\" $HOME ; `true` \\ ü||x|", "21"]


def test_a_command_that_fails_is_told_with_what_it_said(keys: Keys, bench: SshHost) -> None:
    async def body(shell: Ssh) -> tuple[str, int]:
        with pytest.raises(CommandFailed) as failed:
            await shell.run(bench, *script(as_lines("echo to stderr >&2", "exit 7", "echo not reached")))
        return failed.value.said, failed.value.code

    assert over(keys, body) == ("to stderr", 7)


def test_bytes_pass_as_they_are_in_both_directions(keys: Keys, bench: SshHost, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4000
    (tmp_path / "here").write_bytes(content)

    async def body(shell: Ssh) -> bytes:
        await shell.feed(bench, tmp_path / "here", "dd", "status=none", f"of={tmp_path}/there")
        return b"".join([chunk async for chunk in shell.stream(bench, "cat", f"{tmp_path}/there")])

    assert over(keys, body) == content


def test_a_stream_that_breaks_off_is_no_end(keys: Keys, bench: SshHost, tmp_path: Path) -> None:
    async def body(shell: Ssh) -> bytes:
        got = bytearray()

        async def take() -> None:
            async for chunk in shell.stream(bench, "cat", str(tmp_path / "keys/id.pub"), str(tmp_path / "absent")):
                got.extend(chunk)

        with pytest.raises(CommandFailed, match="No such file"):
            await take()
        return bytes(got)

    assert over(keys, body) == (tmp_path / "keys/id.pub").read_bytes()


def test_a_host_with_another_key_than_the_known_one_is_not_spoken_to(keys: Keys, bench: SshHost, tmp_path: Path) -> None:
    stranger = make_keys(tmp_path / "strange")
    known = keys.known_hosts.read_text(encoding="utf-8").split()
    public = (stranger.key.with_suffix(".pub")).read_text(encoding="utf-8").split()
    stranger.known_hosts.write_text(f"{known[0]} {public[0]} {public[1]}\n", encoding="utf-8")

    async def body(shell: Ssh) -> None:
        with pytest.raises(HostLost, match=r"bench cannot be reached: (?s:.*)REMOTE HOST IDENTIFICATION HAS CHANGED"):
            await shell.run(bench, "true")

    over(Keys(keys.key, stranger.known_hosts), body)


def test_who_has_no_key_of_ours_is_told_and_a_host_without_a_known_key_has_no_identity(keys: Keys, bench: SshHost, tmp_path: Path) -> None:
    stranger = make_keys(tmp_path / "strange")
    stranger.known_hosts.touch()

    async def refused(shell: Ssh) -> None:
        with pytest.raises(HostLost, match="Permission denied"):
            await shell.run(bench, "true")

    async def unknown(shell: Ssh) -> None:
        with pytest.raises(HostLost, match="has no key of"):
            await shell.identity(bench)

    over(Keys(stranger.key, keys.known_hosts), refused)
    over(stranger, unknown)


def test_a_command_ends_with_all_that_it_started_when_nobody_waits_for_it_any_more(keys: Keys, bench: SshHost, tmp_path: Path) -> None:
    """Who holds the lock is a grandchild; that it has ended is seen by the lock, which the next command waits for."""
    lock, fifo = tmp_path / "lock", tmp_path / "fifo"
    os.mkfifo(fifo)
    holds = f"(exec 9>{lock}; flock 9; echo held >{fifo}; sleep 1000) & wait"

    async def body(shell: Ssh) -> tuple[str, bool]:
        holding = asyncio.ensure_future(shell.run(bench, *script(holds)))
        said = await shell.run(bench, "cat", str(fifo))
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)
        await shell.run(bench, "flock", "--wait", "30", str(lock), "true")
        return said, holding.cancelled()

    assert over(keys, body) == ("held", True)


def test_nothing_stays_when_the_scope_is_left(keys: Keys, bench: SshHost) -> None:
    async def main() -> tuple[bool, bool]:
        async with Ssh(keys.known_hosts, keys.key) as shell:
            await shell.run(bench, "true")
            folder = shell._folder
            was_there = folder.exists()
        return was_there, folder.exists()

    assert asyncio.run(main()) == (True, False)


def test_the_key_is_lent_to_the_host_that_copies_and_to_no_other(keys: Keys, bench: SshHost) -> None:
    async def body(shell: Ssh) -> str:
        with pytest.raises(CommandFailed, match="Could not open a connection"):
            await shell.run(bench, "ssh-add", "-l")
        return await shell.run(SshHost("lent", "127.0.0.1", bench.port, lends_agent=True, options=("ControlPath=none",)), "ssh-add", "-l")

    assert "a test (ED25519)" in over(keys, body)
