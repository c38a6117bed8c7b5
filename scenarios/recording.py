"""The command `python -m scenarios.coverage`: write the page, and before that, where asked for, record anew what it is made from.

Knows how to run the tests. May not know what they ask.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from fake_xapi.datamodel.personality import personality
from scenarios import coverage, exercised
from scenarios.testrun import PASSWORD, Pool, simulated


@click.command()
@click.option("--record", is_flag=True, help="First run the tests of the simulator and the contract suite, and record what they send.")
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Test processes at once.")
@click.option(
    "--confirm",
    nargs=2,
    type=(str, click.Path(exists=True, dir_okay=False, path_type=Path)),
    metavar="PRODUCT FILE",
    help="First take in what a real product has confirmed: FILE is what `pytest --xapi-exercised FILE` wrote against it.",
)
def main(*, record: bool, workers: int, confirm: tuple[str, Path] | None) -> None:
    """Write docs/generated/coverage.md."""
    if record:
        known = {name for release in coverage.RELEASES for name in coverage.answers(personality(release))}
        exercised.keep({name: one for name, one in exercised.merged(runs(workers)).items() if name in known})
    else:
        exercised.keep(exercised.without_what_is_gone(exercised.read()))
    if confirm is not None:
        take_in(*confirm)
    coverage.PAGE.write_text(coverage.page(), encoding="utf-8")


def runs(workers: int) -> list[exercised.Recorded]:
    """What the tests of the simulator send, and those of the contract suite to each release."""
    with tempfile.TemporaryDirectory(prefix="inova-coverage-") as folder:
        return [
            of_the_simulator(Path(folder) / "simulator.json", workers),
            *(of_the_suite(release, Path(folder), workers) for release in coverage.RELEASES),
        ]


def of_the_simulator(path: Path, workers: int) -> exercised.Recorded:
    """Run the simulator's own tests; what they send."""
    _pytest("-p", "tests.exercised", "--exercised", str(path), "tests/fake_xapi", "-n", str(workers), "--dist", "loadfile")
    record: exercised.Recorded = json.loads(path.read_text(encoding="utf-8"))
    return record


def of_the_suite(release: str, folder: Path, workers: int) -> exercised.Recorded:
    """Run the contract suite against a simulated host of a release; what its tests send."""
    path = folder / f"{release}.json"
    with simulated(Pool(release), folder) as url:
        where = ("--xapi-url", url, "--xapi-user", "root", "--xapi-password", PASSWORD)
        suite = ("-c", "contract_tests/pytest.ini", "-p", "contract_tests.plugin", "--pyargs", "contract_tests.suite", "-n", str(workers))
        _pytest(*suite, *where, "--xapi-exercised", str(path))
    (calls,) = json.loads(path.read_text(encoding="utf-8")).values()
    return {personality(release).name: {exercised.SUITE + test: sent for test, sent in calls.items()}}


def _pytest(*arguments: str) -> None:
    """Run pytest; what its failed tests sent is not recorded."""
    subprocess.run([sys.executable, "-m", "pytest", "-q", *arguments], cwd=exercised.ROOT, stdout=sys.stderr, check=False)


def take_in(product: str, path: Path) -> None:
    """Add what a run of the suite against a real product has confirmed; messages that no release has are left out."""
    confirmed: dict[str, list[str]] = json.loads(coverage.CONFIRMED.read_text(encoding="utf-8"))
    sent = {name for tests in json.loads(path.read_text(encoding="utf-8")).values() for names in tests.values() for name in names}
    confirmed[product] = sorted(sent & set(coverage.answers(personality("latest"))))
    coverage.CONFIRMED.write_text(json.dumps(confirmed, indent=1) + "\n", encoding="utf-8")
