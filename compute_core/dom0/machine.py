"""The machine that the plugin runs on: where its files are, how its commands run, and how time passes.

A real dom0 has its files at ``/`` and its commands in PATH. Who simulates one says so in two variables: ``DOM0_ROOT`` is the folder that
stands for ``/``, and behind the Unix socket ``DOM0_COMMANDS`` somebody does what the commands would do, ``sleep`` among them.
"""

import json
import os
import socket
import subprocess
import time
from typing import Callable, List, Mapping, NamedTuple, Tuple

from compute_core.dom0.refusal import FAILED, Refusal

SR_MOUNTS = "/run/sr-mount"
COMMAND_LIMIT_S = 60.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/xensource/bin"
_PIECE = 1 << 16


class Ran(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


Runner = Callable[[Tuple[str, ...], float], Ran]
"""``run(command, limit_s)``."""


class Machine(NamedTuple):
    """A dom0."""

    root: str
    runs: Runner
    pauses: Callable[[float], None]
    now_s: Callable[[], float]

    def path(self, path: str) -> str:
        """Where a file of dom0 is."""
        return self.root + path

    def sr(self, uuid: str) -> str:
        """The folder of an SR of files; whether it is there is for the caller to see."""
        return self.path(f"{SR_MOUNTS}/{uuid}")

    def attempt(self, *command: str, limit_s: float = COMMAND_LIMIT_S) -> Ran:
        """Run a command, whatever comes of it."""
        return self.runs(command, limit_s)

    def run(self, *command: str, limit_s: float = COMMAND_LIMIT_S) -> str:
        """What a command prints; Refusal FAILED with what it said when it ends with another code than 0."""
        ran = self.attempt(*command, limit_s=limit_s)
        if ran.code:
            raise Refusal(FAILED, f"{command[0]} failed with code {ran.code}: {(ran.err or ran.out).strip()}")
        return ran.out


def machine_here(environment: Mapping[str, str]) -> Machine:
    """The dom0 that this process runs in."""
    commands = environment.get("DOM0_COMMANDS", "")
    if not commands:
        return Machine("", run_process, time.sleep, time.time)

    def ask(command: Tuple[str, ...], limit_s: float) -> Ran:
        return ask_simulator(commands, command, limit_s)

    def pause(pause_s: float) -> None:
        ask(("sleep", str(pause_s)), pause_s + COMMAND_LIMIT_S)

    return Machine(environment.get("DOM0_ROOT", ""), ask, pause, time.time)


def run_process(command: Tuple[str, ...], limit_s: float) -> Ran:
    """Run a command of the system, without a shell, with nothing of our own environment."""
    try:
        done = subprocess.run(
            list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=limit_s, check=False,
            env={"PATH": os.environ.get("PATH") or _PATH, "LC_ALL": "C", "HOME": os.environ.get("HOME", "/root")},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Ran(124, "", f"killed after {limit_s:g} seconds")
    except OSError as problem:
        return Ran(127, "", str(problem))
    return Ran(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))


def ask_simulator(address: str, command: Tuple[str, ...], limit_s: float) -> Ran:
    """Let a simulator do what a command would do: out go its words and our folder, back come code, output and errors, all as JSON."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
        wire.connect(address)
        wire.settimeout(limit_s + COMMAND_LIMIT_S)
        wire.sendall(json.dumps([list(command), os.getcwd()]).encode())
        wire.shutdown(socket.SHUT_WR)
        code, out, err = json.loads(b"".join(_pieces(wire)).decode())
    return Ran(code, out, err)


def _pieces(wire: socket.socket) -> List[bytes]:
    found: List[bytes] = []
    while True:
        piece = wire.recv(_PIECE)
        if not piece:
            return found
        found.append(piece)
