"""What ``/rrd_updates`` of a host says: a flat table that hosts write themselves; no more of XML is read than its cells. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
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
    columns = [unescape(entry).split(":", 3) for entry in _ENTRY.findall(document)]
    rows = {int(row[1]): row[2] for row in _ROW.finditer(document)}
    found: dict[Owner, dict[str, float]] = {}
    for parts, text in zip(columns, _VALUE.findall(rows[max(rows)]) if rows else (), strict=False):
        value = _number(text)
        if len(parts) == 4 and value is not None:
            found.setdefault((parts[1], parts[2]), {})[parts[3]] = value
    return found


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None
