"""A file that a command is to write at its end, as an option: refused at the beginning when it cannot be."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class OutputFile(click.Path):
    """A path in a folder that is there and can be written: a run of an hour is not lost to a slip of the pen."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, dir_okay=False, writable=True)

    def convert(self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path; click.BadParameter when nothing can be written there."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        folder = path.absolute().parent
        if not folder.is_dir():
            self.fail(f"there is no folder {folder}; make it, or name another file", param, ctx)
        if not os.access(folder, os.W_OK | os.X_OK):
            self.fail(f"the folder {folder} cannot be written; name another file", param, ctx)
        return path


@contextmanager
def told_when_unwritable() -> Iterator[None]:
    """What the system refuses to write is told in one line."""
    try:
        yield
    except OSError as refusal:
        if refusal.filename is None and refusal.errno in NO_ROOM:
            raise click.ClickException(f"{refusal.strerror}; name files where there is room") from refusal
        if refusal.filename is None:
            raise
        raise click.ClickException(f"{refusal.filename}: {refusal.strerror}; name a file that can be written") from refusal
