"""Which release a recorded server is: by the version of its API, by its product's version, and by the fields that its records have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.datamodel.model import Release
from fake_xapi.datamodel.personality import Personality, personality
from fake_xapi.engine.records import visible_fields
from fake_xapi.replay.inventory import Inventory


def recognised(found: Inventory) -> Personality:
    """The release that differs least from what was recorded; of several the one of the product's version, then the newest."""
    host = master(found)
    candidates = list(_with_api(host)) or [release for release in datamodel().releases if release.code]
    shown = {cls: {name for record in records.values() for name in record} for cls, records in found.classes.items() if records}
    version = str(_software(host).get("product_version", ""))
    build = str(_software(host).get("xapi_build", ""))

    def rank(release: Release) -> tuple[int, bool, bool, int]:
        return (-_differences(personality(release.code), shown), release.code == build, _is_version(release, version), release.index)

    return personality(max(candidates, key=rank).code)


def master(found: Inventory) -> Mapping[str, Any]:
    """The record of the pool's master, else of any host; nothing when there is no host."""
    hosts = found.of("host")
    pool: Mapping[str, Any] = next(iter(found.of("pool").values()), {})
    return hosts.get(str(pool.get("master")), next(iter(hosts.values()), {}))


def _software(host: Mapping[str, Any]) -> Mapping[str, Any]:
    said = host.get("software_version")
    return said if isinstance(said, dict) else {}


def _with_api(host: Mapping[str, Any]) -> Iterator[Release]:
    """The releases whose API has the version that a host says."""
    said = (str(host.get("API_version_major")), str(host.get("API_version_minor")))
    return (release for release in datamodel().releases if release.code and tuple(map(str, release.api)) == said)


def _is_version(release: Release, version: str) -> bool:
    return bool(release.version) and (version == release.version or version.startswith(f"{release.version}."))


def _differences(kind: Personality, shown: Mapping[str, set[str]]) -> int:
    """How many fields one has and the other has not, over the classes of which records were seen."""
    return sum(len(names ^ _fields(kind, cls)) for cls, names in shown.items())


def _fields(kind: Personality, cls: str) -> set[str]:
    return {field.name for field in visible_fields(kind, cls)} if cls in kind.classes else set()
