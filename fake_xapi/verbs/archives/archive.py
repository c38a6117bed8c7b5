"""``ova.xml``, the metadata of exported VMs, as a value: the release that wrote it, and records whose refs stay within it.

May not know worlds: other modules decide what goes in and what becomes of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.personality import Personality
from fake_xapi.datamodel.wire import escape, xml_array, xml_struct, xml_value
from fake_xapi.datamodel.xml_values import MalformedXml, read_value

EXPORT_VERSION = 2
"""1 added a checksum after each chunk, 2 dropped the table of checksums at the end."""
MAPS_TO = "maps_to"
"""The key of other_config that names, for a migration, the object at the target that an exported one will become."""
_XAPI_OF_2012 = (1, 3)
_XAPI_BEFORE_ITS_OWN_NUMBERS = (1, 20)


@dataclass(frozen=True, slots=True)
class Version:
    """The software that wrote an archive."""

    hostname: str
    date: str
    product_version: str
    product_brand: str
    build_number: str
    xapi: tuple[int, int]
    export: int = EXPORT_VERSION


@dataclass(frozen=True, slots=True)
class Exported:
    """One record; ``id`` is the name by which others refer to it: ``Ref:3``."""

    cls: str
    id: str
    snapshot: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Archive:
    """A whole ``ova.xml``."""

    version: Version
    objects: tuple[Exported, ...]


def version_of(release: Personality, software: Mapping[str, str]) -> Version:
    """The software of a host, as it appears in the archives that it writes."""
    return Version(
        software.get("hostname", "localhost"),
        software.get("date", ""),
        software.get("product_version", release.release.version),
        software.get("product_brand", "XenServer"),
        software.get("build_number", ""),
        xapi_version(release),
    )


def xapi_version(release: Personality) -> tuple[int, int]:
    """The number by which archives are compared; since 2021 it is the number of XAPI's release."""
    if release.era != "modern":
        return _XAPI_OF_2012
    numbered = re.match(r"(\d\d)\.(\d+)\.", release.name)
    return (int(numbered[1]), int(numbered[2])) if numbered else _XAPI_BEFORE_ITS_OWN_NUMBERS


def written(archive: Archive) -> bytes:
    """The document."""
    version = archive.version
    fields = {
        "hostname": version.hostname,
        "date": version.date,
        "product_version": version.product_version,
        "product_brand": version.product_brand,
        "build_number": version.build_number,
        "xapi_major": version.xapi[0],
        "xapi_minor": version.xapi[1],
        "export_vsn": version.export,
    }
    objects = [{"class": made.cls, "id": made.id, "snapshot": made.snapshot} for made in archive.objects]
    return _xml({"version": fields, "objects": objects}).encode()


def _xml(value: object) -> str:
    """Like XML-RPC, except that the names of members are escaped: keys of maps may be anything."""
    if isinstance(value, Mapping):
        return xml_struct({escape(str(name)): _xml(member) for name, member in value.items()})
    if isinstance(value, list | tuple):
        return xml_array([_xml(member) for member in value])
    return xml_value(value)


def read(document: bytes) -> Archive:
    """The archive in a document; Failure IMPORT_ERROR for anything else."""
    try:
        content = read_value(document)
        return _archive(content)
    except MalformedXml as error:
        raise Failure("IMPORT_ERROR", str(error)) from error
    except (KeyError, TypeError, ValueError) as error:
        raise Failure("IMPORT_ERROR", f"ova.xml lacks what every archive has: {error!r}") from error


def _archive(content: Any) -> Archive:
    told = content["version"]
    version = Version(
        told["hostname"],
        told["date"],
        told["product_version"],
        told["product_brand"],
        told["build_number"],
        (int(told["xapi_major"]), int(told["xapi_minor"])),
        int(told.get("export_vsn", 0)),
    )
    return Archive(version, tuple(_exported(made) for made in content["objects"]))


def _exported(made: Any) -> Exported:
    if not isinstance(made["class"], str) or not isinstance(made["id"], str) or not isinstance(made["snapshot"], dict):
        raise TypeError("an object of an archive is a class, an id and a record")
    return Exported(made["class"], made["id"], made["snapshot"])


def assert_compatible(archive: Archive, release: Personality) -> None:
    """Raise IMPORT_INCOMPATIBLE_VERSION [] for an archive of a newer release."""
    if archive.version.xapi > xapi_version(release):
        raise Failure("IMPORT_INCOMPATIBLE_VERSION")
