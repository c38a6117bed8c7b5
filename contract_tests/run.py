"""Run the suite in this process with pytest.

May not know who asked for it: the command and other programs use the same functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from contract_tests.target import Target

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Cases:
    """A file of cases to run instead of the suite, and whether to run those that change something."""

    path: Path
    may_change: bool = False

    def arguments(self) -> list[str]:
        """Pytest's arguments for them."""
        path = str(self.path.absolute())
        return [path, "--xapi-cases", path, *(["--xapi-mutating"] if self.may_change else [])]


def run(
    target: Target,
    *,
    json_path: Path | None = None,
    html_path: Path | None = None,
    expression: str | None = None,
    jobs: int = 1,
    cases: Cases | None = None,
) -> int:
    """Run the tests against ``target`` and return pytest's exit code: 0 all passed, 1 some failed.

    ``expression`` chooses tests as pytest's -k does; more than one of ``jobs`` needs pytest-xdist.
    """
    said = arguments(target, json_path=json_path, html_path=html_path, expression=expression, jobs=jobs, cases=cases)
    return int(pytest.main(said))


def arguments(
    target: Target,
    *,
    json_path: Path | None = None,
    html_path: Path | None = None,
    expression: str | None = None,
    jobs: int = 1,
    cases: Cases | None = None,
) -> list[str]:
    """Pytest's arguments: for this suite alone, or cases alone, regardless of any configuration in the working directory."""
    return [
        *("-c", str(HERE / "pytest.ini"), "--rootdir", str(HERE), "-p", "contract_tests.plugin"),
        *(["--pyargs", "contract_tests.suite"] if cases is None else cases.arguments()),
        *("--xapi-url", target.url, "--xapi-user", target.user, "--xapi-password", target.password, "--xapi-template", target.template),
        *(["--xapi-insecure"] if target.is_insecure else []),
        *(["--xapi-json", str(json_path.absolute())] if json_path else []),
        *(["--xapi-html", str(html_path.absolute())] if html_path else []),
        *(["-k", expression] if expression else []),
        *(["-n", str(jobs)] if jobs > 1 else []),
    ]
