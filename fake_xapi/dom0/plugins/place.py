"""What a plugin's function is given: the dom0 that it runs in, and how it fails."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fake_xapi.dom0 import xenstore
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call
from fake_xapi.verbs.hosts import dom0_files

SR_MOUNTS = "/var/run/sr-mount/"
Args = Mapping[str, str]


class PluginError(Exception):
    """An exception in a plugin: on the wire XENAPI_PLUGIN_EXCEPTION [function, kind, text]."""

    def __init__(self, text: str, kind: str = "PluginError") -> None:
        super().__init__(text)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Dom0:
    """The control domain of one host, for the time of one call."""

    call: Call
    host: Id

    @property
    def world(self) -> World:
        """The pool's database."""
        return self.call.world

    def vm_of(self, domid: str) -> Id:
        """The VM of a domain that runs here; NULL when there is none."""
        return xenstore.domain_of(self.world, self.host, domid)

    def sr_at(self, path: str) -> Id:
        """The SR that is mounted at a path; PluginError when none is."""
        sr = self.world.by_uuid("SR", path.rstrip("/").removeprefix(SR_MOUNTS))
        connected = [self.world[pbd] for pbd in self.world[sr]["PBDs"]] if sr else []
        if not any(pbd["host"] == self.host and pbd["currently_attached"] for pbd in connected):
            raise no_such_file(path)
        return sr

    def read(self, path: str) -> str | None:
        """What a text file says; None when there is none."""
        return dom0_files.read(self.world, path, self.host)

    def write(self, path: str, content: str) -> None:
        """Make a text file, or change what it says."""
        with self.world.edit() as edit:
            dom0_files.write(self.world, edit, path, content, self.host)

    def read_json(self, path: str) -> Any:
        """What a file of ours holds; an empty object when there is none."""
        return json.loads(self.read(path) or "{}")


def no_such_file(path: str) -> PluginError:
    """What Python says of a file that is not there."""
    return PluginError(f"[Errno 2] No such file or directory: '{path}'", "IOError")


def need(args: Args, name: str) -> str:
    """An argument that must be there; PluginError ArgumentError without it."""
    if name not in args:
        raise PluginError(f"Argument '{name}' is required.", "ArgumentError")
    return args[name]


def number(args: Args, name: str, default: str) -> float:
    """An argument that is a number; PluginError ArgumentError when it is none."""
    text = args.get(name, default)
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise PluginError(f"Argument '{name}' is no number: {text}", "ArgumentError")
    return value


def as_json(text: str) -> str:
    """A text that is JSON as it is, any other as a JSON string: how results of some plugins travel."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return json.dumps(text)
    return text
