"""The journal of a rehearsal: one line of JSON for each event, in the order in which they happened, with the loop's time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

Watcher = Callable[[str, dict[str, Any]], None]


class Journal:
    """Writes events to a file (None: nowhere) and shows them to a watcher. Times are seconds since the journal began."""

    def __init__(self, path: Path | None, watcher: Watcher | None = None) -> None:
        self._path = path
        self._watcher = watcher
        self._began_s = asyncio.get_running_loop().time()
        self._partial = path.with_name(f".{path.name}.partial") if path is not None else None
        self._file = self._partial.open("w", encoding="utf-8") if self._partial is not None else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Put the file in its place; one that was interrupted goes."""
        if self._file is None or self._partial is None or self._path is None:
            return
        self._file.close()
        if kind is None:
            self._partial.replace(self._path)
        else:
            self._partial.unlink(missing_ok=True)

    def now_s(self) -> float:
        """Seconds since the journal began."""
        return round(asyncio.get_running_loop().time() - self._began_s, 6)

    def note(self, event: str, **facts: Any) -> None:
        """Write one event with its facts, keys in order of their names."""
        if self._file is not None:
            self._file.write(json.dumps({"t": self.now_s(), "event": event, **dict(sorted(facts.items()))}, ensure_ascii=False) + "\n")
        if self._watcher is not None:
            self._watcher(event, facts)
