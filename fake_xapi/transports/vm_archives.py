"""The handlers of VMs as archives: ``/export`` and ``/import`` with their disks, ``/export_metadata`` and ``/import_metadata`` without.

May not know HTTP, nor what is in an archive.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from urllib.parse import urlencode

from fake_xapi.datamodel.failure import Failure
from fake_xapi.dom0 import tar, xva
from fake_xapi.dom0.compression import Packing
from fake_xapi.engine.call import Done, RunningCall
from fake_xapi.engine.dispatch import rendered
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.lifecycle.upgrade import is_upgrading
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.transports.admitted import Admitted, admitting
from fake_xapi.transports.streams import BodyLost
from fake_xapi.transports.transfers import BadRequest, Handlers, TransferAnswer
from fake_xapi.verbs.archives.archive import written
from fake_xapi.verbs.archives.archive_export import Scope, export
from fake_xapi.verbs.archives.archive_importing import Plan
from fake_xapi.verbs.archives.vm_export import export_vm
from fake_xapi.verbs.archives.vm_import import import_vms
from fake_xapi.verbs.vms import placement

_PACKINGS: Mapping[str, Packing] = {"true": "gzip", "gzip": "gzip", "zstd": "zstd"}
_VDI_PREFIX = "vdi:"
Body = Callable[[RunningCall], Awaitable[TransferAnswer]]


async def _as_call(admitted: Admitted, name: str, body: Body) -> TransferAnswer:
    """Run a handler as a call with a task; what it raises ends the task, what it answers is left to it."""
    call = admitted.xapi.begin_transfer(name, admitted.session, admitted.parameters.get("task_id", ""))
    try:
        return await body(call)
    except Failure as failure:
        call.end_now(rendered(call.world, failure))
        raise
    except BadRequest as bad:
        call.end_now(bad.failure)
        raise
    except BodyLost as lost:
        cut_off = Failure("IMPORT_ERROR_PREMATURE_EOF")
        call.end_now(cut_off)
        raise cut_off from lost
    except BaseException:
        call.end_now(Failure("INTERNAL_ERROR", "the client went away"))
        raise


def _headers(call: RunningCall) -> tuple[tuple[str, str], ...]:
    return (("task-id", call.world.ref(call.task)), ("Content-Type", "application/octet-stream"))


def _attachment(call: RunningCall) -> tuple[tuple[str, str], ...]:
    return (*_headers(call), ("Content-Disposition", 'attachment; filename="export.xva"'))


def _is_true(parameters: Mapping[str, str], name: str, *, otherwise: bool = False) -> bool:
    return parameters.get(name, str(otherwise)).lower() == "true"


# ---- out -------------------------------------------------------------------------------------------------------------------------


def _vm(world: World, parameters: Mapping[str, str]) -> Id:
    """The VM of ``ref`` or ``uuid``. Failures HANDLE_INVALID, UUID_INVALID."""
    if "ref" in parameters:
        vm = world.find_ref(parameters["ref"])
        row = world.get(vm) if vm else None
        if row is None or row.cls != "VM":
            raise Failure("HANDLE_INVALID", "VM", parameters["ref"])
        return vm
    if "uuid" not in parameters:
        raise BadRequest(400, "Name the VM with ref= or uuid=")
    found = world.by_uuid("VM", parameters["uuid"])
    if not found:
        raise Failure("UUID_INVALID", "VM", parameters["uuid"])
    return found


async def _export(admitted: Admitted) -> TransferAnswer:
    """A VM with its disks, packed if wished."""
    vm, parameters = _vm(admitted.xapi.world, admitted.parameters), admitted.parameters
    keeps_state = _is_true(parameters, "preserve_power_state")

    async def body(call: RunningCall) -> TransferAnswer:
        elsewhere = _host_with_storage(call, vm)
        if elsewhere:
            return _redirected(call, elsewhere, "/export", parameters)
        packing = _packing(call, parameters)
        return TransferAnswer(_attachment(call), None, _ending(call, await export_vm(call, vm, packing, preserves_power_state=keeps_state)))

    return await _as_call(admitted, "VM.export", body)


def _packing(call: RunningCall, parameters: Mapping[str, str]) -> Packing:
    """How the archive is packed; the releases of 2011 to 2013 know gzip alone, and by the name of true."""
    wish = parameters.get("use_compression", "")
    if call.world.personality.era != "modern":
        return "gzip" if wish == "true" else ""
    return _PACKINGS.get(wish, "")


def _ending(call: RunningCall, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces; with the last of them the task ends."""

    def followed() -> Iterator[bytes]:
        try:
            yield b""
            yield from pieces
        except Failure as failure:
            call.end_now(rendered(call.world, failure))
            raise
        except GeneratorExit:
            call.end_now(Failure("INTERNAL_ERROR", "the client went away"))
            raise
        call.end_now(Done(""))

    begun = followed()
    next(begun)
    return begun


def _host_with_storage(call: RunningCall, vm: Id) -> Id:
    """Another host, when the disks of the VM are connected there and not here; NULL when they are here, or nowhere."""
    world = call.world
    needed = list(placement.storage_of(world, world[vm]))

    def has_all(host: Id) -> bool:
        return all(placement.is_connected(world, sr, host) for sr in needed)

    return 0 if has_all(call.host) else next((host for host in sorted(world.ids("host")) if has_all(host)), 0)


def _redirected(call: RunningCall, host: Id, path: str, parameters: Mapping[str, str]) -> TransferAnswer:
    """To where the storage is; the task goes on there."""
    call.xapi.calls.pop(call.task, None)
    location = f"http://{call.world[host]['address']}{path}?{urlencode(parameters)}"
    return TransferAnswer((("Location", location),), status=302)


