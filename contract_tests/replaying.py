"""Cases of a recording as pytest's items: one each, in the order of the file.

Knows pytest. May not know what a case tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from contract_tests.cases import Case, Differs, Replayer, read_cases
from contract_tests.report import SERVER

REPLAYER = pytest.StashKey[Replayer]()
RATIO = "contract_latency_ratio"


class CasesFile(pytest.File):
    """The file that --xapi-cases names."""

    def collect(self) -> Iterator[CaseItem]:
        """One item for each case."""
        for case in read_cases(self.path):
            yield CaseItem.from_parent(self, name=case.name, case=case)


class CaseItem(pytest.Item):
    """One case."""

    def __init__(self, *, case: Case, **how: Any) -> None:
        super().__init__(**how)
        self.case = case
        self.fact = f"{case.method} answers as it was recorded"
        """What the report says of it."""

    def runtest(self) -> None:
        """Run the case."""
        replayer = self.config.stash[REPLAYER]
        try:
            replayer.hold(self.case)
        finally:
            if replayer.server is not None:
                self.user_properties.append((SERVER, replayer.server.summary))
            if self.case.name in replayer.ratios:
                self.user_properties.append((RATIO, replayer.ratios[self.case.name]))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The differences, without a traceback."""
        return str(excinfo.value) if isinstance(excinfo.value, Differs) else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """The heading of a failure."""
        return self.path, None, self.case.name


@pytest.fixture(scope="session")
def replayer(pytestconfig: pytest.Config) -> Replayer:
    """The replayer that runs the cases of a module."""
    return pytestconfig.stash[REPLAYER]
