"""What stands on the screen of a domain: of a guest how it is and the end of its console, of a control domain what its host is.

Text alone; how it becomes dots is ``glyphs``' and whoever draws it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fake_xapi.guest import machine
from fake_xapi.guest.console_log import console_text
from fake_xapi.lifecycle.guests import booted_domain_type
from fake_xapi.state.ids import Id
from fake_xapi.state.row import Row
from fake_xapi.state.world import World

COLUMNS = 80
ROWS_AT_BOOT, ROWS = 25, 30
"""A screen begins as hardware makes it; a guest that has its drivers makes it larger."""
CURSOR = "_"
_READ_BACK = 8_192


@dataclass(frozen=True, slots=True)
class Screen:
    """Lines of text, each as wide as the screen; the first one is a title."""

    columns: int
    lines: tuple[str, ...]

    @property
    def rows(self) -> int:
        """How many lines it has."""
        return len(self.lines)


def screen_of(world: World, vm: Id) -> Screen:
    """The screen of a domain that is there."""
    row = world[vm]
    if row["is_control_domain"]:
        return _filled(ROWS_AT_BOOT, _host_title(world, row), list(_host_lines(world, row)))
    text = _written(console_text(world, vm)[-_READ_BACK:])
    return _filled(ROWS if row["guest_metrics"] else ROWS_AT_BOOT, _title(world, vm, row), [*text[:-1], text[-1] + CURSOR])


def _filled(rows: int, title: str, lines: list[str]) -> Screen:
    """The title, and as much of the end of the lines as there is room for."""
    wrapped = [line[place : place + COLUMNS] for line in lines for place in range(0, max(len(line), 1), COLUMNS)]
    shown = [title[:COLUMNS], *wrapped[-(rows - 1) :]]
    shown += [""] * (rows - len(shown))
    return Screen(COLUMNS, tuple(line.ljust(COLUMNS) for line in shown))


def _written(text: str) -> list[str]:
    """The lines that a text leaves on a screen; a backspace takes a character back."""
    lines = [""]
    for character in text:
        if character == "\n":
            lines.append("")
        elif character == "\b":
            lines[-1] = lines[-1][:-1]
        elif character >= " ":
            lines[-1] += character
    return lines


def _title(world: World, vm: Id, row: Row) -> str:
    kept = machine.machine(world, vm)
    stage = kept["stage"] if kept is not None and kept["stage"] else "up" if row["guest_metrics"] else "booting"
    return f" {row['name_label']} | {row['power_state']} | {booted_domain_type(world, row)} | domain {row['domid']} | {stage}"


def _host_title(world: World, row: Row) -> str:
    host = world[row["resident_on"]]
    return f" {host['software_version'].get('product_brand', 'XenServer')} {host['software_version'].get('product_version', '')}"


def _host_lines(world: World, row: Row) -> Iterator[str]:
    host = world[row["resident_on"]]
    guests = [vm for vm in host["resident_VMs"] if not world[vm]["is_control_domain"]]
    yield from ("", f"  Host name           {host['hostname']}", f"  Management address  {host['address']}")
    yield f"  Host UUID           {world.uuid(row['resident_on'])}"
    yield f"  Xen                 {host['software_version'].get('xen', '')}"
    yield f"  Processors          {host['cpu_info'].get('cpu_count', '')} x {host['cpu_info'].get('modelname', '')}"
    yield f"  Virtual machines    {len(guests)} running"
    yield f"  State               {'enabled' if host['enabled'] else 'in maintenance'}"
    yield from ("", f"{host['hostname']} login: {CURSOR}")
