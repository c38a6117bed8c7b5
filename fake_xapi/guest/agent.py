"""The agent inside a guest: it reads requests from ``data/host/ID`` in its domain's xenstore and answers at ``data/guest/ID``.

A request is ``{"name": ..., "value": ...}``, an answer ``{"returncode": ..., "message": ...}``, both as JSON.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fake_xapi.dom0 import xenstore
from fake_xapi.guest import machine
from fake_xapi.guest.interfaces import interfaces_changed
from fake_xapi.guest.secrets import BadSecret, answer_exchange, decrypt
from fake_xapi.guest.systems import system_of
from fake_xapi.guest.wishes import wishes_of
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call

REQUESTS = "data/host"
ANSWERS = "data/guest"
VERSIONS: Mapping[str, str] = {"new": "1.39.1", "old": "0.0.1.34"}
"""The version that each kind of agent reports before it is updated."""
_DIGESTS: Mapping[str, tuple[str, ...]] = {"new": ("sha256", "md5"), "old": ("md5",)}
"""How each kind derives its key: OpenSSL changed that in 2016, and the agents of 2012 never heard of it."""
_VERSION_IN_URL = re.compile(r"(\d+(?:\.\d+)+)")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the agent."""

    returncode: str
    message: str = ""

    @property
    def text(self) -> str:
        """The answer as xenstore carries it."""
        return json.dumps({"returncode": self.returncode, "message": self.message})


DONE = Answer("0")
Command = Callable[[Call, Id, str], Answer]


def kind_of(call: Call, vm: Id) -> str:
    """Which agent the guest has: "new", "old", "mute" or "none"; an update turns it into a new one."""
    kept = machine.machine(call.world, vm)
    wished = wishes_of(call.world[vm]["other_config"]).agent
    return "new" if wished == "old" and kept is not None and kept["agent"] else wished


def notice(call: Call, vm: Id, request: str) -> None:
    """React to a request in xenstore: an agent that is up takes it, and answers in its own time."""
    if _is_up(call, vm) and kind_of(call, vm) != "none":
        call.spawn(f"agent {vm} {request}", _serve(call, vm, request, call.world[vm]["domid"]))


def look(call: Call, vm: Id) -> None:
    """React to requests that were made before the agent came up."""
    for request in xenstore.children(call.world, vm, REQUESTS):
        notice(call, vm, request)


def _is_up(call: Call, vm: Id) -> bool:
    row = call.world[vm]
    metrics = call.world.get(row["guest_metrics"])
    return row["power_state"] == "Running" and metrics is not None and bool(metrics["live"])


async def _serve(call: Call, vm: Id, request: str, domid: int) -> None:
    await asyncio.sleep(call.lasts("guest.answer"))
    row = call.world.get(vm)
    asked = xenstore.read(call.world, vm, f"{REQUESTS}/{request}") if row is not None and row["domid"] == domid else None
    if asked is None or not _is_up(call, vm):
        return
    xenstore.remove(call, vm, f"{REQUESTS}/{request}")
    if kind_of(call, vm) != "mute":
        xenstore.write(call, vm, {f"{ANSWERS}/{request}": _answer(call, vm, asked).text})


def _answer(call: Call, vm: Id, asked: str) -> Answer:
    try:
        request = json.loads(asked)
        name, given = str(request["name"]), request.get("value", "")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return Answer("500", "Request is not valid JSON with a name")
    value = given if isinstance(given, str) else json.dumps(given)
    command = commands_of(call, vm).get(name)
    return command(call, vm, value) if command is not None else Answer("404", f"No such command: {name}")


# ---- commands --------------------------------------------------------------------------------------------------------------------


def _version(call: Call, vm: Id, value: str) -> Answer:
    kept = machine.machine(call.world, vm)
    return Answer("0", (kept["agent"] if kept is not None else "") or VERSIONS[kind_of(call, vm)])


def _features(call: Call, vm: Id, value: str) -> Answer:
    return Answer("0", ",".join(commands_of(call, vm)))


def _key_init(call: Call, vm: Id, value: str) -> Answer:
    """One half of a key exchange; the other half is returned with the code D0."""
    try:
        ours, shared = answer_exchange(value, call.chance("agents"))
    except BadSecret as bad:
        return Answer("D2", str(bad))
    with call.world.edit() as edit:
        machine.keep(edit, vm, key=shared)
    return Answer("D0", ours)


