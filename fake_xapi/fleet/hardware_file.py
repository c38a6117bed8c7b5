"""A hardware file: a JSON object of numbers. Errors are reported with file, line and cure."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fake_xapi.fleet.gpus import GPUS
from fake_xapi.fleet.hardware import GIB, Hardware


class BadHardware(ValueError):
    """A malformed file; the message names file, line and cure."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the file: its field, its possible values, and the conversion."""

    field: str
    rule: str
    is_good: Callable[[Any], bool]
    value: Callable[[Any], Any] = lambda given: given


def _count(field: str, least: int, most: int) -> Key:
    return Key(field, f"a whole number from {least} to {most}", lambda given: type(given) is int and least <= given <= most)


def _gib(field: str, least: int, most: int) -> Key:
    return Key(
        field,
        f"a number of GiB from {least} to {most}",
        lambda given: type(given) in (int, float) and least <= given <= most,
        lambda given: int(given * GIB),
    )


def _one_of(field: str, *choices: str) -> Key:
    return Key(field, "one of " + ", ".join(choices), lambda given: given in choices)


KEYS: Mapping[str, Key] = {
    "cpus": _count("cpus", 1, 4096),
    "sockets": _count("sockets", 1, 64),
    "cpu_model": Key("cpu_model", "a text", lambda given: type(given) is str and bool(given)),
    "cpu_mhz": _count("cpu_mhz", 1, 10_000),
    "memory_gib": _gib("memory_bytes", 1, 65_536),
    "control_domain_gib": _gib("control_domain_bytes", 0, 1024),
    "storage_gib": _gib("storage_bytes", 1, 16_777_216),
    "sr_type": _one_of("sr_type", "ext", "lvm"),
    "nics": _count("nics", 1, 16),
    "nic_functions": _count("nic_functions", 0, 64),
    "gpus": _count("gpus", 0, 16),
    "gpu_model": _one_of("gpu_model", *GPUS),
    "usb_devices": _count("usb_devices", 0, 32),
    "dvd_drives": _count("dvd_drives", 0, 8),
}


def read_hardware(path: Path) -> Hardware:
    """The machine that a file describes, with defaults for what it leaves out. BadHardware for errors in it, OSError for no file."""
    try:
        text = path.read_text(encoding="utf-8")
        given = json.loads(text)
    except (UnicodeDecodeError, RecursionError) as error:
        raise BadHardware(f"{path}: no JSON ({error}); write an object such as {_EXAMPLE}") from error
    except json.JSONDecodeError as error:
        raise BadHardware(f"{path}:{error.lineno}: no JSON ({error.msg}); write an object such as {_EXAMPLE}") from error
    if not isinstance(given, dict):
        raise BadHardware(f"{path}:1: not an object; write one such as {_EXAMPLE}")
    fields = {}
    for name, value in given.items():
        if name not in KEYS:
            raise BadHardware(f"{path}:{_line(text, name)}: unknown key {name!r}; {_suggestion(name)}")
        key = KEYS[name]
        if not key.is_good(value):
            raise BadHardware(f"{path}:{_line(text, name)}: {name} is {key.rule}, not {json.dumps(value)}")
        fields[key.field] = key.value(value)
    return _fitting(path, text, Hardware(**fields))


_EXAMPLE = '{"cpus": 32, "memory_gib": 256, "nics": 4, "gpus": 2}'


def _fitting(path: Path, text: str, hardware: Hardware) -> Hardware:
    """Check that the parts fit together."""
    if hardware.control_domain_bytes >= hardware.memory_bytes:
        line = _line(text, "control_domain_gib") if "control_domain_gib" in text else _line(text, "memory_gib")
        raise BadHardware(f"{path}:{line}: the control domain has all the memory of its host; raise memory_gib or lower control_domain_gib")
    if hardware.cpus < hardware.sockets:
        line = _line(text, "sockets") if '"sockets"' in text else _line(text, "cpus")
        raise BadHardware(f"{path}:{line}: {hardware.sockets} sockets need as many cpus, not {hardware.cpus}; raise cpus or lower sockets")
    return hardware


def _line(text: str, name: str) -> int:
    """The line of a key."""
    found = re.search(rf'"{re.escape(name)}"\s*:', text)
    return text.count("\n", 0, found.start()) + 1 if found else 1


def _suggestion(name: str) -> str:
    close = difflib.get_close_matches(name, KEYS, n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(KEYS)}"
