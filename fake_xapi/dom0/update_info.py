r"""What a patch or an update says of itself.

A patch of the releases up to Dundee holds ``<info uuid name-label name-description version after-apply-guidance/>``: XenServer runs the
patch to be told it, the simulator looks for it among the patch's bytes. An update of later releases is an ISO image with an
``update.xml``: ``<update uuid name-label version key installation-size after-apply-guidance enforce-homogeneity>`` with a
``<name-description>`` inside; the simulator takes the bare document as well.

What XenServer finds out by running scripts of the patch or update stands, for the simulator, in the same element:

    <prerequisite uuid=".."/>     must have been applied before        <conflict uuid=".."/>   must not have been
    <required-version>^6\.1       a pattern for product_version         <required-build>        the same for build_number
    <required-space>1048576       bytes that dom0 must have free        <no-running-vms/>       no guest may run on the host
    <no-tools-iso/>               no guest may have the tools' ISO in   <check-fails>text       prechecks fail, and say so
    <apply-fails>text             applying fails, and says so           <output>text            what applying prints
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import re2

from fake_xapi.datamodel.digits import whole
from fake_xapi.dom0.documents import BadDocument, Element, read_document
from fake_xapi.dom0.iso9660 import Read, is_image, read_file

GUIDANCES = ("restartHVM", "restartPV", "restartHost", "restartXAPI")
MOST_DOCUMENT_BYTES = 1 << 20
NO_IMAGE = "Please upload a valid package."
_QUIET = re2.Options()
_QUIET.log_errors = False
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class BadInfo(ValueError):
    """What is no patch or update; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Demands:
    """What a host must be like, and what happens on it."""

    prerequisites: tuple[str, ...]
    conflicts: tuple[str, ...]
    version: str
    build: str
    space_bytes: int
    no_running_vms: bool
    no_tools_iso: bool
    check_fails: str
    apply_fails: str
    output: str


@dataclass(frozen=True, slots=True)
class UpdateInfo:
    """A patch or update, and what it demands."""

    uuid: str
    name_label: str
    name_description: str
    version: str
    key: str
    installation_size: int
    guidance: tuple[str, ...]
    enforce_homogeneity: bool
    demands: Demands


def patch_info(content: bytes) -> UpdateInfo:
    """What a patch says of itself; BadInfo."""
    root = _document(_embedded(content[:MOST_DOCUMENT_BYTES]))
    return _info(root, _attribute(root, "name-description"), " ", is_strict=True)


def _embedded(content: bytes) -> bytes:
    """The first <info> among the bytes of a script."""
    start = content.find(b"<info ")
    opened = content.find(b">", start)
    closed = opened if content[opened - 1 : opened] == b"/" else content.find(b"</info>", opened) + len("</info>") - 1
    if start < 0 or not start < opened <= closed:
        raise BadInfo("no <info> found in the patch")
    return content[start : closed + 1]


def update_info(image: Read, size: int) -> UpdateInfo:
    """What the image of an update says of itself; BadInfo."""
    head = image(0, min(size, 5)) if size else b""
    content = _bare(image, size) if head in (b"<?xml", b"<upda") else read_file(image, "update.xml", MOST_DOCUMENT_BYTES)
    if content is None and not is_image(image):
        raise BadInfo(NO_IMAGE)
    if content is None:
        raise BadInfo("missing update document (update.xml) in the package.")
    root = _document(content)
    if root.name != "update":
        raise BadInfo("missing <update> in update.xml")
    for name in ("uuid", "name-label", "version"):
        _attribute(root, name)
    if root.first("name-description") is None:
        raise BadInfo("missing <name-description> in update.xml")
    return _info(root, root.text_of("name-description"), ",", is_strict=False)


def _bare(image: Read, size: int) -> bytes:
    return image(0, min(size, MOST_DOCUMENT_BYTES)).rstrip(b"\0")


def _document(content: bytes) -> Element:
    try:
        return read_document(content)
    except BadDocument as error:
        raise BadInfo(f"its document cannot be read: {error}") from error


def _attribute(root: Element, name: str) -> str:
    if name not in root.attributes:
        raise BadInfo(f"missing <{name}> in {'update.xml' if root.name == 'update' else 'the info of the patch'}")
    return root.attributes[name]