def _password(call: Call, vm: Id, value: str) -> Answer:
    """Change the administrator's password, which comes encrypted and followed by a newline."""
    kept = machine.machine(call.world, vm)
    if kept is None or not kept["key"] or kept["domid"] != call.world[vm]["domid"]:
        return Answer("500", "Key exchange has not happened")
    try:
        password = decrypt(value, kept["key"], _DIGESTS[kind_of(call, vm)])
    except BadSecret as bad:
        return Answer("500", f"Cannot decrypt the password: {bad}")
    with call.world.edit() as edit:
        machine.keep(edit, vm, password=password.removesuffix("\n"), key="")
    return DONE


def _file_inject(call: Call, vm: Id, value: str) -> Answer:
    """``{"b64_path", "b64_file"}``, each base64."""
    try:
        given = json.loads(value)
        path, content = _unpacked(given["b64_path"]), _unpacked(given["b64_file"])
    except (ValueError, TypeError, KeyError):
        return Answer("500", "Not a file: b64_path and b64_file are needed")
    return _write_file(call, vm, path, content)


def _inject_file(call: Call, vm: Id, value: str) -> Answer:
    """Base64 of the path, a comma and the content."""
    try:
        path, comma, content = _unpacked(value).partition(",")
    except ValueError:
        return Answer("500", "Not base64")
    return _write_file(call, vm, path, content) if comma else Answer("500", "Not a path and a content with a comma between them")


def _unpacked(text: str) -> str:
    try:
        return base64.b64decode(text, validate=False).decode("utf-8", "surrogateescape")
    except binascii.Error as error:
        raise ValueError("not base64") from error


def _write_file(call: Call, vm: Id, path: str, content: str) -> Answer:
    if not path.startswith("/") and not re.match(r"[A-Za-z]:\\", path):
        return Answer("500", f"Not an absolute path: {path}")
    kept = machine.machine(call.world, vm)
    files: Mapping[str, str] = kept["files"] if kept is not None else {}
    with call.world.edit() as edit:
        machine.keep(edit, vm, files={**files, path: content})
    return DONE


def _reset_network(call: Call, vm: Id, value: str) -> Answer:
    """Reread the addresses in vm-data/networking."""
    interfaces_changed(call, vm)
    return DONE


def _update(call: Call, vm: Id, value: str) -> Answer:
    """``URL,MD5``: a simulated guest downloads nothing; the agent takes on the version named in the URL."""
    url, comma, digest = value.rpartition(",")
    if not comma or not re.fullmatch(r"[0-9a-fA-F]{32}", digest) or "://" not in url:
        return Answer("500", "Not a URL and an MD5 sum with a comma between them")
    found = _VERSION_IN_URL.findall(url.rpartition("/")[2])
    with call.world.edit() as edit:
        machine.keep(edit, vm, agent=found[-1] if found else VERSIONS["new"])
    return DONE


def _activate(call: Call, vm: Id, value: str) -> Answer:
    """Activate Windows with a licence server; others have nothing to activate."""
    if system_of(call.world[vm], call.world.personality.era).behaviour != "windows":
        return Answer("500", "Not a Windows system")
    return DONE


COMMANDS: Mapping[str, Mapping[str, Command]] = {
    "new": {
        "version": _version,
        "features": _features,
        "keyinit": _key_init,
        "password": _password,
        "resetnetwork": _reset_network,
        "file_inject": _file_inject,
        "injectfile": _inject_file,
        "agentupdate": _update,
        "kmsactivate": _activate,
    },
    "old": {
        "version": _version,
        "features": _features,
        "keyinit": _key_init,
        "password": _password,
        "resetnetwork": _reset_network,
        "injectfile": _inject_file,
        "agentupdate": _update,
    },
}
"""Kind of agent -> the name of a request -> what the agent does."""


def commands_of(call: Call, vm: Id) -> Mapping[str, Command]:
    """The requests that the guest's agent understands."""
    return COMMANDS.get(kind_of(call, vm), {})


def files_of(call: Any, vm: Id) -> Mapping[str, str]:
    """The files that were injected into a guest."""
    kept = machine.machine(call.world, vm)
    return kept["files"] if kept is not None else {}
