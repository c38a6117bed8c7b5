"""Every command that the pages show is run: as it stands, or with sizes that suit a test, against hosts that are there.

The table says how each is run, and a command that a page shows and the table lacks fails the test, as does one that no page shows.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from scenarios.testrun import CODE, free_port
from tests.code.documents import blocks, commands, pages
from tests.code.sources import ROOT

TIMEOUT_S = 420


@dataclass(frozen=True, slots=True)
class Finishes:
    """Run to the end: ``arguments`` replace those of the page; ``writes`` are the files that it must leave."""

    arguments: str
    writes: tuple[str, ...] = ()
    codes: tuple[int, ...] = (0,)


@dataclass(frozen=True, slots=True)
class Serves:
    """Run until it is ready, then end it: it must end with 0."""

    arguments: str
    writes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Run by another check: ``where`` says by which."""

    where: str


def controls(*arguments: str) -> dict[str, Finishes]:
    """Commands that talk to the control plane of the page's simulation, which is another one here."""
    return {f"./inova sim {shown}": Finishes(f"sim {shown} --control {{control}}") for shown in arguments}


def moves(*arguments: str) -> dict[str, Elsewhere]:
    """Commands that need a Xen host of 2008, with a page's VMs on it."""
    return {
        f"./inova core firstgen {shown}": Elsewhere("tests/compute_core/firstgen/test_cli.py, in the page's order") for shown in arguments
    }


