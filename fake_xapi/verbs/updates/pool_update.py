"""The verbs of pool_update: updates on ISO images, in the releases from Ely on."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.dom0.update_info import UpdateInfo
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import NULL, Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.disks.vdi import destroy as destroy_vdi
from fake_xapi.verbs.updates import update_files

_KEYS = "RPM-GPG-KEY-"
"""How the names of all keys that dom0 knows begin."""


async def introduce(call: Call, vdi: Id) -> Id:
    """Introduce the update on a VDI. INVALID_UPDATE [what is wrong], UPDATE_ALREADY_EXISTS [uuid] for one that is on another VDI."""
    await call.takes("pool_update.introduce")
    info = update_files.update_of(call, vdi)
    known = call.world.by_uuid("pool_update", info.uuid)
    if not known:
        return _create(call, info, vdi)
    if call.world[known]["vdi"] not in (NULL, vdi):
        raise Failure("UPDATE_ALREADY_EXISTS", info.uuid)
    with call.world.edit() as edit:
        edit.set(known, vdi=vdi)
    return known


def _create(call: Call, info: UpdateInfo, vdi: Id) -> Id:
    told = {
        "name_label": info.name_label,
        "name_description": info.name_description,
        "version": info.version,
        "after_apply_guidance": info.guidance,
    }
    with call.world.edit() as edit:
        update = edit.create(
            "pool_update", uuid=info.uuid, vdi=vdi, key=info.key, installation_size=info.installation_size,
            enforce_homogeneity=info.enforce_homogeneity, **told,
        )  # fmt: skip
        edit.create("pool_patch", uuid=_patch_uuid(info.uuid), size=info.installation_size, pool_update=update, **told)
    return update


def _patch_uuid(uuid: str) -> str:
    """The uuid of the patch that shadows an update: four of its bytes are zero."""
    return f"{uuid[:8]}-0000-0000-{uuid[19:]}"


def patch_of(world: World, update: Id) -> Id:
    """The patch that shadows an update."""
    return next((patch for patch, row in world.rows("pool_patch") if row["pool_update"] == update), NULL)


async def precheck(call: Call, update: Id, host: Id) -> str:
    """Check whether an update can be applied to a host: "ok". UPDATE_ALREADY_APPLIED [update], CANNOT_FIND_UPDATE [],
    UPDATE_PRECHECK_FAILED_*.
    """
    _assert_not_applied(call, update, host)
    info = _info(call, update)
    await call.takes("pool_update.precheck")
    _check(call, update, info, host)
    return "ok"


def _info(call: Call, update: Id) -> UpdateInfo:
    vdi = call.world[update]["vdi"]
    if not vdi or call.world.get(vdi) is None:
        raise Failure("CANNOT_FIND_UPDATE")
    return update_files.update_of(call, vdi)


def _check(call: Call, update: Id, info: UpdateInfo, host: Id) -> None:
    if info.key and not info.key.startswith(_KEYS):
        raise Failure("UPDATE_PRECHECK_FAILED_GPGKEY_NOT_IMPORTED", Handle(update))
    update_files.precheck(call, "UPDATE", update, info, host)


def _assert_not_applied(call: Call, update: Id, host: Id) -> None:
    if update in call.world[host]["updates"]:
        raise Failure("UPDATE_ALREADY_APPLIED", Handle(update))


async def apply(call: Call, update: Id, host: Id) -> None:
    """Apply an update to a host. The errors of ``precheck``, and UPDATE_APPLY_FAILED [output]."""
    await precheck(call, update, host)
    info = _info(call, update)
    await call.takes("pool_update.apply")
    _assert_not_applied(call, update, host)
    if info.demands.apply_fails:
        raise Failure("UPDATE_APPLY_FAILED", info.demands.apply_fails)
    with call.world.edit() as edit:
        _note_applied(call, edit, update, host)


def _note_applied(call: Call, edit: Edit, update: Id, host: Id) -> None:
    edit.set(host, updates=(*edit[host]["updates"], update))
    if "restartHost" in edit[update]["after_apply_guidance"]:
        edit.set(host, updates_requiring_reboot=(*edit[host]["updates_requiring_reboot"], update))
    patch = patch_of(call.world, update)
    if patch:
        edit.create("host_patch", host=host, pool_patch=patch, applied=True, timestamp_applied=call.now())
        edit.set(patch, pool_applied=len(edit[update]["hosts"]) == call.world.count("host"))


async def pool_apply(call: Call, update: Id) -> None:
    """Apply an update to every host. UPDATE_ALREADY_APPLIED_IN_POOL [update], UPDATE_POOL_APPLY_FAILED [hosts] where it failed."""
    missing = sorted(set(call.world.ids("host")) - set(call.world[update]["hosts"]))
    if not missing:
        raise Failure("UPDATE_ALREADY_APPLIED_IN_POOL", Handle(update))
    failed: list[Id] = []
    for host in missing:
        try:
            await apply(call, update, host)
        except Failure as failure:
            if failure.code == "TASK_CANCELLED":
                raise
            failed.append(host)
    if failed:
        raise Failure("UPDATE_POOL_APPLY_FAILED", *map(Handle, failed))


async def pool_clean(call: Call, update: Id) -> None:
    """Destroy the VDI of an update; its effects stay."""
    detach(call, update)
    vdi = call.world[update]["vdi"]
    if vdi:
        await destroy_vdi(call, vdi)
        with call.world.edit() as edit:
            edit.set(update, vdi=NULL)


def destroy(call: Call, update: Id) -> None:
    """Forget an update that is applied nowhere, along with its shadow patch; UPDATE_IS_APPLIED []."""
    if call.world[update]["hosts"]:
        raise Failure("UPDATE_IS_APPLIED")
    patch = patch_of(call.world, update)
    with call.world.edit() as edit:
        if patch:
            edit.destroy(patch)
        edit.destroy(update)


def attach(call: Call, update: Id, use_localhost_proxy: bool = False) -> str:  # the proxy is newer than Ely
    """Attach the VDI to the control domain; returns yum's configuration for the repository on it. CANNOT_FIND_UPDATE []."""
    row, domain = call.world[update], call.world[call.host]["control_domain"]
    if not row["vdi"]:
        raise Failure("CANNOT_FIND_UPDATE")
    if domain and not _attached(call.world, row["vdi"], domain):
        with call.world.edit() as edit:
            edit.create(
                "VBD", VM=domain, VDI=row["vdi"], userdevice="0", device="xvda", mode="RO", type="Disk", unpluggable=True,
                currently_attached=True,
            )  # fmt: skip
    address = "127.0.0.1:8000" if use_localhost_proxy else call.world[call.host]["address"]
    return _yum(row["name_label"], row["key"], f"http://{address}/update/{call.world.uuid(update)}/vdi")


