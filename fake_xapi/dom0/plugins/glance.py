"""The plugin ``glance``: images come from and go to an image service over HTTP, as a gzipped tar of a chain of VHDs."""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from fake_xapi.dom0.compression import PackingError, packed, unpacked
from fake_xapi.dom0.http_exchange import ExchangeError, Reply, exchange
from fake_xapi.dom0.plugins import vhd_files
from fake_xapi.dom0.plugins.place import Dom0, PluginError
from fake_xapi.dom0.tar import BLOCK, END, Member, TarError, header, read_header
from fake_xapi.dom0.vhd_write import Parent, VhdImage

Headers = Mapping[str, str]
_JSON_PATCH = "application/openstack-images-v2.1-json-patch"
_MOST_RECORD = 1 << 20
_PIECE = 1 << 20
_PERMANENT = frozenset({400, 401, 402, 403, 405, 406, 407, 409, 410, 411, 412, 413, 414, 415, 416, 417, 501})


async def download_vhd2(
    dom0: Dom0,
    image_id: str,
    sr_path: str,
    extra_headers: Headers,
    uuid_stack: list[str],
    endpoint: str = "",
    api_version: int = 2,
    **v1: Any,
) -> dict[str, dict[str, str]]:
    """Fetch an image and put its VHDs into an SR's folder. Returns ``{"root": {"uuid": ...}}`` of the leaf."""
    vhd_files.folder(dom0, sr_path)
    url = f"{_server(endpoint, v1)}/v{api_version}/images/{image_id}{'/file' if api_version == 2 else ''}"
    with tempfile.TemporaryDirectory(prefix="inova-image-") as staging:
        await _fetch(url, extra_headers, image_id, Path(staging))
        chain = await _decoded(dom0, Path(staging))
    return vhd_files.move_into(dom0, sr_path, chain, uuid_stack)


def _server(endpoint: str, v1: Mapping[str, Any]) -> str:
    """The service's URL, in either of the forms that callers give it."""
    if endpoint:
        return endpoint.rstrip("/")
    try:
        return f"http{'s' if v1.get('glance_use_ssl') else ''}://{v1['glance_host']}:{v1['glance_port']}"
    except KeyError as missing:
        raise PluginError(f"Argument {missing} is required.", "ArgumentError") from missing


async def _fetch(url: str, headers: Headers, image_id: str, staging: Path) -> None:
    try:
        async with exchange("GET", url, headers) as reply:
            _check(reply, image_id, url)
            await _untar(unpacked(reply.pieces()), staging)
    except ExchangeError as error:
        raise PluginError(str(error), "RetryableError") from error
    except (TarError, PackingError) as error:
        raise PluginError(f"Error while extracting the image {image_id}: {error}", "RetryableError") from error


def _check(reply: Reply, image_id: str, url: str) -> None:
    """Sort an answer into done, gone, final and worth another try."""
    if reply.status in (200, 201, 204):
        return
    if reply.status == 404:
        raise PluginError(f"Image {image_id} could not be found at {url}", "ImageNotFound")
    kind, word = ("PluginError", "Permanent") if reply.status in _PERMANENT else ("RetryableError", "Ephemeral")
    raise PluginError(f"Got {word} Error response [{reply.status}] for image [{image_id}] from glance [{url}]", kind)


async def _untar(pieces: AsyncIterator[bytes], staging: Path) -> None:
    """Write the files of an archive into a folder. TarError for an archive that is cut."""
    files = _Files(staging)
    async for piece in pieces:
        files.feed(piece)
    files.finish()


class _Files:
    """The plain files of an archive on their way to a folder; names are numbers and old words alone, so that no path leads out of it."""

    def __init__(self, staging: Path) -> None:
        self._staging = staging
        self._buffer = bytearray()
        self._left = 0
        self._padding = 0
        self._path = staging

    def feed(self, piece: bytes) -> None:
        """Take the next bytes."""
        self._buffer += piece
        while self._step():
            pass

    def _step(self) -> bool:
        """Write, skip or begin a file, as far as the bytes go. Returns whether there may be more to do."""
        if self._left:
            return self._write()
        if len(self._buffer) < self._padding + BLOCK:
            return False
        del self._buffer[: self._padding]
        self._begin(read_header(bytes(self._buffer[:BLOCK])))
        del self._buffer[:BLOCK]
        return True

    def _begin(self, member: Member | None) -> None:
        self._padding = member.padding if member is not None else 0
        if member is not None:
            self._left, self._path = member.size, self._staging / _safe_name(member.name)
            self._path.write_bytes(b"")

    def _write(self) -> bool:
        taken = bytes(self._buffer[: self._left])
        with self._path.open("ab") as file:
            file.write(taken)
        del self._buffer[: len(taken)]
        self._left -= len(taken)
        return bool(taken)

    def finish(self) -> None:
        """The archive ends here; TarError when it should not."""
        if self._left or any(self._buffer):
            raise TarError("the archive ends in the middle of a file")


