"""A caller's wishes for one guest: the keys ``sim.*`` in its VM's other_config, which a clone inherits from its template.

XAPI accepts any key and value there, so a bad one does not fail the call: a ``message`` object reports it, and it has no effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

PREFIX = "sim."
Obedience = Literal["obey", "ignore", "hang", "slow", "crash", "refuse", "stuck"]


@dataclass(frozen=True, slots=True)
class Answer:
    """How a guest reacts to a request; ``delay_s`` for a slow one, ``reason`` for a refusal."""

    how: Obedience = "obey"
    delay_s: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Wishes:
    """All wishes for one guest. ``boot`` is "" for its own behaviour, "hang", "panic", or seconds."""

    behaviour: str = ""
    boot: str | float = ""
    shutdown: Answer = Answer()
    suspend: Answer = Answer()
    hotplug: Answer = Answer()
    balloon: Answer = Answer()
    halt_after: float | None = None
    reboot_after: float | None = None
    crash_after: float | None = None
    agent: str = "new"
    drivers: str = "new"
    dhcp: str = "lease"
    load: str = ""


NONE = Wishes()


_WITH_MORE = ("slow", "refuse")


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < float("inf"):
        raise ValueError(text)
    return seconds


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(text)
        return text

    return parse


def _answer(*words: Obedience) -> Callable[[str], Answer]:
    """``obey``, ``slow:30``, ``refuse:why``: a word, followed by its argument after a colon."""

    def parse(text: str) -> Answer:
        word, colon, more = text.partition(":")
        found = next((known for known in words if known == word), None)
        if found is None or bool(colon) != (word in _WITH_MORE) or bool(colon) != bool(more):
            raise ValueError(text)
        return Answer(found, _seconds(more) if word == "slow" else 0.0, more if word == "refuse" else "")

    return parse


def _boot(text: str) -> str | float:
    return text if text in ("hang", "panic") else _seconds(text)


@dataclass(frozen=True, slots=True)
class Key:
    """One key: the field of ``Wishes`` that it sets, the parser of its value, the accepted values, and its effect."""

    field: str
    parse: Callable[[str], Any]
    values: str
    meaning: str


KEYS: Mapping[str, Key] = {
    "sim.behaviour": Key("behaviour", str, "a name of the list below, or a behaviour as JSON", "what it does from its first stage on"),
    "sim.boot": Key("boot", _boot, "seconds, hang, panic", "it takes that long to boot in all, never comes up, or crashes on its way"),
    "sim.shutdown": Key(
        "shutdown", _answer("obey", "slow", "hang", "ignore", "crash"), "obey, slow:SECONDS, hang, ignore, crash",
        "how it takes a clean shutdown or reboot: hang ends in VM_SHUTDOWN_TIMEOUT, ignore in VM_FAILED_SHUTDOWN_ACKNOWLEDGMENT",
    ),
    "sim.suspend": Key(
        "suspend", _answer("obey", "hang", "ignore", "refuse"), "obey, hang, ignore, refuse:REASON",
        "how it takes a suspend: refuse says so beforehand, hang ends in VM_SUSPEND_TIMEOUT, ignore in VM_FAILED_SUSPEND_ACKNOWLEDGMENT",
    ),
    "sim.hotplug": Key(
        "hotplug", _answer("obey", "hang", "refuse"), "obey, hang, refuse:REASON",
        "how it gives a disk or interface back: DEVICE_DETACH_TIMEOUT or DEVICE_DETACH_REJECTED with the reason",
    ),
    "sim.balloon": Key("balloon", _answer("obey", "stuck"), "obey, stuck", "whether its memory follows its target"),
    "sim.halt-after": Key("halt_after", _seconds, "seconds", "it shuts itself down so long after it came up"),
    "sim.reboot-after": Key("reboot_after", _seconds, "seconds", "it reboots itself so long after it came up"),
    "sim.crash-after": Key("crash_after", _seconds, "seconds", "it crashes so long after it came up"),
    "sim.agent": Key(
        "agent", _one_of("new", "old", "mute", "none"), "new, old, mute, none",
        "its agent: old derives keys with MD5 and takes files as one text, mute reads and never answers, none is not there",
    ),
    "sim.drivers": Key("drivers", _one_of("new", "old", "none"), "new, old, none", "its PV drivers; without them it tells nothing"),
    "sim.dhcp": Key("dhcp", _one_of("lease", "none"), "lease, none", "whether a DHCP server answers it where nothing tells it an address"),
    "sim.load": Key("load", _one_of("idle", "steady", "bursty"), "idle, steady, bursty", "how busy its metrics show it; else by its uuid"),
}  # fmt: skip
"""Every key, as docs/how-to/tell-a-guest-what-to-do.md lists them."""


def wishes_of(other_config: Mapping[str, str]) -> Wishes:
    """The wishes in an other_config; NONE in most cases."""
    said = _said(other_config)
    return _parsed(said)[0] if said else NONE


def complaints(other_config: Mapping[str, str]) -> tuple[str, ...]:
    """The faults of the keys in an other_config, one sentence each."""
    said = _said(other_config)
    return _parsed(said)[1] if said else ()


def _said(other_config: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((key, value) for key, value in other_config.items() if key.startswith(PREFIX))


@lru_cache(maxsize=4096)
def _parsed(said: tuple[tuple[str, str], ...]) -> tuple[Wishes, tuple[str, ...]]:
    values: dict[str, Any] = {}
    wrong: list[str] = []
    for key, text in said:
        known = KEYS.get(key)
        try:
            if known is not None:
                values[known.field] = known.parse(text)
        except ValueError:
            wrong.append(f"{key} is {text!r}, which is none of: {known.values if known else ''}")
        if known is None:
            wrong.append(f"nothing is called {key}; there is {', '.join(_names())}")
    return Wishes(**values), tuple(wrong)


def _names() -> Iterator[str]:
    return iter(KEYS)
