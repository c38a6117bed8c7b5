"""``inova sim record``: a recording of what a real XenServer, or another simulator, answers; and what is made of one."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from fake_xapi.engine.clock import Clock
    from fake_xapi.fleet.state_file import Saved
    from fake_xapi.replay.crawl import Found
    from fake_xapi.replay.likeness import Report
    from fake_xapi.replay.proxy import Upstream
    from fake_xapi.replay.recording import Recorder

T = TypeVar("T")
FILE = click.Path(path_type=Path, dir_okay=False)
RECORDING = click.Path(path_type=Path, dir_okay=False, exists=True)
MIB = 1 << 20
SEED = "recorded"
"""What refs of worlds made of recordings are derived from."""
keep_addresses = click.option(
    "--keep-addresses",
    is_flag=True,
    help="Let hosts say the addresses that they were recorded with: clients may be sent on to the real ones.",
)


@click.command()
@click.option("--upstream", "url", required=True, help="http://HOST[:PORT] or https://HOST[:PORT] of the server to record.")
@click.option("--output", required=True, type=FILE, help="The recording.")
@click.option("--port", default=8090, show_default=True, type=click.IntRange(0, 65535), help="The proxy's port on loopback; 0: a free one.")
@click.option("--upstream-ca", "authority", type=RECORDING, help="A PEM file to verify the server's certificate with.")
@click.option("--insecure", is_flag=True, help="Accept any certificate of the server.")
@click.option("--resume", is_flag=True, help="Go on with a recording of the same server that is there.")
@click.option("--most-mib", default=1024, show_default=True, type=click.IntRange(1), help="How large the recording may become.")
@click.option("--crawl", is_flag=True, help="Read everything that the server tells of itself, without another client, and end.")
@click.option("--user", envvar="XAPI_USER", default="root", show_default=True, help="As whom --crawl logs in. Also XAPI_USER.")
@click.option("--password", envvar="XAPI_PASSWORD", help="The password for --crawl; kept nowhere. Also XAPI_PASSWORD.")
def record(
    *, url: str, output: Path, port: int, authority: Path | None, insecure: bool, resume: bool, most_mib: int, crawl: bool, user: str,
    password: str | None,
) -> None:  # fmt: skip
    """Record what a XenServer answers: to clients of a proxy before it, or to a crawl through all that it has.

    The proxy forwards every byte, and writes a line for each call, passwords and sessions taken out. It ends with SIGTERM or SIGINT.
    """
    from fake_xapi.replay.proxy import upstream
    from fake_xapi.replay.recording import Recorder

    if crawl and password is None:
        raise click.UsageError("--crawl logs in: give --password, or XAPI_PASSWORD in the environment")
    with refusing():
        server = upstream(url, authority, is_insecure=insecure)
        begin = Recorder.resume if resume else Recorder.create
        check_folder(output)
        with begin(output, {"upstream": server.url}, most_mib * MIB) as recorder, _worth_keeping(recorder):
            if crawl:
                _tell(run(_crawl(server, recorder, user, password or "")))
            else:
                run(_forward(server, recorder, port))
    click.echo(_summary(recorder), err=not crawl)  # whoever waited for "ready" may not listen any more


@contextmanager
def _worth_keeping(recorder: Recorder) -> Iterator[None]:
    """Leave no recording behind that was begun here by somebody who did not get in."""
    from fake_xapi.replay.recording import read_calls

    is_new = recorder.lines == 1
    try:
        yield
    except BaseException:
        if is_new and not any(call.is_answered and call.session for call in read_calls(recorder.path)):
            recorder.path.unlink()
        raise


async def _crawl(server: Upstream, recorder: Recorder, user: str, password: str) -> Found:
    from fake_xapi.replay.session import Account, record_all

    return await record_all(server, recorder, _clock(), Account(user, password))


async def _forward(server: Upstream, recorder: Recorder, port: int) -> None:
    from fake_xapi.replay.session import record as recorded

    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await recorded(
            server, recorder, _clock(), port, stop, lambda served: click.echo(f"ready: http://127.0.0.1:{served} is {server.url}")
        )
    except OSError as error:
        if error.filename or error.errno is None:
            raise
        raise click.ClickException(f"port {port} cannot be served ({error.strerror}); take another --port, or 0 for a free one") from error


def _clock() -> Clock:
    from datetime import UTC, datetime

    from fake_xapi.engine.clock import Clock

    return Clock(datetime.now(UTC), asyncio.get_running_loop().time())


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run on a loop of its own."""
    with asyncio.Runner() as runner:
        return runner.run(work)


