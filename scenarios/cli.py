"""The whole `inova` command, composed from each package's own `cli.py`.

Contains only the table of contents, nothing of what a command does. A command's module is imported when the command runs, so that
`inova --help` answers at once.
"""

from __future__ import annotations

import importlib
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import click

REFUSED = 2
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Chapter:
    """One line of the table of contents: where the command is and what it is for."""

    module: str
    attribute: str
    summary: str


CONTENTS: Mapping[str, Chapter] = {
    "rehearse": Chapter("scenarios.rehearse", "rehearse", "Roll out a cell of simulated hosts, disturb it, and judge the result."),
    "sim": Chapter("fake_xapi.cli", "sim", "Simulate XenServer hosts that real XenAPI clients can talk to."),
    "core": Chapter("compute_core.cli", "core", "Run the compute core: REST API, cells, scheduler and agents."),
    "contract": Chapter("contract_tests.cli", "contract", "Hold any XenAPI host, simulated or real, to the same behaviour."),
    "bench": Chapter("scenarios.bench.cli", "bench", "Measure the product against its targets and its peers."),
    "test": Chapter("scenarios.testrun", "test", "Run the project's own tests, with all their set-up."),
}


class TableOfContents(click.Group):
    """A group whose commands are imported when they run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which a newcomer meets them."""
        del ctx
        return list(CONTENTS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command; None for an unknown name."""
        del ctx
        chapter = CONTENTS.get(cmd_name)
        return None if chapter is None else _load(chapter)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; an interrupt ends with 130, and what a command refuses with 2."""
        try:
            with _terminated_as_interrupted():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        except click.ClickException as refusal:
            refusal.show()
            ctx.exit(REFUSED)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of contents without importing what it lists."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, chapter.summary) for name, chapter in CONTENTS.items()])


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C, so that whoever has begun something can end it."""
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _load(chapter: Chapter) -> click.Command:
    command: click.Command = getattr(importlib.import_module(chapter.module), chapter.attribute)
    return command


@click.group(cls=TableOfContents, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="inova", prog_name="inova")
def main() -> None:
    """Rehearse a XenAPI cloud before you touch it.

    Every command takes --help. Exit codes: 0 done and good, 1 done and not good (a missed objective, a failed test), 2 refused
    before it began (the message names the cure), 130 interrupted.
    """


if __name__ == "__main__":
    main(prog_name="inova")
