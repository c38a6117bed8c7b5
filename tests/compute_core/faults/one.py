"""One case by hand: ``python -m tests.compute_core.faults.one CASE [KIND STEP [ERROR PARAM...]]``."""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.compute_core.faults.case import MIDDLE, Fault, disturbed, normal, verdict
from tests.compute_core.faults.cases import CASES


def main(arguments: Sequence[str]) -> None:
    """List a case's requests, or put it through one fault and say what came of it."""
    name, *rest = arguments
    with tempfile.TemporaryDirectory() as folder:
        expected = normal(CASES[name], Path(folder))
        lines = [f"{number:4} {request}" for number, request in enumerate(expected.requests, start=1)]
        if rest:
            fault = Fault(rest[0], int(rest[1].rstrip(MIDDLE)), tuple(rest[2:]), rest[1].endswith(MIDDLE))
            logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
            found = disturbed(CASES[name], fault, Path(folder, "one"))
            lines = verdict(expected, fault, found) or ["nothing is wrong"]
        sys.stdout.write("\n".join([*lines, ""]))


if __name__ == "__main__":
    main(sys.argv[1:])
