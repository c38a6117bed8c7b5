"""The plugin ``xenstore``: records below ``/local/domain/N``, read, written, listed and deleted as the commands of dom0 do."""

from __future__ import annotations

import json
import re

from fake_xapi.dom0 import xenstore
from fake_xapi.dom0.plugins.place import Args, Dom0, PluginError, as_json, need
from fake_xapi.guest.watches import written_by_dom0
from fake_xapi.state.ids import Id

NOTHING = "None"
"""What stands for a record that is not there: nothing itself cannot travel."""
_PATH = re.compile(r"[A-Za-z0-9_@:./-]{0,3000}")


def read_record(dom0: Dom0, args: Args) -> str:
    """The value at a path. Args: dom_id, path, ignore_missing_path."""
    vm, path = _place(dom0, args)
    value = xenstore.read(dom0.world, vm, path) if vm else None
    if value is None:
        if args.get("ignore_missing_path", "False") not in ("False", ""):
            return as_json(NOTHING)
        raise _missing("xenstore-read", args)
    return as_json(value)


def write_record(dom0: Dom0, args: Args) -> str:
    """Write a value, and give it back. Args: dom_id, path, value."""
    (vm, path), value = _place(dom0, args), need(args, "value")
    if not vm or not path:
        raise _missing("xenstore-write", args)
    written_by_dom0(dom0.call, vm, path, value)
    return as_json(value)


def list_records(dom0: Dom0, args: Args) -> str:
    """All records below a path with their values, as one JSON object. Args: dom_id, path."""
    vm, path = _place(dom0, args)
    found = xenstore.below(dom0.world, vm, path) if vm else {}
    if not found and (not vm or xenstore.read(dom0.world, vm, path) is None):
        raise _missing("xenstore-ls", args)
    return json.dumps(found)


def delete_record(dom0: Dom0, args: Args) -> str:
    """Remove a record and all below it. Args: dom_id, path."""
    vm, path = _place(dom0, args)
    if not vm or not path or not xenstore.remove(dom0.call, vm, path):
        raise _missing("xenstore-rm", args)
    return as_json("")


def _place(dom0: Dom0, args: Args) -> tuple[Id, str]:
    domid, path = need(args, "dom_id"), need(args, "path").strip("/")
    if not _PATH.fullmatch(path):
        raise PluginError(f"/local/domain/{domid}/{path}: not a path of xenstore", "XenstoreError")
    return dom0.vm_of(domid), path


def _missing(command: str, args: Args) -> PluginError:
    text = f"{command}: couldn't reach path /local/domain/{args['dom_id']}/{args['path']}"
    return PluginError(f"The command {command} failed with code 1: {text}", "XenstoreError")