BENCH = Elsewhere("tests/scenarios/test_bench.py, by the name of a quick one; docs/generated/benchmarks.md has them all")
SMALL = "--hosts 3 --servers 6"
RUNS: Mapping[str, Finishes | Serves | Elsewhere] = {
    "./inova rehearse": Finishes(f"rehearse {SMALL} --virtual"),
    "./inova rehearse cell-rollout --hosts 50 --servers 200 --seed 7 --json rollout.json --html rollout.html": Finishes(
        f"rehearse cell-rollout {SMALL} --seed 7 --json rollout.json --html rollout.html", ("rollout.json", "rollout.html")
    ),
    "./inova core dom0 write dom0-plugins": Finishes("core dom0 write dom0-plugins", ("dom0-plugins/inova",)),
    "./inova rehearse --virtual --hosts 5000 --servers 20000": Finishes(f"rehearse --virtual {SMALL}"),
    "./inova rehearse --hosts 20 --servers 40 --seed 3 --json rehearsal.json --html rehearsal.html --journal rehearsal.journal": Finishes(
        f"rehearse {SMALL} --seed 3 --virtual --json rehearsal.json --html rehearsal.html --journal rehearsal.journal",
        ("rehearsal.json", "rehearsal.html", "rehearsal.journal"),
    ),
    "./inova sim serve --hosts 3 --port 8080 --inventory hosts.json": Serves(
        "sim serve --hosts 3 --port {port} --inventory hosts.json", ("hosts.json",)
    ),
    "./inova sim serve --hosts 2 --port 8081 --seed 1 --profile instant --inventory hosts.json": Serves(
        "sim serve --hosts 2 --port {port} --seed 1 --profile instant --inventory hosts.json", ("hosts.json",)
    ),
    "./inova sim serve --hosts 1 --port 8082 --personality clearwater": Serves(
        "sim serve --hosts 1 --port {port} --personality clearwater"
    ),
    "./inova sim serve --hosts 3 --port 8080 --tls-port 8443 --certificates hosts.pem": Serves(
        "sim serve --hosts 3 --port {port} --tls-port 0 --certificates hosts.pem", ("hosts.pem",)
    ),
    "./inova sim serve --hosts 3 --port 8080 --control-port 8079 --journal 1000": Serves(
        "sim serve --hosts 3 --port {port} --control-port 0 --journal 1000"
    ),
    **controls(
        "hosts list",
        "hosts show xs00001",
        "hosts kill xs00002",
        "hosts revive xs00002",
        "hosts fork xs00001",
        'faults add delay --seconds 3 --message "VM.*" --host xs00001',
        "faults add refuse --code SR_FULL --param 1 --param 0 --message VDI.create --nth 2",
        'faults add lose-reply --message VM.start --subject "web*" --probability 0.1 --stream flaky',
        "faults list",
        "faults add hang --at VDI.copy",
        "faults add dead --at VM.migrate.switch --host xs00001",
        "faults add fist:pause_storage_migrate",
        "faults clear",
        "clock now",
        "clock speed 60",
        "clock pause",
        "clock jump 3600",
        "clock step",
        "clock resume",
        "world snapshot before",
        "world diff before",
        "world restore before",
        "world save fleet.inova",
        "world load fleet.inova saved",
        "world snapshots",
        'world journal "xs*" --keep 1000',
        "world journal xs00001",
        "world objects xs00001 SR",
        'calls list --message "VM.*"',
        "calls counters",
    ),
    "./inova core up --inventory hosts.json": Serves("core up --inventory {inventory} --port 0", ("clouds.yaml",)),
    **moves(
        "plan xen01",
        "move xen01/web xen01/db --bwlimit 20000 --per-source 2",
        "status",
        "resume",
        "confirm xen01/web",
        "abandon xen01/db",
        "report --json",
    ),
    "./inova contract --url http://127.0.1.1:8080 --user root --password xenroot": Elsewhere("the check `contract: latest` of inova test"),
    "./inova contract --url http://xenserver.example --user root --password secret --json contract.json": Finishes(
        "contract --url {url} --user root --password xenroot --json contract.json -k session", ("contract.json",)
    ),
    "./inova sim record --upstream http://xenserver.example --output production.recording --crawl --password secret": Finishes(
        "sim record --upstream {url} --output production.recording --crawl --password xenroot", ("production.recording",)
    ),
    "./inova sim record --upstream http://xenserver.example --output client.recording --port 8090": Serves(
        "sim record --upstream {url} --output client.recording --port {port}", ("client.recording",)
    ),
    "./inova sim replay production.recording --port 8080 --inventory hosts.json": Serves(
        "sim replay {recording} --port {port} --inventory hosts.json", ("hosts.json",)
    ),
    "./inova sim inventory production.recording --output production.state": Finishes(
        "sim inventory {recording} --output production.state", ("production.state",)
    ),
    "./inova sim serve --state production.state --port 8080 --profile instant": Serves(
        "sim serve --state {state} --port {port} --profile instant"
    ),
    "./inova sim cases client.recording --output cases.json": Finishes("sim cases {recording} --output cases.json", ("cases.json",)),
    "./inova contract --url http://xenserver.example --user root --password secret --cases cases.json": Finishes(
        "contract --url {url} --user root --password xenroot --cases {cases}"
    ),
    "./inova sim cases client.recording --output test_recorded.py": Finishes(
        "sim cases {recording} --output test_recorded.py", ("test_recorded.py",)
    ),
    "./inova bench": BENCH,
    "./inova bench --json bench.json": BENCH,
    "./inova test": Elsewhere("this test is a part of it"),
    ".inova/env/bin/ruff format .": Elsewhere("the check `format` of inova test"),
    ".inova/env/bin/ruff check .": Elsewhere("the check `lint` of inova test"),
    ".inova/env/bin/mypy": Elsewhere("the check `types` of inova test"),
    ".inova/env/bin/lint-imports": Elsewhere("the check `layers` of inova test"),
    ".inova/env/bin/pytest tests/fake_xapi/datamodel": Elsewhere("the check `tests` of inova test"),
}


@dataclass(frozen=True, slots=True)
class Hosts:
    """Simulated hosts that a command may be pointed at."""

    inventory: Path
    url: str


def start(arguments: list[str], folder: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "scenarios.cli", *arguments]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)


