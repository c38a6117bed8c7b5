"""What ``sim serve`` adds for observation and control: options, a loop with a pace, the control plane, logs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fake_xapi.control.logs import FORMATS, LEVELS, log_to_stderr, stop_logging

if TYPE_CHECKING:
    from fake_xapi.fleet.fleet import Fleet

F = TypeVar("F", bound=Callable[..., Any])
_JOURNAL = click.IntRange(0, 100_000)
_FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)


@dataclass(frozen=True, slots=True)
class Watch:
    """How a simulation is observed and controlled; without a port it is not."""

    control_port: int | None = None
    journal: int = 0
    snapshot_folder: Path = Path()
    log_format: str = FORMATS[0]
    log_level: str = "warning"


def watch_options(command: F) -> F:
    """The options of a command that serves."""
    options = (
        click.option("--control-port", type=click.IntRange(0, 65535), help="Serve the control plane and its page at this port; 0: any."),
        click.option(
            "--journal", type=_JOURNAL, default=0, show_default=True, help="Keep so many generations of every world to go back to."
        ),
        click.option("--snapshot-folder", type=_FOLDER, default=Path(), help="Where the control plane saves fleets and loads them from."),
        click.option("--log-format", type=click.Choice(FORMATS), default=FORMATS[0], show_default=True, help="How lines of the log look."),
        click.option(
            "--log-level", type=click.Choice(LEVELS), default="warning", show_default=True, help="debug has one line for each call."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def watch_of(options: dict[str, Any]) -> Watch:
    """The settings among a command's options, from which they are removed. ValueError for an impossible combination."""
    watch = Watch(**{name: options.pop(name) for name in Watch.__slots__})
    if watch.journal and watch.control_port is None:
        raise ValueError("--journal is for the control plane: add --control-port, or leave it out")
    return watch


def loop_of(watch: Watch) -> Callable[[], asyncio.AbstractEventLoop]:
    """The kind of loop: the fastest one, or one with a pace when somebody may want to change it."""
    from fake_xapi.engine.paced_time import PacedLoop  # noqa: PLC0415  # a command imports what it needs when it runs
    from fake_xapi.fleet.serving import new_event_loop  # noqa: PLC0415  # as above

    return new_event_loop if watch.control_port is None else PacedLoop


@asynccontextmanager
async def watched(fleet: Fleet, watch: Watch) -> AsyncIterator[str]:
    """Observe and control a fleet for the duration of the block; yields the URL of the control plane, "" without one."""
    handler = log_to_stderr(watch.log_format, watch.log_level)
    try:
        async with AsyncExitStack() as stack:
            yield await _controlled(fleet, watch, stack)
    finally:
        stop_logging(handler)


async def _controlled(fleet: Fleet, watch: Watch, stack: AsyncExitStack) -> str:
    from fake_xapi.control.server import controlled  # noqa: PLC0415  # only who asks for control pays for it
    from fake_xapi.control.simulation import known_messages  # noqa: PLC0415  # as above
    from fake_xapi.control.traffic import Traffic  # noqa: PLC0415  # as above

    if watch.control_port is not None:
        try:
            server = await stack.enter_async_context(controlled(fleet, watch.control_port, watch.snapshot_folder))
        except OSError as error:
            told = f"the control port {watch.control_port} cannot be served ({error.strerror or error})"
            raise click.ClickException(f"{told}; take another --control-port, or 0 for one that is free") from error
        if watch.journal:
            server.simulation.keep_journals("*", watch.journal)
        return server.url
    if logging.getLogger("fake_xapi.calls").isEnabledFor(logging.DEBUG):
        fleet.watch = Traffic(known_messages().__contains__).over
    return ""
