"""What ``/rrd_updates`` of a host says: a flat table that hosts write themselves; no more of XML is read than its cells. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import unescape

Owner = tuple[str, str]
"""``("vm", UUID)``, ``("host", UUID)``."""
Values = Mapping[str, float]
Table = Mapping[Owner, Values]

_ENTRY = re.compile(r"<entry>([^<]*)</entry>")
_ROW = re.compile(r"<row>\s*<t>(\d+)</t>((?:\s*<v>[^<]*</v>)*)\s*</row>")
_VALUE = re.compile(r"<v>([^<]*)</v>")


def last(document: str) -> Table:
    """The newest row, by owner and by the host's own names of its data sources. What was not measured is left out."""
    return _told(document, lambda values: values[-1:])


def means(document: str) -> Table:
    """As ``last``, the means over all rows in which there is something."""
    return _told(document, lambda values: values)


def _told(document: str, chosen: Callable[[Sequence[str]], Sequence[str]]) -> Table:
    columns = [unescape(entry).split(":", 3) for entry in _ENTRY.findall(document)]
    rows = {int(row[1]): _VALUE.findall(row[2]) for row in _ROW.finditer(document)}
    found: dict[Owner, dict[str, float]] = {}
    for parts, cells in zip(columns, zip(*(rows[at] for at in sorted(rows)), strict=False), strict=False):
        numbers = list(_numbers(chosen(cells)))
        if len(parts) == 4 and numbers:
            found.setdefault((parts[1], parts[2]), {})[parts[3]] = sum(numbers) / len(numbers)
    return found


def _numbers(cells: Sequence[str]) -> Iterator[float]:
    for text in cells:
        try:
            value = float(text)
        except ValueError:
            continue
        if abs(value) < float("inf"):
            yield value
