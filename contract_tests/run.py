"""Run the suite in this process with pytest.

May not know how it was asked for: the command and other programs come in by the same door.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from contract_tests.target import Target

HERE = Path(__file__).parent


def run(
    target: Target, *, json_path: Path | None = None, html_path: Path | None = None, expression: str | None = None, jobs: int = 1
) -> int:
    """Run the tests against ``target`` and return pytest's exit code: 0 all passed, 1 some failed.

    ``expression`` chooses tests as pytest's -k does; more than one of ``jobs`` needs pytest-xdist.
    """
    return int(pytest.main(arguments(target, json_path=json_path, html_path=html_path, expression=expression, jobs=jobs)))


def arguments(
    target: Target, *, json_path: Path | None = None, html_path: Path | None = None, expression: str | None = None, jobs: int = 1
) -> list[str]:
    """Pytest's arguments: this suite alone, whatever configuration lies about where the command is run."""
    return [
        *("-c", str(HERE / "pytest.ini"), "--rootdir", str(HERE), "-p", "contract_tests.plugin", "--pyargs", "contract_tests.suite"),
        *("--xapi-url", target.url, "--xapi-user", target.user, "--xapi-password", target.password, "--xapi-template", target.template),
        *(["--xapi-insecure"] if target.is_insecure else []),
        *(["--xapi-json", str(json_path.absolute())] if json_path else []),
        *(["--xapi-html", str(html_path.absolute())] if html_path else []),
        *(["-k", expression] if expression else []),
        *(["-n", str(jobs)] if jobs > 1 else []),
    ]