@contextmanager
def serving(arguments: list[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A command that serves, from its line `ready` on; it is asked to end afterwards, if it has not been."""
    with start(arguments, folder) as process:
        try:
            assert process.stdout is not None
            assert any(line.startswith("ready") for line in process.stdout), f"ended with {process.wait()} before it was ready"
            yield process
        finally:
            process.send_signal(signal.SIGTERM)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """Two simulated hosts, of which operations take no time."""
    folder = tmp_path_factory.mktemp("hosts")
    arguments = shlex.split(f"sim serve --hosts 2 --port {free_port()} --profile instant --inventory hosts.json")
    with serving(arguments, folder):
        inventory = folder / "hosts.json"
        yield Hosts(inventory, json.loads(inventory.read_text(encoding="utf-8"))[0]["url"])


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The control plane of another simulation, which the commands of the pages may do anything to."""
    folder, port = tmp_path_factory.mktemp("control"), free_port()
    arguments = f"sim serve --hosts 3 --port 0 --profile instant --control-port {port} --journal 100"
    with serving(shlex.split(arguments), folder):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def files(hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """A recording of a host, and what is made of it."""
    folder = tmp_path_factory.mktemp("recorded")
    made = {name: folder / name for name in ("recording", "state", "cases.json")}
    for arguments in (
        f"sim record --upstream {hosts.url} --output {made['recording']} --crawl --password xenroot",
        f"sim inventory {made['recording']} --output {made['state']}",
        f"sim cases {made['recording']} --output {made['cases.json']}",
    ):
        with start(shlex.split(arguments), folder) as process:
            assert process.wait(TIMEOUT_S) == 0
    return {name.partition(".")[0]: path for name, path in made.items()}


def test_the_table_holds_the_commands_that_the_pages_show() -> None:
    assert set(commands()) == set(RUNS)


def test_the_tools_that_the_pages_show_check_what_inova_test_checks() -> None:
    assert set(CODE) == {path.parent.name for path in ROOT.glob("*/__init__.py")}


@pytest.mark.disk_tools
@pytest.mark.parametrize("shown", [shown for shown, run in RUNS.items() if isinstance(run, Finishes)])
def test_a_command_of_the_pages_comes_to_its_end(shown: str, hosts: Hosts, control: str, files: Mapping[str, Path], tmp_path: Path) -> None:
    run = RUNS[shown]
    assert isinstance(run, Finishes)
    arguments = run.arguments.format(url=hosts.url, inventory=hosts.inventory, control=control, **files)
    with start(shlex.split(arguments), tmp_path) as process:
        output, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode in run.codes, output
    assert [name for name in run.writes if not (tmp_path / name).stat().st_size] == []


@pytest.mark.parametrize("shown", [shown for shown, run in RUNS.items() if isinstance(run, Serves)])
def test_a_command_of_the_pages_serves_and_ends_when_asked(shown: str, hosts: Hosts, files: Mapping[str, Path], tmp_path: Path) -> None:
    run = RUNS[shown]
    assert isinstance(run, Serves)
    arguments = run.arguments.format(url=hosts.url, inventory=hosts.inventory, port=free_port(), **files)
    with serving(shlex.split(arguments), tmp_path) as process:
        assert [name for name in run.writes if not (tmp_path / name).stat().st_size] == []
    assert process.returncode == 0


PYTHON = [(f"{page.relative_to(ROOT)}:{index}", text) for page in pages() for index, text in enumerate(blocks(page, "python"))]


@pytest.mark.parametrize(("where", "text"), PYTHON, ids=[where for where, _ in PYTHON])
def test_the_python_of_the_pages_runs(where: str, text: str, hosts: Hosts, control: str, tmp_path: Path) -> None:
    del where
    script = tmp_path / "test_shown.py"
    urls = {"http://127.0.0.1:8079": control}
    script.write_text(re.sub(r"http://127\.[\d.]+:\d+", lambda found: urls.get(found[0], hosts.url), text), encoding="utf-8")
    plugin = [] if "fake_xapi.testing" in installed_plugins() else ["-p", "fake_xapi.testing"]
    runner = ["-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin] if "def test_" in text else []
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *runner, str(script)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def installed_plugins() -> set[str]:
    """The pytest plugins that an installation of the project brings; none when it runs from its folder without one."""
    from importlib.metadata import entry_points

    return {entry.name for entry in entry_points(group="pytest11")}
