"""Plugins and extensions that users bring: executables in a folder, spoken to as XAPI speaks to those in a real dom0.

A plugin gets its call on the command line as an XML-RPC request ``function(session, {args})``, an extension on its standard input; both
print an XML-RPC response. A Python module of functions ``f(host_uuid, args) -> text`` is loaded once and called in this process.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import subprocess
import xmlrpc.client
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from fake_xapi.datamodel.failure import Failure
from fake_xapi.dom0.folders import Folders
from fake_xapi.dom0.script_process import Ended

TIMEOUT_S = 60.0
EXTENSIONS = "extensions"
ENVIRONMENT: Mapping[str, str] = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
_NOT_FUNCTIONS = "_"
Function = Callable[[str, Mapping[str, str]], str]


class BadPlugin(ValueError):
    """A file in the folder of plugins that is none; the message names it and the cure."""


@dataclass(frozen=True, slots=True)
class UserPlugins:
    """What is in a folder: modules by the name of the plugin, extensions by the name of the message; scripts are looked for when called."""

    folder: Path | None = None
    modules: Mapping[str, Mapping[str, Function]] = field(default_factory=dict)
    extensions: Mapping[str, Path] = field(default_factory=dict)
    folders: Folders = field(default_factory=Folders, compare=False)
    """What scripts find of the hosts that they run on."""

    def script(self, name: str) -> Path | None:
        """The executable of a plugin as it lies there now: as with a real dom0, one may come or go while hosts run."""
        if self.folder is None or not name or "/" in name or name.startswith("."):
            return None
        path = self.folder / name
        return path if path.is_file() and os.access(path, os.X_OK) else None


NO_PLUGINS = UserPlugins()


def load(folder: Path) -> UserPlugins:
    """The plugins in a folder; BadPlugin for a module that cannot be loaded. OSError when the folder cannot be read."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    modules = {path.stem: _module(path) for path in files if path.suffix == ".py" and not os.access(path, os.X_OK)}
    inner = folder / EXTENSIONS
    found = sorted(path for path in inner.iterdir() if path.is_file() and os.access(path, os.X_OK)) if inner.is_dir() else []
    return UserPlugins(folder.resolve(), modules, {path.name: path.resolve() for path in found})


def _module(path: Path) -> Mapping[str, Function]:
    spec = importlib.util.spec_from_file_location(f"inova_plugin_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise BadPlugin(f"{path}: not a Python module; make it one, or make the file executable")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (ImportError, SyntaxError, NameError, AttributeError, TypeError, ValueError) as error:
        raise BadPlugin(f"{path}: cannot be loaded ({error!r}); correct it, or take it out of the folder") from error
    functions = {name: value for name, value in vars(module).items() if not name.startswith(_NOT_FUNCTIONS) and _is_own(value, module)}
    if not functions:
        raise BadPlugin(f"{path}: has no function; write one as ``def name(host_uuid, args): return text``")
    return functions


def _is_own(value: Any, module: Any) -> bool:
    return callable(value) and getattr(value, "__module__", "") == module.__name__ and not isinstance(value, type)


def script_value(ended: Ended) -> str:
    """What a plugin that is an executable has answered; a Failure of its own, or XENAPI_PLUGIN_FAILURE when it failed otherwise."""
    if ended.reason:
        raise Failure("XENAPI_PLUGIN_FAILURE", "timeout", ended.out, ended.reason)
    _assert_good_end(ended.code, ended.out, ended.err)
    return str(_value(_response(ended.out)))


async def run_module(functions: Mapping[str, Function], function: str, host_uuid: str, args: Mapping[str, str]) -> str:
    """Call a function of a module, in a thread of its own so that it may take its time."""
    if function not in functions:
        raise Failure("UNKNOWN_XENAPI_PLUGIN_FUNCTION", function)
    try:
        return str(await asyncio.to_thread(functions[function], host_uuid, args))
    except Exception as error:  # the border to code that is not ours
        raise Failure("XENAPI_PLUGIN_EXCEPTION", function, type(error).__name__, str(error)) from error


async def run_extension(path: Path, name: str, params: Sequence[Any]) -> Any:
    """Run an extension: the request on its standard input, the response on its standard output. Its wire value, or its Failure."""
    done = await _run([str(path), "--xmlrpc"], xmlrpc.client.dumps(tuple(params), name, allow_none=True))
    return _value(_response(done.stdout))


async def _run(command: list[str], given: str) -> subprocess.CompletedProcess[str]:
    """Run a command with next to no environment; it is killed when it takes too long."""
    try:
        done = await asyncio.to_thread(_completed, command, given)
    except subprocess.TimeoutExpired as late:
        raise Failure("XENAPI_PLUGIN_FAILURE", "timeout", _text(late.stdout), f"killed after {TIMEOUT_S:g} seconds") from late
    except (OSError, UnicodeDecodeError) as error:
        raise Failure("XENAPI_PLUGIN_FAILURE", "cannot run", "", str(error)) from error
    _assert_good_end(done.returncode, done.stdout, done.stderr)
    return done


def _assert_good_end(code: int, out: str, err: str) -> None:
    if code:
        raise Failure("XENAPI_PLUGIN_FAILURE", "killed by signal" if code < 0 else "non-zero exit", out, err)


def _completed(command: list[str], given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, input=given, capture_output=True, text=True, timeout=TIMEOUT_S, env=dict(ENVIRONMENT), cwd="/", check=False
    )


def _text(output: bytes | str | None) -> str:
    return output.decode("utf-8", "replace") if isinstance(output, bytes) else output or ""


def _response(text: str) -> Any:
    """The struct in a response. A document with entities is refused: a response has none."""
    if "<!" in text:
        raise Failure("XENAPI_PLUGIN_FAILURE", "output not XML-RPC", text, "a response has no declarations")
    try:
        [response], _ = xmlrpc.client.loads(text.strip())
    except (ValueError, TypeError, LookupError, AttributeError, xmlrpc.client.Error, ExpatError) as error:
        raise Failure("XENAPI_PLUGIN_FAILURE", "output not XML-RPC", text, str(error)) from error
    return response


def _value(response: Any) -> Any:
    """The value of a success; raises the Failure of a failure."""
    if not isinstance(response, dict) or "Status" not in response:
        raise Failure("XENAPI_PLUGIN_FAILURE", "output has no status", str(response), "")
    if response["Status"] == "Success":
        return response.get("Value", "")
    raise Failure(*(str(part) for part in response.get("ErrorDescription") or ("INTERNAL_ERROR",)))
