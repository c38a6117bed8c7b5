"""Eras and what a test may ask of them."""

from __future__ import annotations

import pytest

from contract_tests.capabilities import Era, Server, era_of


def server(era: Era) -> Server:
    return Server(era=era, release="1", brand="X", messages=frozenset({"VM.start"}), features=frozenset({"jsonrpc"}))


@pytest.mark.parametrize(
    ("api", "era"),
    [((1, 3), "boston"), ((1, 9), "boston"), ((1, 10), "tampa"), ((2, 0), "clearwater"), ((2, 1), "modern"), ((2, 23), "modern")],
)
def test_an_api_version_has_an_era(api: tuple[int, int], era: str) -> None:
    assert era_of(api) == era


@pytest.mark.parametrize(("era", "value"), [("boston", 1), ("tampa", 1), ("clearwater", 2), ("modern", 2)])
def test_a_promise_holds_from_its_era_on(era: Era, value: int) -> None:
    assert server(era).as_of(boston=1, clearwater=2) == value


def test_a_server_has_messages_and_features() -> None:
    assert [server("modern").has(name) for name in ("VM.start", "jsonrpc", "VM.frobnicate")] == [True, True, False]
