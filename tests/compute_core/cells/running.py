"""Runs a test's body in a cloud on virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from fake_xapi.engine.virtual_time import run_virtual
from tests.compute_core.cells.cloud import Cloud, cloud

Body = Callable[[Cloud], Awaitable[None]]
Within = Callable[..., None]
"""Takes a body, and by name what the cloud is to be like."""
LIMIT_S = 20_000


async def _nothing(_: Cloud) -> None: ...


def runner(folder: Path, *, before: Body = _nothing, after: Body = _nothing) -> Within:
    """Bodies are run between ``before`` and ``after``, each in a cloud of its own."""

    def run(body: Body, **options: Any) -> None:
        async def main() -> None:
            async with cloud(folder, **options) as whole:
                for part in (before, body, after):
                    await part(whole)

        run_virtual(main(), limit_s=LIMIT_S)

    return run