def _info(root: Element, description: str, separator: str, *, is_strict: bool) -> UpdateInfo:
    attributes = root.attributes
    uuid = _attribute(root, "uuid").lower()
    if not _UUID.fullmatch(uuid):
        raise BadInfo(f"{uuid!r} is no uuid")
    return UpdateInfo(
        uuid,
        _attribute(root, "name-label"),
        description,
        _attribute(root, "version"),
        attributes.get("key", "").rpartition("/")[2],
        _number(attributes.get("installation-size", "0")),
        _guidance(
            _attribute(root, "after-apply-guidance") if is_strict else attributes.get("after-apply-guidance", ""),
            separator,
            is_strict=is_strict,
        ),
        attributes.get("enforce-homogeneity", "").lower() in ("true", "1"),
        _demands(root),
    )


def _guidance(text: str, separator: str, *, is_strict: bool) -> tuple[str, ...]:
    named = tuple(word for word in text.split(separator) if word)
    unknown = [word for word in named if word not in GUIDANCES]
    if unknown and is_strict:
        raise BadInfo(f"{unknown[0]!r} is no guidance")
    return () if unknown else named


def _number(text: str) -> int:
    return whole(text.strip()) or 0


def _demands(root: Element) -> Demands:
    return Demands(
        tuple(element.attributes.get("uuid", "") for element in root.all("prerequisite")),
        tuple(element.attributes.get("uuid", "") for element in root.all("conflict")),
        root.text_of("required-version"),
        root.text_of("required-build"),
        _number(root.text_of("required-space", "0")),
        root.first("no-running-vms") is not None,
        root.first("no-tools-iso") is not None,
        root.text_of("check-fails"),
        root.text_of("apply-fails"),
        root.text_of("output"),
    )


Kind = Literal["PATCH", "UPDATE"]
FREE_BYTES = 2 << 30
"""What the root file system of a fresh dom0 has left."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a host is like when it is checked."""

    software_version: Mapping[str, str]
    applied: frozenset[str]
    is_vm_running: bool
    is_tools_iso_mounted: bool


def objection(kind: Kind, demands: Demands, found: Found) -> tuple[str, tuple[str, ...]] | None:
    """The reason why a host cannot have it: what stands after ``PRECHECK_FAILED_`` and its parameters; None when it can."""
    version, build = found.software_version.get("product_version", ""), found.software_version.get("build_number", "")
    missing = [uuid for uuid in demands.prerequisites if uuid not in found.applied]
    conflicting = [uuid for uuid in demands.conflicts if uuid in found.applied]
    reasons: tuple[tuple[bool, str, tuple[str, ...]], ...] = (
        (bool(demands.check_fails), "UNKNOWN_ERROR", (demands.check_fails,)),
        (not _matches(demands.version, version), "WRONG_SERVER_VERSION", (version, demands.version)),
        (not _matches(demands.build, build), "WRONG_SERVER_BUILD", (build, demands.build)),
        (bool(missing), "PREREQUISITE_MISSING", (";".join(missing),)),
        (bool(conflicting), "CONFLICT_PRESENT", (";".join(conflicting),)),
        (demands.space_bytes > FREE_BYTES, "OUT_OF_SPACE", (str(FREE_BYTES), str(demands.space_bytes))),
        (demands.no_tools_iso and found.is_tools_iso_mounted, "ISO_MOUNTED", ()),
        (demands.no_running_vms and found.is_vm_running, "VM_RUNNING", ()),
    )
    known = (reason for reason in reasons if (kind, reason[1]) not in _UNKNOWN)
    return next(((code, params) for holds, code, params in known if holds), None)


_UNKNOWN = frozenset({("PATCH", "CONFLICT_PRESENT"), ("UPDATE", "WRONG_SERVER_BUILD"), ("UPDATE", "ISO_MOUNTED"), ("UPDATE", "VM_RUNNING")})
"""Reasons that there are no errors for."""


def _matches(pattern: str, text: str) -> bool:
    """Whether a version fits; a pattern that is none fits only itself."""
    try:
        return not pattern or re2.compile(pattern, _QUIET).search(text) is not None
    except re2.error:
        return pattern == text
