"""One simulation alone serves a state file: two would overwrite each other's worlds at their ends. Knows nothing of what is in it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MOST_DIGITS = 20


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep a state file for this process while the block runs. ValueError when another has it; OSError when no lock can be beside it.

    The system lets go of what a killed process held; the file that it left beside the state is taken over.
    """
    lock = path.with_name(f".{path.name}.lock")
    held_by_us = _taken(path, lock)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(held_by_us)


def _taken(path: Path, lock: Path) -> int:
    while True:
        descriptor = _opened(path, lock)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still_there(descriptor, lock):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, str(os.getpid()).encode())
                return descriptor
        except BlockingIOError as error:
            owner = os.pread(descriptor, MOST_DIGITS, 0).decode()
            os.close(descriptor)
            raise ValueError(f"{path}: process {owner} serves the hosts of this file; end it first, or name another file") from error
        os.close(descriptor)


def _opened(path: Path, lock: Path) -> int:
    try:
        return os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _is_still_there(descriptor: int, lock: Path) -> bool:
    """Who held it before may have removed the name between our opening and our locking."""
    try:
        return os.path.samestat(os.fstat(descriptor), lock.stat())
    except FileNotFoundError:
        return False
