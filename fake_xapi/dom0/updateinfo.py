"""What a repository of updates says: ``repomd.xml``, and the ``updateinfo.xml.gz`` that it names, as XenServer writes them.

May not know where a repository lies.
"""

from __future__ import annotations

import hashlib
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO

from fake_xapi.dom0.documents import MOST_BYTES, BadDocument, Element, read_document

REPOMD = "repodata/repomd.xml"
GUIDANCES: Mapping[str, str] = {
    "RebootHost": "reboot_host",
    "RebootHostOnLivePatchFailure": "reboot_host_on_livepatch_failure",
    "RebootHostOnKernelLivePatchFailure": "reboot_host_on_kernel_livepatch_failure",
    "RebootHostOnXenLivePatchFailure": "reboot_host_on_xen_livepatch_failure",
    "RestartToolstack": "restart_toolstack",
    "RestartDeviceModel": "restart_device_model",
    "RestartVM": "restart_vm",
    "EvacuateHost": "evacuate_host",
}
"""What updateinfo calls a guidance -> what the database calls it; a host is evacuated before, so that is noted nowhere."""
KINDS = ("mandatory", "recommended", "full", "livepatch")


class BadRepository(ValueError):
    """``code`` is the error by which XAPI says what is wrong."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Place:
    """Where a repository keeps its updateinfo, and the hash that it must have."""

    href: str
    hash: str


@dataclass(frozen=True, slots=True)
class Update:
    """One update of a repository: what clients are told, and what it asks for by kind of guidance."""

    id: str
    told: Mapping[str, str]
    guidance: Mapping[str, tuple[str, ...]]
    packages: tuple[str, ...]


def place_of(repomd: bytes) -> Place:
    """Where the updateinfo is; BadRepository INVALID_REPOMD_XML."""
    try:
        root = read_document(repomd)
    except BadDocument as error:
        raise BadRepository("INVALID_REPOMD_XML") from error
    entry = next((one for one in root.all("data") if one.attributes.get("type") == "updateinfo"), None)
    location, checksum = (entry and entry.first(name) for name in ("location", "checksum"))
    if root.name != "repomd" or location is None or checksum is None or not location.attributes.get("href"):
        raise BadRepository("INVALID_REPOMD_XML")
    return Place(location.attributes["href"], checksum.text.strip())


def unpacked(packed: bytes, place: Place) -> str:
    """The updateinfo itself; BadRepository UPDATEINFO_HASH_MISMATCH, INVALID_UPDATEINFO_XML."""
    if hashlib.sha256(packed).hexdigest() != place.hash:
        raise BadRepository("UPDATEINFO_HASH_MISMATCH")
    try:
        plain = _gunzipped(packed) if packed.startswith(b"\x1f\x8b") else packed
        text = plain.decode()
    except (zlib.error, UnicodeDecodeError) as error:
        raise BadRepository("INVALID_UPDATEINFO_XML") from error
    updates_of(text)
    return text


def _gunzipped(packed: bytes) -> bytes:
    """At most so much as a document may be long, and a byte more by which it is known to be too long."""
    return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(packed, MOST_BYTES + 1)


def updates_of(text: str) -> tuple[Update, ...]:
    """The updates of an updateinfo; BadRepository INVALID_UPDATEINFO_XML, also for one that names an update twice."""
    try:
        root = read_document(text.encode())
    except BadDocument as error:
        raise BadRepository("INVALID_UPDATEINFO_XML") from error
    updates = tuple(_update(element) for element in root.all("update"))
    ids = {update.id for update in updates}
    if root.name != "updates" or "" in ids or len(ids) < len(updates):
        raise BadRepository("INVALID_UPDATEINFO_XML")
    return updates


_TOLD = (("summary", "summary"), ("description", "description"), ("special_info", "special-info"), ("url", "URL"), ("title", "title"))


def _update(element: Element) -> Update:
    issued, guidance = element.first("issued"), element.first("guidance")
    told = {name: element.text_of(tag) for tag, name in _TOLD}
    told["type"] = element.attributes.get("type", "")
    told["issued"] = issued.attributes.get("date", "") if issued is not None else ""
    told["severity"] = element.text_of("severity", "None")
    return Update(
        element.text_of("id"),
        told,
        {kind: _guidances(guidance.first(kind) if guidance is not None else None) for kind in KINDS},
        tuple(_package(package) for package in _packages(element)),
    )


def _guidances(element: Element | None) -> tuple[str, ...]:
    named = [value.text.strip() for value in element.all("value")] if element is not None else []
    if any(name not in GUIDANCES for name in named):
        raise BadRepository("INVALID_UPDATEINFO_XML")
    return tuple(GUIDANCES[name] for name in named)


def _packages(update: Element) -> list[Element]:
    found = update.first("pkglist")
    collections = list(found.all("collection")) if found is not None else []
    return [package for collection in collections for package in collection.all("package")]


def _package(element: Element) -> str:
    name, version, release, arch = (element.attributes.get(part, "") for part in ("name", "version", "release", "arch"))
    return f"{name}-{version}-{release}.{arch}"


def from_bundle(content: bytes) -> tuple[str, str]:
    """The hash and the updateinfo of a repository in a tar file; BadRepository, or tarfile.TarError when it is no tar file."""
    with tarfile.open(fileobj=BytesIO(content), mode="r:") as bundle:
        place = place_of(_member(bundle, REPOMD, "INVALID_REPOMD_XML"))
        return place.hash, unpacked(_member(bundle, place.href, "INVALID_UPDATEINFO_XML"), place)


def _member(bundle: tarfile.TarFile, name: str, code: str) -> bytes:
    found = next((one for one in bundle if one.isreg() and one.name.removeprefix("./") == name and one.size <= MOST_BYTES), None)
    file = bundle.extractfile(found) if found is not None else None
    if file is None:
        raise BadRepository(code)
    return file.read()
