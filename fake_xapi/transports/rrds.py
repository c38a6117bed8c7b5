"""The handlers of metrics: ``GET /rrd_updates`` returns recent values, ``/vm_rrd``, ``/host_rrd`` and ``/sr_rrd`` a whole database.

May not know HTTP, nor how measurements are made.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urlencode

from fake_xapi.dom0.rrd import CONSOLIDATIONS, KEPT, Recording, archive_for
from fake_xapi.dom0.rrd_notes import Span, spans_of_vm
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.ids import NULL, Id
from fake_xapi.state.world import World
from fake_xapi.transports.admitted import Admitted, admitting
from fake_xapi.transports.rrd_documents import Updates, database_json, database_xml, updates_json, updates_xml
from fake_xapi.transports.transfers import BadRequest, Handlers, TransferAnswer
from fake_xapi.verbs.dates import moment
from fake_xapi.verbs.vms.data_sources import recorded

_JSON, _XML = ("Content-Type", "application/json"), ("Content-Type", "text/xml")


def of_vm(world: World, vm: Id) -> Recording:
    """The recording of a VM."""
    return Recording(f"vm:{world.uuid(vm)}", tuple(recorded(world, vm)), spans_of_vm(world, vm, world[vm]))


def of_host(world: World, host: Id) -> Recording:
    """The recording of a host, since it booted."""
    return Recording(f"host:{world.uuid(host)}", tuple(recorded(world, host)), _since_boot(world, host))


def of_sr(world: World, sr: Id, host: Id) -> Recording:
    """A host's recording of an SR."""
    return Recording(f"sr:{world.uuid(sr)}", tuple(recorded(world, sr)), _since_boot(world, host))


def _since_boot(world: World, host: Id) -> tuple[Span, ...]:
    booted: str = world[host]["other_config"].get("boot_time", "")
    return ((float(booted) if booted.rstrip(".").isdecimal() else 0.0, math.inf),)


# ---- what is new -----------------------------------------------------------------------------------------------------------------


async def _updates(admitted: Admitted) -> TransferAnswer:
    """The updates since ``start`` of the VMs on this host; with ``host=true`` also of the host, with ``sr_uuid`` of SRs."""
    xapi, parameters = admitted.xapi, admitted.parameters
    now_s = moment(xapi.now()).timestamp()
    start_s = _whole(parameters, "start")
    if start_s < 0:
        start_s += int(now_s)
    cf = parameters.get("cf", "").upper()
    cfs = (cf,) if cf in CONSOLIDATIONS else KEPT
    archive = archive_for(start_s, now_s, _whole(parameters, "interval", "0"), is_single=cfs == KEPT[:1] or len(cfs) > 1)
    updates = Updates(tuple(_wished(admitted)), cfs if archive.steps > 1 or len(cfs) == 1 else KEPT[:1], archive, start_s, now_s)
    if is_json(admitted):
        return await _document(updates_json(updates, xapi.personality.era), _JSON)
    return await _document(updates_xml(updates), _XML)


def _whole(parameters: Mapping[str, str], name: str, otherwise: str = "") -> int:
    text = parameters.get(name, otherwise)
    if not text.lstrip("-").isdecimal() or len(text) > 18:
        raise BadRequest(400, f"Bad or missing parameter {name}")
    return int(text)


def _wished(admitted: Admitted) -> Iterator[Recording]:
    """The requested recordings: of the VMs here or of one, of the host, and of SRs."""
    world, host, parameters = admitted.xapi.world, admitted.xapi.host, admitted.parameters
    vm_uuid = parameters.get("vm_uuid") or parameters.get("uuid") or "all"
    for vm in sorted(world[host]["resident_VMs"]):
        if vm_uuid in ("all", world.uuid(vm)):
            yield of_vm(world, vm)
    if parameters.get("host", "").lower() == "true":
        yield of_host(world, host)
    sr_uuid = parameters.get("sr_uuid", "none")
    for sr in _srs_here(world, host):
        if sr_uuid in ("all", world.uuid(sr)):
            yield of_sr(world, sr, host)


