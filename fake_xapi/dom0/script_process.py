"""One run of a script: its process, and the socket over which it and its commands ask the simulator.

Everything here blocks, and belongs into a thread: ``step`` returns when somebody asks, or at the end. What an answer takes is the
simulator's own time, real or virtual; nothing is counted against the script meanwhile. May not know what a command does.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Reply = tuple[int, str, str]
"""Code, output and errors of a command."""
SILENCE_S = 600.0
"""A script that neither asks nor prints for so long is killed."""
MOST_OUTPUT_BYTES = 64 << 20
_PIECE = 1 << 16
_ASKING_S = 10.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A command that somebody in the script wants done, and the folder that he is in."""

    words: list[str]
    folder: str


@dataclass(frozen=True, slots=True)
class Ended:
    """How a script ended; ``code`` is negative for a signal. ``reason`` says why we killed it, "" when we did not."""

    code: int
    out: str
    err: str
    reason: str = ""


@dataclass(slots=True)
class ScriptProcess:
    """A script that runs. Whoever starts it steps through it to its end, or kills it."""

    process: subprocess.Popen[bytes]
    listener: socket.socket
    selector: selectors.BaseSelector
    outputs: dict[int, bytearray]
    asking: socket.socket | None = None
    reason: str = field(default="")
    is_closed: bool = False
    turn: threading.Lock = field(default_factory=threading.Lock)

    def step(self, reply: Reply | None) -> Asked | Ended:
        """Answer who asked last, and wait for the next command, or the end."""
        with self.turn:
            return self._step(reply)

    def finish(self) -> None:
        """See a script that was killed to its end, which nobody else does; again is fine."""
        with self.turn:
            if not self.is_closed:
                self._step(None)

    def _step(self, reply: Reply | None) -> Asked | Ended:
        """After a kill, only to the end."""
        if self.asking is not None:
            with contextlib.suppress(OSError), self.asking:  # who asked may be gone
                self.asking.sendall(json.dumps(reply).encode())
            self.asking = None
        while len(self.selector.get_map()) > 1:
            ready = self.selector.select(SILENCE_S)
            if not ready:
                self.kill(f"killed after {SILENCE_S:g} seconds of silence")
            for key, _ in ready:
                if key.fileobj is not self.listener:
                    self._read(key.fd)
                elif (asked := self._accept()) is not None and not self.reason:
                    return asked
        return self._ended()

    def kill(self, reason: str) -> None:
        """End the script and all that it started."""
        self.reason = self.reason or reason
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def _accept(self) -> Asked | None:
        """The command that somebody asks for; None for one that makes no sense."""
        asking, _ = self.listener.accept()
        asking.settimeout(_ASKING_S)
        try:
            words, folder = json.loads(b"".join(iter(lambda: asking.recv(_PIECE), b"")))
            asked = Asked([str(word) for word in words], str(folder))
        except (ValueError, TypeError, OSError):
            asking.close()
            return None
        self.asking = asking
        return asked

    def _read(self, pipe: int) -> None:
        piece = os.read(pipe, _PIECE)
        self.outputs[pipe] += piece
        if not piece:
            self.selector.unregister(pipe)
        if len(self.outputs[pipe]) > MOST_OUTPUT_BYTES:
            self.kill(f"killed after {MOST_OUTPUT_BYTES} bytes of output")

    def _ended(self) -> Ended:
        code = self.process.wait()
        out, err = (bytes(output).decode("utf-8", "replace") for output in self.outputs.values())
        self.close()
        return Ended(code, out, err, self.reason)

    def close(self) -> None:
        """Give back what the run held."""
        self.is_closed = True
        if self.asking is not None:
            self.asking.close()
        self.selector.close()
        self.listener.close()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


def started(command: Sequence[str], environment: Mapping[str, str], address: Path) -> ScriptProcess:
    """Start a script; OSError when that fails."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(address))
        listener.listen(16)
        process = subprocess.Popen(
            list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(environment), cwd="/",
            start_new_session=True,
        )  # fmt: skip
    except OSError:
        listener.close()
        raise
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    pipes = [pipe.fileno() for pipe in (process.stdout, process.stderr) if pipe is not None]
    for pipe in pipes:
        selector.register(pipe, selectors.EVENT_READ)
    return ScriptProcess(process, listener, selector, {pipe: bytearray() for pipe in pipes})