async def _export_metadata(admitted: Admitted) -> TransferAnswer:
    """The metadata of a VM with its snapshots, or of all VMs but the product's templates."""
    world, parameters = admitted.xapi.world, admitted.parameters
    exports_all = _is_true(parameters, "all")
    vms = _all_vms(world, with_control_domains=_is_true(parameters, "include_dom0", otherwise=True)) if exports_all else None
    chosen = vms if vms is not None else [_vm(world, parameters)]

    async def body(call: RunningCall) -> TransferAnswer:
        if not exports_all and world[chosen[0]]["is_a_snapshot"]:
            raise Failure("OPERATION_NOT_ALLOWED", "Exporting metadata of a snapshot is not allowed")
        async with call.operating(*((vm, "metadata_export") for vm in chosen)):
            await call.takes("VM.export_metadata")
            document = written(export(call, chosen, _scope(parameters)).archive)
        content = tar.file(xva.METADATA, document) + tar.END
        call.end_now(Done(""))
        return TransferAnswer(_attachment(call), len(content), iter((content,)))

    return await _as_call(admitted, "VM.export_metadata", body)


def _scope(parameters: Mapping[str, str]) -> Scope:
    return Scope(
        has_snapshots=_is_true(parameters, "export_snapshots", otherwise=True),
        preserves_power_state=True,
        has_vhd_parents=_is_true(parameters, "include_vhd_parents"),
        excluded=frozenset(parameters.get("excluded_device_types", "").lower().split(",")) - {""},
    )


def _all_vms(world: World, *, with_control_domains: bool) -> list[Id]:
    rows = ((vm, row) for vm, row in world.rows("VM") if row["other_config"].get("default_template") != "true")
    return sorted(vm for vm, row in rows if with_control_domains or not row["is_control_domain"])


# ---- in --------------------------------------------------------------------------------------------------------------------------


async def _import(admitted: Admitted) -> TransferAnswer:
    """Make the VMs of an archive, their disks in one SR."""
    parameters = admitted.parameters

    async def body(call: RunningCall) -> TransferAnswer:
        if is_upgrading(call.world):
            raise BadRequest(400, "Nothing is imported while the pool is upgraded", Failure("NOT_SUPPORTED_DURING_UPGRADE"))
        sr = _sr(call.world, parameters)
        if call.world[sr]["content_type"] == "iso":
            raise BadRequest(400, "VMs cannot live among ISOs", Failure("SR_OPERATION_NOT_SUPPORTED"))
        if admitted.request.length is None:
            refusal = Failure("IMPORT_ERROR_CANNOT_HANDLE_CHUNKED")
            raise BadRequest(403, "The import cannot handle bodies in chunks", refusal)
        if not any(call.world[pbd]["currently_attached"] for pbd in call.world[sr]["PBDs"]):
            raise Failure("SR_HAS_NO_PBDS", call.world.ref(sr))
        await call.takes("VM.import", bytes_moved=admitted.request.length, share=(0.0, 0.0))
        return await _imported(admitted, call, replace(_plan(call, parameters), sr=sr))

    return await _as_call(admitted, "VM.import", body)


def _plan(call: RunningCall, parameters: Mapping[str, str]) -> Plan:
    return Plan(
        restores=_is_true(parameters, "restore"),
        is_forced=_is_true(parameters, "force"),
        key=call.world.ref(call.task),
    )


def _sr(world: World, parameters: Mapping[str, str]) -> Id:
    """The SR that is named, or the pool's default. Failures HANDLE_INVALID, UUID_INVALID, DEFAULT_SR_NOT_FOUND [ref]."""
    if "sr_id" in parameters:
        found = world.find_ref(parameters["sr_id"])
        row = world.get(found) if found else None
        if row is None or row.cls != "SR":
            raise Failure("HANDLE_INVALID", "SR", parameters["sr_id"])
        return found
    if "sr_uuid" in parameters:
        found = world.by_uuid("SR", parameters["sr_uuid"])
        if not found:
            raise Failure("UUID_INVALID", "SR", parameters["sr_uuid"])
        return found
    default: Id = world[POOL]["default_SR"]
    if not default or world.get(default) is None:
        raise Failure("DEFAULT_SR_NOT_FOUND", world.ref(default))
    return default


async def _import_metadata(admitted: Admitted) -> TransferAnswer:
    """Make the VMs of an archive over disks that are here."""
    parameters = admitted.parameters

    async def body(call: RunningCall) -> TransferAnswer:
        plan = replace(
            _plan(call, parameters),
            is_dry_run=_is_true(parameters, "dry_run"),
            is_live=_is_true(parameters, "live"),
            checks_cpu=_is_true(parameters, "check_cpu"),
            host=call.world.find_ref(parameters.get("host", "")),
            vdis={name.removeprefix(_VDI_PREFIX): vdi for name, vdi in parameters.items() if name.startswith(_VDI_PREFIX)},
        )
        await call.takes("VM.import_metadata")
        return await _imported(admitted, call, plan)

    return await _as_call(admitted, "VM.metadata_import", body)


async def _imported(admitted: Admitted, call: RunningCall, plan: Plan) -> TransferAnswer:
    vms = await import_vms(call, admitted.request.pieces, plan)
    call.end_now(Done([call.world.ref(vm) for vm in vms]))
    return TransferAnswer(_headers(call))


HANDLERS: Handlers = {
    (b"GET", b"/export"): admitting("get_export", _export),
    (b"PUT", b"/import"): admitting("put_import", _import),
    (b"GET", b"/export_metadata"): admitting("get_export_metadata", _export_metadata),
    (b"PUT", b"/import_metadata"): admitting("put_import_metadata", _import_metadata),
}