def _safe_name(name: str) -> str:
    base = name.removeprefix("./")
    if not base.endswith(".vhd") or not base.removesuffix(".vhd").isalnum() or len(base) > 64:
        raise TarError(f"{name!r} has no place in an image of VHDs")
    return base


async def _decoded(dom0: Dom0, staging: Path) -> list[vhd_files.Vhd]:
    """The chain in a folder, read from its root: each VHD builds upon the one before it."""
    chain: list[vhd_files.Vhd] = []
    for path in _rootward(staging)[::-1]:
        with path.open("rb") as source:
            chain.append(await vhd_files.decode(dom0, f"/tmp/{staging.name}/{path.name}", source, chain[-1] if chain else None))  # noqa: S108
    return chain[::-1]


def _rootward(staging: Path) -> list[Path]:
    """The VHDs of a folder from the leaf to the root; the names of old images are replaced by numbers."""
    for old, new in vhd_files.OLD_NAMES.items():
        if (staging / old).exists():
            (staging / old).rename(staging / new)
    return [staging / name for name in vhd_files.in_order(path.name for path in staging.iterdir())]


# ---- upload ----------------------------------------------------------------------------------------------------------------------


async def upload_vhd2(  # noqa: PLR0917  # as its callers send them
    dom0: Dom0,
    vdi_uuids: Sequence[str],
    image_id: str,
    sr_path: str,
    extra_headers: Headers,
    properties: Mapping[str, Any],
    endpoint: str = "",
    api_version: int = 2,
    **v1: Any,
) -> None:
    """Send a chain of VHDs, the leaf first, as the data of an image that waits for it."""
    chain = vhd_files.chain_in(dom0, sr_path, vdi_uuids)
    url = f"{_server(endpoint, v1)}/v{api_version}/images/{image_id}"
    body = packed(_archive(dom0, chain, vdi_uuids), "gzip")
    try:
        if api_version == 1:
            await _put(url, {**extra_headers, **_v1_headers(properties)}, image_id, body)
            return
        await _describe(url, extra_headers, image_id, properties)
        await _put(f"{url}/file", extra_headers, image_id, body)
    except ExchangeError as error:
        raise PluginError(str(error), "RetryableError") from error


def _v1_headers(properties: Mapping[str, Any]) -> dict[str, str]:
    fixed = {"x-image-meta-status": "queued", "x-image-meta-disk-format": "vhd", "x-image-meta-container-format": "ovf"}
    return {**fixed, **{f"x-image-meta-property-{key.replace('_', '-')}": str(value) for key, value in properties.items()}}


async def _describe(url: str, headers: Headers, image_id: str, properties: Mapping[str, Any]) -> None:
    """Say what will come, and make sure that the image waits for it."""
    said = {"container_format": "ovf", "disk_format": "vhd", "visibility": "private", **properties}
    changes = [{"path": f"/{key}", "value": value, "op": "add"} for key, value in said.items()]
    async with exchange("PATCH", url, {**headers, "Content-Type": _JSON_PATCH}, json.dumps(changes).encode()) as reply:
        _check(reply, image_id, url)
    async with exchange("GET", url, headers) as reply:
        _check(reply, image_id, url)
        status = json.loads(await reply.content(_MOST_RECORD))["status"]
    if status not in ("active", "queued"):
        raise PluginError(f"Image '{image_id}' is not in the status queued but {status}")


async def _put(url: str, headers: Headers, image_id: str, body: Iterator[bytes]) -> None:
    async with exchange("PUT", url, {**headers, "Content-Type": "application/octet-stream"}, body) as reply:
        _check(reply, image_id, url)


def _archive(dom0: Dom0, chain: Sequence[vhd_files.Vhd], uuids: Sequence[str]) -> Iterator[bytes]:
    """``0.vhd`` is the leaf, and each of them holds what the next has not."""
    store = dom0.call.disks
    for place, vhd in enumerate(chain):
        parent = Parent(UUID(uuids[place + 1]), f"{uuids[place + 1]}.vhd") if place + 1 < len(chain) else None
        block = partial(store.block, vhd.disk)
        image = VhdImage(vhd.size, UUID(uuids[place]), vhd_files.own_blocks(chain, place), block, parent)
        yield header(f"{place}.vhd", len(image))
        yield from image.pieces()
        yield bytes(-len(image) % BLOCK)
    yield END