def _tell(found: Found) -> None:
    total = sum(found.objects.values())
    click.echo(f"read {total} objects of {len(found.objects)} classes")
    for method, code in sorted(found.refused.items()):
        click.echo(f"not read: {method} ({code})")


def _summary(recorder: Recorder) -> str:
    said = f"{recorder.path}: {recorder.lines} lines"
    return f"{said}; {recorder.left_out} more had no room, see --most-mib" if recorder.left_out else said


def check_folder(path: Path) -> None:
    """Refuse a file whose folder is not there."""
    if not path.absolute().parent.is_dir():
        raise click.ClickException(f"{path}: the folder {path.parent} is not there; make it, or name another file")


@contextmanager
def refusing() -> Iterator[None]:
    """Say what was refused as the command's own error."""
    from fake_xapi.replay.crawl import CrawlError

    try:
        yield
    except (ValueError, CrawlError) as refusal:
        raise click.ClickException(str(refusal)) from refusal
    except OSError as error:
        raise click.ClickException(f"{error.filename or 'the file'}: {error.strerror or error}; name a file that can be written") from error


@click.command("inventory")
@click.argument("recording", type=RECORDING)
@click.option("-o", "--output", required=True, type=FILE, help="The state file, for inova sim serve --state.")
@keep_addresses
def inventory(recording: Path, output: Path, *, keep_addresses: bool) -> None:
    """Make a state file of a recording: simulated hosts that look like the recorded ones.

    What the simulation cannot have is told line by line: fields that no release knows, refs that lead nowhere.
    """
    check_folder(output)
    with refusing():
        saved, report = standing(recording, keeps_addresses=keep_addresses)
        run(_save(saved, output))
    for line in report.lines():
        click.echo(line)


async def _save(saved: Saved, output: Path) -> None:
    from fake_xapi.fleet.fleet import Fleet
    from fake_xapi.fleet.state_file import save_fleet

    fleet = Fleet(saved.order, before=saved)
    try:
        save_fleet(fleet, output)
    finally:
        await fleet.close()


def standing(recording: Path, *, keeps_addresses: bool) -> tuple[Saved, Report]:
    """The fleet that stands for a recorded server. BadRecording and NoLikeness when there is none to be made."""
    from fake_xapi.replay.inventory import inventory as inventory_of
    from fake_xapi.replay.likeness import likeness
    from fake_xapi.replay.recording import read_calls
    from fake_xapi.replay.standing import stand_in

    world, report = likeness(inventory_of(read_calls(recording)), SEED)
    return stand_in(world, keeps_addresses=keeps_addresses), report


@click.command("cases")
@click.argument("recording", type=RECORDING)
@click.option("-o", "--output", required=True, type=FILE, help="FILE.json for inova contract --cases, or FILE.py for pytest.")
def cases(recording: Path, output: Path) -> None:
    """Make cases for the contract of a recording: any other server can be held to answers of the same shape."""
    from fake_xapi.replay.cases import as_json, as_python, document
    from fake_xapi.replay.cases import cases as cases_of
    from fake_xapi.replay.recording import read_calls, read_head

    write = {".json": as_json, ".py": as_python}.get(output.suffix)
    if write is None:
        raise click.ClickException(f"{output}: cases are JSON or Python; name a file that ends with .json or .py")
    check_folder(output)
    with refusing():
        made = document(cases_of(read_calls(recording)), str(read_head(recording).get("upstream", "")))
        partial = output.with_name(f".{output.name}.partial")
        partial.write_text(write(made), encoding="utf-8")
        partial.replace(output)
    changing = sum(case["changes"] for case in made["cases"])
    click.echo(f"{output}: {len(made['cases'])} cases, {changing} of which may change something; {made['left_out']} with secrets left out")


COMMANDS = {"record": record, "inventory": inventory, "cases": cases}