def _srs_here(world: World, host: Id) -> list[Id]:
    links = (world[pbd] for pbd in world[host]["PBDs"])
    return sorted({link["SR"] for link in links if link["currently_attached"]})


# ---- one whole database ----------------------------------------------------------------------------------------------------------


async def _vm(admitted: Admitted) -> TransferAnswer:
    """The recording of a VM: on its host or, when it is down, on the master, which keeps what hosts backed up."""
    world, vm = admitted.xapi.world, _named(admitted, "VM")
    place = world[vm]["resident_on"] or world[POOL]["master"] or admitted.xapi.host
    if place != admitted.xapi.host:
        return _elsewhere(admitted, place, "/vm_rrd")
    recording = of_vm(world, vm)
    if not recording.spans:
        raise BadRequest(404, "Nothing was ever measured of the VM")
    return await _database(admitted, recording)


async def _host(admitted: Admitted) -> TransferAnswer:
    return await _database(admitted, of_host(admitted.xapi.world, admitted.xapi.host))


async def _sr(admitted: Admitted) -> TransferAnswer:
    world, sr = admitted.xapi.world, _named(admitted, "SR")
    if sr not in _srs_here(world, admitted.xapi.host):
        raise BadRequest(404, "The SR is not connected to this host")
    return await _database(admitted, of_sr(world, sr, admitted.xapi.host))


def _named(admitted: Admitted, cls: str) -> Id:
    """The object named by ``uuid``; BadRequest 400 when none is named, 404 when there is none."""
    uuid = admitted.parameters.get("uuid", "")
    if not uuid:
        raise BadRequest(400, "Bad or missing parameter uuid")
    found = admitted.xapi.world.by_uuid(cls, uuid)
    if found == NULL:
        raise BadRequest(404, f"There is no {cls} {uuid}")
    return found


def _elsewhere(admitted: Admitted, host: Id, path: str) -> TransferAnswer:
    location = f"http://{admitted.xapi.authority(host)}{path}?{urlencode(dict(admitted.parameters))}"
    return TransferAnswer((("Location", location),), status=302)


async def _database(admitted: Admitted, recording: Recording) -> TransferAnswer:
    now_s = moment(admitted.xapi.now()).timestamp()
    make: Callable[[Recording, float], Iterator[str]] = database_json if is_json(admitted) else database_xml
    return await _document(make(recording, now_s), _JSON if is_json(admitted) else _XML)


# ---- both ------------------------------------------------------------------------------------------------------------------------


def is_json(admitted: Admitted) -> bool:
    """Whether the client wants JSON: it says so, or accepts nothing else."""
    return admitted.parameters.get("json", "").lower() == "true" or admitted.request.headers.get("accept", "") == "application/json"


async def _document(pieces: Iterator[str], content_type: tuple[str, str]) -> TransferAnswer:
    """A document, made while others get a turn after each row, since a row of a busy host takes some milliseconds."""
    made = []
    for piece in pieces:
        made.append(piece)
        await asyncio.sleep(0)
    body = "".join(made).encode()
    return TransferAnswer((content_type, ("Access-Control-Allow-Origin", "*")), len(body), iter((body,)))


HANDLERS: Handlers = {
    (b"GET", b"/rrd_updates"): admitting("rrd_updates", _updates),
    (b"GET", b"/vm_rrd"): admitting("vm_rrd", _vm),
    (b"GET", b"/vm_rrds"): admitting("get_vm_rrds", _vm),
    (b"GET", b"/host_rrd"): admitting("host_rrd", _host),
    (b"GET", b"/host_rrds"): admitting("get_host_rrds", _host),
    (b"GET", b"/sr_rrd"): admitting("sr_rrd", _sr),
}
