"""The measurements of VMs, hosts and SRs that calls can ask for: the same quantities that RRDs keep (``dom0.rrd_sources``)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fake_xapi.datamodel.failure import Failure
from fake_xapi.dom0 import rrd_notes
from fake_xapi.dom0.rrd_host_sources import host_sources, sr_sources
from fake_xapi.dom0.rrd_sources import Source, vm_sources
from fake_xapi.state.ids import Id, class_of
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call
from fake_xapi.verbs.dates import moment

_SOURCES = {"VM": vm_sources, "host": host_sources, "SR": sr_sources}


def sources_of(world: World, owner: Id) -> Iterable[Source]:
    """Everything that can be measured of a VM, host or SR."""
    return _SOURCES[class_of(owner)](world, owner)


def recorded(world: World, owner: Id) -> list[Source]:
    """The sources of a VM, host or SR that are recorded: the standard ones, except where somebody has switched one on or off."""
    switched = rrd_notes.switches(world, owner)
    return [source for source in sources_of(world, owner) if is_recorded(source, switched.get(source.name, ""))]


def is_recorded(source: Source, switched: str) -> bool:
    """Whether a source is recorded: as somebody has switched it, otherwise if it is standard."""
    return switched == "on" if switched else source.standard


def get_data_sources(call: Call, owner: Id) -> list[dict[str, Any]]:
    """Everything that can be measured, with its present values."""
    switched, now_s = rrd_notes.switches(call.world, owner), moment(call.now()).timestamp()
    return [
        {
            "name_label": source.name,
            "name_description": source.description,
            "enabled": is_recorded(source, switched.get(source.name, "")),
            "standard": source.standard,
            "units": source.units,
            "min": source.least,
            "max": source.most,
            "value": source.at(now_s),
        }
        for source in sources_of(call.world, owner)
    ]


def query_data_source(call: Call, owner: Id, data_source: str) -> float:
    """The latest value of a source; INTERNAL_ERROR for one that is not recorded."""
    for source in recorded(call.world, owner):
        if source.name == data_source:
            return source.at(moment(call.now()).timestamp())
    raise Failure("INTERNAL_ERROR", f'Failure("No such data source: {data_source}")')


def record_data_source(call: Call, owner: Id, data_source: str) -> None:
    """Start recording a source; INTERNAL_ERROR for one that cannot be measured."""
    if all(source.name != data_source for source in sources_of(call.world, owner)):
        raise Failure("INTERNAL_ERROR", f'Failure("No such data source: {data_source}")')
    with call.world.edit() as edit:
        rrd_notes.switch(edit, owner, data_source, "on")


def forget_data_source_archives(call: Call, owner: Id, data_source: str) -> None:
    """Stop recording a source and drop what was recorded. INVALID_VALUE ["data-source", name] for one that is not recorded."""
    if all(source.name != data_source for source in recorded(call.world, owner)):
        raise Failure("INVALID_VALUE", "data-source", data_source)
    with call.world.edit() as edit:
        rrd_notes.switch(edit, owner, data_source, "off")
