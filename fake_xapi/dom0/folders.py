"""Where scripts of users find the files and commands of a simulated dom0: real folders, made when a script first runs.

``root(host)`` stands for the ``/`` of a host; a folder of an SR is one for all hosts that see it. May not know what lies in them.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import weakref
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from fake_xapi.dom0.disks import Disk

MOUNTS = ("run/sr-mount", "var/run/sr-mount")
"""Where hosts of today have their SRs, and where those of 2012 had them."""

_COMMAND = r'''#!/usr/bin/env python3
"""A command of a simulated dom0."""
import json, os, socket, sys
wire = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
wire.connect(os.environ["DOM0_COMMANDS"])
wire.sendall(json.dumps([[os.path.basename(sys.argv[0]), *sys.argv[1:]], os.getcwd()]).encode())
wire.shutdown(socket.SHUT_WR)
code, out, err = json.loads(b"".join(iter(lambda: wire.recv(65536), b"")).decode())
sys.stdout.write(out)
sys.stderr.write(err and err.rstrip("\n") + "\n")
sys.exit(code)
'''

_PLUGIN_MODULE = '''"""XenServer's module for plugins, as scripts import it: dispatch({"function": function(session, args)})."""
import sys, traceback, xmlrpc.client

class Failure(Exception):
    def __init__(self, code, params):
        super().__init__(code, params)
        self.params = [code, *params]

class Session:
    """Whose call it is."""
    def __init__(self, handle):
        self.handle = self._session = handle

def success_message(result):
    return xmlrpc.client.dumps(({"Status": "Success", "Value": result},), methodresponse=True)

def failure_message(description):
    return xmlrpc.client.dumps(({"Status": "Failure", "ErrorDescription": [str(part) for part in description]},), methodresponse=True)

def dispatch(functions):
    params, name = xmlrpc.client.loads(sys.argv[1])
    if name not in functions:
        print(failure_message(["UNKNOWN_XENAPI_PLUGIN_FUNCTION", name]))
        return
    try:
        print(success_message(functions[name](Session(params[0]), params[1] if len(params) > 1 else {})))
    except Failure as failure:
        print(failure_message(failure.params))
    except Exception as error:
        print(failure_message(["XENAPI_PLUGIN_EXCEPTION", name, type(error).__name__, str(error)]))
'''


@dataclass(frozen=True, slots=True)
class Laid:
    """What a file in an SR's folder was made from; ``is_whole``: its blocks are there, not only its metadata."""

    disk: Disk | None
    parent: str
    is_whole: bool


@dataclass(slots=True)
class SrFolder:
    """The files of an SR, and what is known of them."""

    path: Path
    laid: dict[str, Laid] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Folders:
    """The folders of all hosts and SRs of a process. They end with this object."""

    __slots__ = ("__weakref__", "_runs", "_srs", "_top")

    def __init__(self) -> None:
        self._top: Path | None = None
        self._srs: dict[str, SrFolder] = {}
        self._runs = 0

    def top(self, commands: Iterable[str]) -> Path:
        """The folder that holds all others; ``commands`` are those that scripts find in it."""
        if self._top is None:
            self._top = Path(tempfile.mkdtemp(prefix="inova-dom0-"))
            weakref.finalize(self, shutil.rmtree, self._top, ignore_errors=True)
            _furnish(self._top, commands)
        return self._top

    def socket(self, top: Path) -> Path:
        """A name for the socket of one more run."""
        self._runs += 1
        return top / f"run{self._runs}"

    def root(self, top: Path, host: str) -> Path:
        """What stands for the ``/`` of a host, by the host's uuid."""
        root = top / "hosts" / host
        for mounts in MOUNTS:
            (root / mounts).mkdir(parents=True, exist_ok=True)
        return root

    def sr(self, top: Path, root: Path, uuid: str) -> SrFolder:
        """The folder of an SR, mounted on a host."""
        folder = self._srs.setdefault(uuid, SrFolder(top / "srs" / uuid))
        folder.path.mkdir(parents=True, exist_ok=True)
        for mounts in MOUNTS:
            if not (root / mounts / uuid).exists():
                (root / mounts / uuid).symlink_to(folder.path)
        return folder


def _furnish(top: Path, commands: Iterable[str]) -> None:
    """Lay out what scripts run and import."""
    for folder in ("bin", "python", "hosts", "srs"):
        (top / folder).mkdir()
    (top / "python" / "XenAPIPlugin.py").write_text(_PLUGIN_MODULE, encoding="utf-8")
    for name in commands:
        (top / "bin" / name).write_text(_COMMAND, encoding="utf-8")
        (top / "bin" / name).chmod(0o755)
