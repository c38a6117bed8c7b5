"""Runs a plugin that is an executable in the dom0 of a simulated host: its SRs as folders, its commands and xenstore behind them."""

from __future__ import annotations

import asyncio
import xmlrpc.client
from collections.abc import Mapping
from pathlib import Path

from fake_xapi.datamodel.failure import Failure
from fake_xapi.dom0 import commands, sr_folders
from fake_xapi.dom0.folders import Folders, SrFolder
from fake_xapi.dom0.plugins.place import Dom0
from fake_xapi.dom0.script_process import Asked, Ended, Reply, ScriptProcess, started
from fake_xapi.dom0.user_plugins import ENVIRONMENT, script_value
from fake_xapi.state.ids import Id


async def run_script(dom0: Dom0, folders: Folders, path: Path, function: str, args: Mapping[str, str]) -> str:
    """What a plugin answers; a Failure of its own, or XENAPI_PLUGIN_FAILURE when it fails otherwise."""
    top = folders.top(commands.COMMANDS)
    root = folders.root(top, dom0.world.uuid(dom0.host))
    named = frozenset(uuid for value in args.values() for uuid in sr_folders.UUIDS.findall(value))
    srs = {sr: folders.sr(top, root, dom0.world.uuid(sr)) for sr in sr_folders.srs_of_files(dom0, named)}
    for sr, folder in srs.items():
        await sr_folders.lay(dom0, folder, sr, named)
    request = xmlrpc.client.dumps((dom0.world.ref(dom0.call.session), dict(args)), function)
    try:
        ended = await _run(dom0, top, [str(path), request], _environment(top, root, folders.socket(top)))
    finally:
        await _take_up(dom0, srs)
    return script_value(ended)


async def _take_up(dom0: Dom0, srs: Mapping[Id, SrFolder]) -> None:
    for sr, folder in srs.items():
        if dom0.world.get(sr) is not None:
            await sr_folders.take_up(dom0, folder, sr)


def _environment(top: Path, root: Path, address: Path) -> dict[str, str]:
    return {
        **ENVIRONMENT,
        "PATH": f"{top / 'bin'}:{ENVIRONMENT['PATH']}",
        "PYTHONPATH": str(top / "python"),
        "DOM0_ROOT": str(root),
        "DOM0_COMMANDS": str(address),
    }


async def _run(dom0: Dom0, top: Path, command: list[str], environment: Mapping[str, str]) -> Ended:
    """Step through the script: its time is the thread's, that of its commands is the loop's."""
    try:
        script = started(command, environment, Path(environment["DOM0_COMMANDS"]))
    except OSError as error:
        raise Failure("XENAPI_PLUGIN_FAILURE", "cannot run", "", str(error)) from error
    try:
        step = await _stepped(script, None)
        while isinstance(step, Asked):
            step = await _stepped(script, await _replied(script, dom0, top, step))
    finally:
        Path(environment["DOM0_COMMANDS"]).unlink()  # noqa: ASYNC240  # as quick as can be
    return step


async def _stepped(script: ScriptProcess, reply: Reply | None) -> Asked | Ended:
    """One step in a thread; the script ends when nobody waits for it any more, also when the step is done already."""
    step = asyncio.get_running_loop().run_in_executor(None, script.step, reply)
    try:
        return await asyncio.shield(step)
    except BaseException:
        script.kill("killed with the call")
        step.add_done_callback(lambda _: script.finish())
        raise


async def _replied(script: ScriptProcess, dom0: Dom0, top: Path, asked: Asked) -> Reply:
    """Do a command; the script ends here and now when nobody waits for it any more."""
    try:
        return await commands.run(dom0, top, asked)
    except BaseException:
        script.kill("killed with the call")
        script.finish()
        raise
