"""The handlers of what updates are made of: the files of an update's image, of the repository in use, and what a host could get."""

from __future__ import annotations

import hashlib
import zlib
from urllib.parse import unquote
from xml.sax.saxutils import quoteattr

import orjson

from fake_xapi.datamodel.failure import Failure
from fake_xapi.dom0.iso9660 import read_file
from fake_xapi.dom0.updateinfo import REPOMD
from fake_xapi.transports.admitted import Admitted, admitting
from fake_xapi.transports.transfers import BadRequest, Handlers, TransferAnswer
from fake_xapi.verbs.hosts import dom0_files
from fake_xapi.verbs.updates import repositories
from fake_xapi.verbs.updates.host_updates import missing_updates

MOST_FILE_BYTES = 64 << 20
ENABLED = "/repository/enabled"
_UPDATEINFO = "repodata/updateinfo.xml.gz"


def _answer(admitted: Admitted, content: bytes, kind: str = "application/octet-stream") -> TransferAnswer:
    admitted.task.result("")
    return TransferAnswer((("Content-Type", kind),), len(content), iter((content,)))


async def _update_file(admitted: Admitted) -> TransferAnswer:
    """``/update/<uuid>/<path>``: a file of an update's image. BadRequest 404 for what is not there."""
    _, _, uuid, *path = unquote(admitted.request.path).split("/")
    xapi = admitted.xapi
    update = xapi.world.by_uuid("pool_update", uuid) if "pool_update" in xapi.personality.classes else 0
    vdi = xapi.world[update]["vdi"] if update else 0
    if not vdi or vdi not in xapi.disks:
        raise BadRequest(404, f"There is no update {uuid}")
    size = xapi.disks[vdi].size

    def read(offset: int, length: int) -> bytes:
        if offset + length > size:
            raise ValueError("beyond the image's end")
        return xapi.disks.read(vdi, offset, length)

    content = read_file(read, "/".join(path), MOST_FILE_BYTES)
    if content is None:
        raise BadRequest(404, f"There is no file {'/'.join(path)} in the update")
    return _answer(admitted, content)


# ---- the repository in use -------------------------------------------------------------------------------------------------------


def _repository(admitted: Admitted) -> int:
    """The repository in use that was synchronised. Failure NO_REPOSITORY_ENABLED, MULTIPLE_UPDATE_REPOSITORIES_ENABLED."""
    if "Repository" not in admitted.xapi.personality.classes:
        raise BadRequest(404, "This release knows no repositories")
    return repositories.enabled_update_repository(admitted.xapi.world)


async def _repository_file(admitted: Admitted) -> TransferAnswer:
    """``/repository/enabled/<path>``: the index of the repository in use and its updateinfo; packages are kept nowhere."""
    path = unquote(admitted.request.path)
    if path != ENABLED and not path.startswith(f"{ENABLED}/"):
        raise BadRequest(403, "The repository is for the host's own package manager")
    world = admitted.xapi.world
    text = dom0_files.read(world, repositories.content_path(world, _repository(admitted)))
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    packed = packer.compress((text or "").encode()) + packer.flush()
    files = {REPOMD: _index(packed), _UPDATEINFO: packed} if text is not None else {}
    content = files.get(path.removeprefix(ENABLED).lstrip("/"))
    if content is None:
        raise BadRequest(404, "There is no such file in the repository")
    return _answer(admitted, content)


def _index(packed: bytes) -> bytes:
    checksum, place = hashlib.sha256(packed).hexdigest(), quoteattr(_UPDATEINFO)
    data = f'<data type="updateinfo"><checksum type="sha256">{checksum}</checksum><location href={place}/></data>'
    return f'<?xml version="1.0" encoding="UTF-8"?><repomd xmlns="http://linux.duke.edu/metadata/repo">{data}</repomd>'.encode()


async def _host_updates(admitted: Admitted) -> TransferAnswer:
    """What this host could get from the last synchronisation, as JSON; with ``installed=true`` nothing, as nothing is installed of it."""
    xapi, repository = admitted.xapi, _repository(admitted)
    if not xapi.world[repository]["hash"]:
        raise Failure("GET_HOST_UPDATES_FAILED", xapi.world.ref(xapi.host))
    missing = missing_updates(xapi.world, repository, xapi.host)
    packages = sorted({package for update in missing for package in update.packages})
    told = {"updates": packages, "accumulative_updates": packages, "update_ids": [update.id for update in missing]}
    return _answer(admitted, orjson.dumps(told), "application/json")


HANDLERS: Handlers = {
    (b"GET", b"/update/"): admitting("get_pool_update_download", _update_file),
    (b"GET", b"/repository/"): admitting("get_enabled_repository", _repository_file),
    (b"GET", b"/repository"): admitting("get_repository", _repository_file),
    (b"GET", ENABLED.encode()): admitting("get_enabled_repository", _repository_file),
    (b"GET", b"/host_updates"): admitting("get_host_updates", _host_updates),
}