def _attached(world: World, vdi: Id, domain: Id) -> list[Id]:
    return [vbd for vbd in world[vdi]["VBDs"] if world[vbd]["VM"] == domain]


def _yum(label: str, key: str, url: str) -> str:
    signed = int(bool(key))
    lines = ("[main]", "keepcache=0", "reposdir=/dev/null", f"gpgcheck={signed}", f"repo_gpgcheck={signed}", "installonlypkgs=", "")
    gpgkey = f"gpgkey=file:///etc/pki/rpm-gpg/{key}" if key else ""
    return "\n".join((*lines, f"[{label}]", f"name={label}", f"baseurl={url}", gpgkey))


def detach(call: Call, update: Id) -> None:
    """Detach the VDI from the control domain, if it is attached."""
    vdi, domain = call.world[update]["vdi"], call.world[call.host]["control_domain"]
    with call.world.edit() as edit:
        for vbd in _attached(call.world, vdi, domain) if vdi and domain else ():
            edit.destroy(vbd)


def resync_host(call: Call, host: Id) -> None:
    """Reread which updates a host has, which the database knows; patches left from older releases, without an update, are removed."""
    with call.world.edit() as edit:
        for patch, row in call.world.rows("pool_patch"):
            if not row["pool_update"]:
                edit.destroy(patch)


VERBS: Mapping[str, Verb] = {
    "pool_update.introduce": introduce,
    "pool_update.precheck": precheck,
    "pool_update.apply": apply,
    "pool_update.pool_apply": pool_apply,
    "pool_update.pool_clean": pool_clean,
    "pool_update.destroy": destroy,
    "pool_update.attach": attach,
    "pool_update.detach": detach,
    "pool_update.resync_host": resync_host,
}
