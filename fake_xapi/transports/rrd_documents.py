"""RRDs as documents: one owner's complete database, or the updates of many, as XML and JSON. Generated piecewise, as both are long.

May not know who asks, nor how measurements are made.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from fake_xapi.datamodel.personality import Era
from fake_xapi.dom0.rrd import ARCHIVES, HEARTBEAT_S, KEPT, STEP_S, Archive, Recording, newest_first, oldest_first

_HEAD = '<?xml version="1.0"?>\n'
_VERSION = "0003"
_XFF = "0.5000"


def number(value: float) -> str:
    """A number as XAPI writes it, readable from C# and JavaScript too."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return f"{value:.4f}" if value else "0.0"


# ---- what is new -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Updates:
    """The updates since a time, of several owners, in one archive."""

    recordings: tuple[Recording, ...]
    cfs: tuple[str, ...]
    archive: Archive
    start_s: float
    now_s: float

    @property
    def legend(self) -> list[str]:
        """The names of the columns."""
        return [f"{cf}:{one.prefix}:{source.name}" for one in self.recordings for cf in self.cfs for source in one.sources]

    @property
    def times(self) -> list[int]:
        """The times of the rows, newest first."""
        return list(newest_first(self.archive, self.start_s, self.now_s))

    @property
    def first_s(self) -> int:
        """The time of the first requested row."""
        return self.archive.last_row(self.start_s) + self.archive.step_s

    def row(self, at_s: int) -> list[str]:
        """The values of one row."""
        return [number(value) for one in self.recordings for value in one.row(self.archive, at_s, self.cfs)]


def updates_xml(updates: Updates) -> Iterator[str]:
    """The updates in the format of rrdtool's xport."""
    times, legend, archive = updates.times, updates.legend, updates.archive
    entries = "".join(f"<entry>{escape(entry)}</entry>" for entry in legend)
    yield (
        f"{_HEAD}<xport><meta><start>{updates.first_s}</start><step>{archive.step_s}</step><end>{archive.last_row(updates.now_s)}</end>"
        f"<rows>{len(times)}</rows><columns>{len(legend)}</columns><legend>{entries}</legend></meta><data>"
    )
    for at_s in times:
        yield f"<row><t>{at_s}</t>{_cells(updates.row(at_s))}</row>"
    yield "</data></xport>"


def updates_json(updates: Updates, era: Era) -> Iterator[str]:
    """The same as JSON. Before 2013, names had no quotes and NaN was a bare word, which only lenient parsers accept."""
    quote = '"' if era == "modern" else ""

    def key(name: str) -> str:
        return f"{quote}{name}{quote}"

    times, legend, archive = updates.times, updates.legend, updates.archive
    fields = {"start": updates.first_s, "step": archive.step_s, "end": archive.last_row(updates.now_s), "rows": len(times)}
    told = "".join(f"{key(name)}:{value}," for name, value in {**fields, "columns": len(legend)}.items())
    yield f"{{{key('meta')}: {{{told}{key('legend')}:{json.dumps(legend)}}},{key('data')}:["
    for place, at_s in enumerate(times):
        values = ",".join(f"{quote}{value}{quote}" for value in updates.row(at_s))
        yield f"{',' if place else ''}{{{key('t')}:{at_s},{key('values')}:[{values}]}}"
    yield "]}"


def _cells(values: Sequence[str]) -> str:
    return "".join(f"<v>{value}</v>" for value in values)


# ---- one whole database ----------------------------------------------------------------------------------------------------------


def _archives(recording: Recording, now_s: float) -> Iterator[tuple[Archive, str, list[list[str]]] | None]:
    """The archives of a database, each for one consolidation with its rows, oldest first; yields None after each computed row."""
    for archive in ARCHIVES:
        cfs = KEPT if archive.steps > 1 else KEPT[:1]
        by_cf: dict[str, list[list[str]]] = {cf: [] for cf in cfs}
        for at_s in oldest_first(archive, now_s):
            for cf, row in zip(cfs, recording.rows(archive, at_s, cfs), strict=True):
                by_cf[cf].append([number(value) for value in row])
            yield None
        yield from ((archive, cf, rows) for cf, rows in by_cf.items())


def database_xml(recording: Recording, now_s: float) -> Iterator[str]:
    """A database in the format of rrdtool's dump."""
    yield f"{_HEAD}<rrd><version>{_VERSION}</version><step>{STEP_S}</step><lastupdate>{now_s:.0f}</lastupdate>"
    now = [number(value) for value in recording.at(now_s)]
    for source, value in zip(recording.sources, now, strict=True):
        yield (
            f"<ds><name>{escape(source.name)}</name><type>{source.change}</type><minimal_heartbeat>{number(HEARTBEAT_S)}</minimal_heartbeat>"
            f"<min>{number(source.least)}</min><max>{number(source.most)}</max><last_ds>{value}</last_ds><value>{value}</value>"
            "<unknown_sec>0</unknown_sec></ds>"
        )
    prepared = "".join(
        "<ds><primary_value>0.0</primary_value><secondary_value>0.0</secondary_value>"
        f"<value>{value}</value><unknown_datapoints>0</unknown_datapoints></ds>"
        for value in now
    )
    for found in _archives(recording, now_s):
        if found is None:
            yield ""
            continue
        archive, cf, rows = found
        yield f"<rra><cf>{cf}</cf><pdp_per_row>{archive.steps}</pdp_per_row><params><xff>{_XFF}</xff></params>"
        yield f"<cdp_prep>{prepared}</cdp_prep><database>"
        yield from (f"<row>{_cells(row)}</row>" for row in rows)
        yield "</database></rra>"
    yield "</rrd>"


def database_json(recording: Recording, now_s: float) -> Iterator[str]:
    """The same as JSON, with every number as a text."""
    now = [number(value) for value in recording.at(now_s)]
    sources = [
        {
            "name": source.name, "type": source.change, "minimal_heartbeat": number(HEARTBEAT_S), "min": number(source.least),
            "max": number(source.most), "last_ds": value, "value": value, "unknown_sec": "0.0",
        }
        for source, value in zip(recording.sources, now, strict=True)
    ]  # fmt: skip
    yield f'{{"version":"{_VERSION}","step":"{STEP_S}","lastupdate":"{number(now_s)}","ds":{json.dumps(sources)},"rra":['
    prepared = [{"primary_value": "0.0", "secondary_value": "0.0", "value": value, "unknown_datapoints": "0"} for value in now]
    comma = ""
    for found in _archives(recording, now_s):
        if found is None:
            yield ""
            continue
        archive, cf, rows = found
        head = {"cf": cf, "pdp_per_row": str(archive.steps), "params": {"xff": _XFF}, "cdp_prep": {"ds": prepared}}
        yield f'{comma}{json.dumps(head)[:-1]},"database":{json.dumps(rows)}}}'
        comma = ","
    yield "]}"
