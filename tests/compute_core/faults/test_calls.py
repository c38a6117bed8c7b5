"""Operations ask no more of hosts than they may. That the page of their calls is up to date is asked where all generated pages are."""

from __future__ import annotations

import pytest

from tests.compute_core.faults import calls
from tests.compute_core.faults.cases import CASES


@pytest.fixture(scope="module")
def measured() -> calls.Calls:
    return calls.measured()


def test_a_resize_to_another_host_and_its_confirmation_ask_at_most_60_together(measured: calls.Calls) -> None:
    assert len(measured["resize"]) + len(measured["resize-confirm"]) <= 60


def test_no_operation_asks_more_than_it_may(measured: calls.Calls) -> None:
    assert {name: measured[name] for name, case in CASES.items() if case.at_most and len(measured[name]) > case.at_most} == {}


def test_what_is_asked_several_times_in_a_row_is_one_line_of_the_page() -> None:
    text = calls.page({name: ["VM.get_record", "VM.get_record", "VM.start"] for name in CASES})

    assert text.endswith("1. `VM.get_record` x 2\n1. `VM.start`\n")
