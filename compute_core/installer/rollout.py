"""Puts the plugin into dom0 over SSH, or takes it away: in one step, checked on both sides, and again as often as one likes.

XenAPI has no call that writes a file into dom0's folder of plugins; docs/how-to/install-the-dom0-plugin.md says what was looked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from compute_core.firstgen.shell import Shell, ShellFailure, SshHost, as_lines, script
from compute_core.installer.standing import Standing, Target, standing
from compute_core.xenapi import dom0_bundle
from compute_core.xenapi.session import XenApi

PLUGINS = "/etc/xapi.d/plugins"
CHECK = as_lines(
    'test -d "$1" || { echo "there is no folder $1: is this the dom0 of a XenServer?" >&2; exit 1; }',
    "command -v python3 >/dev/null || { echo 'there is no python3; the plugin needs Python 3.6' >&2; exit 1; }",
    "python3 -c 'import sys; sys.exit(sys.version_info < (3, 6) and \"the plugin needs Python 3.6, here is \" + sys.version)'",
)
_INSTALL = as_lines(
    'new=$(mktemp "$1/.$2.XXXXXX")',
    "trap 'rm -f \"$new\"' EXIT",
    'cat > "$new"',
    'echo "$3  $new" | sha256sum -c --quiet -',
    'chmod 755 "$new"',
    'sync "$new" 2>/dev/null || sync',
    'mv -f "$new" "$1/$2"',
)
_REMOVE = 'rm -f "$1/$2"'


@dataclass(frozen=True, slots=True)
class Way:
    """How dom0 is reached: the shell, the port of its sshd, whom to be there, and where its plugins are."""

    shell: Shell
    user: str = "root"
    port: int = 22
    folder: str = PLUGINS

    def host(self, target: Target) -> SshHost:
        """A host's shell."""
        return SshHost(target.name, target.address, self.port, self.user)


async def install(xapi: XenApi, target: Target, way: Way, build: Path, wanted: str) -> Standing:
    """Make a host run the build of the checksum ``wanted``; one that does is not touched. What then stands there is asked of XenAPI."""
    before = await standing(xapi, target, wanted)
    if before.state == "right":
        return before
    try:
        await way.shell.run(way.host(target), *script(CHECK, way.folder))
        await way.shell.feed(way.host(target), build, *script(_INSTALL, way.folder, dom0_bundle.FILE, wanted))
    except ShellFailure as failure:
        return replace(before, problem=str(failure))
    return await standing(xapi, target, wanted)


async def remove(xapi: XenApi, target: Target, way: Way, wanted: str) -> Standing:
    """Take the plugin away; gone already is fine."""
    try:
        await way.shell.run(way.host(target), *script(_REMOVE, way.folder, dom0_bundle.FILE))
    except ShellFailure as failure:
        return replace(await standing(xapi, target, wanted), problem=str(failure))
    return await standing(xapi, target, wanted)
