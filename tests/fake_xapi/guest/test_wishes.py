"""The keys sim.* of a VM: how each is read, what is said of one that is wrong, and where they are documented."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fake_xapi.guest.behaviours import behaviours
from fake_xapi.guest.wishes import KEYS, NONE, Answer, Wishes, complaints, wishes_of
from tests.fake_xapi.verbs.kit.hosts import Host, over_host

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "tell-a-guest-what-to-do.md"


@pytest.mark.parametrize(
    ("key", "text", "wish"),
    [
        ("sim.behaviour", "panic", {"behaviour": "panic"}),
        ("sim.boot", "12.5", {"boot": 12.5}),
        ("sim.boot", "hang", {"boot": "hang"}),
        ("sim.boot", "panic", {"boot": "panic"}),
        ("sim.shutdown", "obey", {"shutdown": Answer("obey")}),
        ("sim.shutdown", "slow:30", {"shutdown": Answer("slow", 30.0)}),
        ("sim.shutdown", "hang", {"shutdown": Answer("hang")}),
        ("sim.shutdown", "ignore", {"shutdown": Answer("ignore")}),
        ("sim.shutdown", "crash", {"shutdown": Answer("crash")}),
        ("sim.suspend", "refuse:no room", {"suspend": Answer("refuse", 0.0, "no room")}),
        ("sim.hotplug", "refuse:in use", {"hotplug": Answer("refuse", 0.0, "in use")}),
        ("sim.balloon", "stuck", {"balloon": Answer("stuck")}),
        ("sim.halt-after", "60", {"halt_after": 60.0}),
        ("sim.reboot-after", "0", {"reboot_after": 0.0}),
        ("sim.crash-after", "1e3", {"crash_after": 1000.0}),
        ("sim.agent", "mute", {"agent": "mute"}),
        ("sim.drivers", "old", {"drivers": "old"}),
        ("sim.dhcp", "none", {"dhcp": "none"}),
        ("sim.load", "bursty", {"load": "bursty"}),
    ],
)
def test_a_key_is_a_wish(key: str, text: str, wish: dict[str, object]) -> None:
    assert wishes_of({"mac_seed": "x", key: text}) == Wishes(**wish)  # type: ignore[arg-type]  # a table of fields
    assert complaints({key: text}) == ()


def test_every_key_is_exercised_above() -> None:
    rows = next(mark for mark in test_a_key_is_a_wish.pytestmark).args[1]  # type: ignore[attr-defined]  # pytest puts it there
    assert {row[0] for row in rows} == set(KEYS)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("sim.boot", "-1"),
        ("sim.boot", "soon"),
        ("sim.shutdown", "slow"),
        ("sim.shutdown", "slow:"),
        ("sim.shutdown", "hang:3"),
        ("sim.shutdown", "never"),
        ("sim.suspend", "refuse"),
        ("sim.halt-after", "inf"),
        ("sim.agent", "young"),
        ("sim.shutdwon", "hang"),
    ],
)
def test_a_wrong_key_counts_as_not_said_and_is_told(key: str, text: str) -> None:
    assert wishes_of({key: text}) == NONE
    [sentence] = complaints({key: text})
    assert sentence.startswith((f"{key} is {text!r}, which is none of: ", f"nothing is called {key}; there is sim.behaviour, "))


def test_a_wrong_key_is_told_by_a_message_when_the_guest_boots() -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server(other_config={"sim.boot": "soon", "sim.behaviour": "dance"})
        await host.call("VM.start", vm, False, False)
        await asyncio.sleep(1)
        assert host.bodies() == ["VM_STARTED", "SIM_SETTING_IGNORED", "SIM_SETTING_IGNORED"]
        told = [host.world[message]["body"] for message in sorted(host.world.ids("message"))[1:]]
        names = ", ".join(behaviours())
        assert told == [
            "sim.boot is 'soon', which is none of: seconds, hang, panic",
            f"sim.behaviour: no behaviour is called 'dance'; there is {names}",
        ]
        assert host.world[host.row(vm)["guest_metrics"]]["live"]

    over_host(body)


def test_every_key_and_every_behaviour_is_documented() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [key for key, known in KEYS.items() if f"| `{key}` | {known.values} | {known.meaning} |" not in page] == []
    assert [name for name in behaviours() if f"- `{name}`: " not in page] == []
