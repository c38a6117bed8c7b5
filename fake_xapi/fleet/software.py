"""What a release reports about itself: ``host.software_version`` and related fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fake_xapi.datamodel.personality import Personality


@dataclass(frozen=True, slots=True)
class Build:
    """The version numbers of one era's product; ``product`` is used where the datamodel knows no product version."""

    product: str
    platform_name: str
    platform: str
    xen: str
    linux: str
    build: str
    date: str


BUILDS: Mapping[str, Build] = {
    "boston": Build("6.0.0", "XCP", "1.1.0", "4.1.1", "2.6.32.12-0.7.1.xs6.0.0.529.170661xen", "50762p", "2011-09-20"),
    "tampa": Build("6.1.0", "XCP", "1.6.10", "4.1.3", "2.6.32.43-0.4.1.xs1.6.10.734.170748xen", "59235p", "2012-09-14"),
    "clearwater": Build("6.2.0", "XCP", "1.8.0", "4.1.5", "2.6.32.43-0.4.1.xs1.8.0.835.170778xen", "70446c", "2013-06-14"),
    "modern": Build("8.4.0", "XCP", "3.4.0", "4.17.5", "4.19.0+1", "cloud", "2026-01-14"),
}
"""By era. A release in between takes its product version from the datamodel."""


def software_version(release: Personality) -> dict[str, str]:
    """The map for a host of this release; ``hostname`` belongs to the host."""
    build = BUILDS[release.era]
    product = _three_numbers(release.release.version) or build.product
    major, minor = release.release.api
    version = {
        "product_version": product,
        "product_brand": "XenServer",
        "build_number": build.build,
        "hostname": "localhost",
        "date": build.date,
        "dbv": "2010.0521",
        "xapi": f"{major}.{minor}",
        "xen": build.xen,
        "linux": build.linux,
        "xencenter_min": f"{major}.{minor}",
        "xencenter_max": f"{major}.{minor}",
        "network_backend": "openvswitch",
    }
    later = {"platform_name": build.platform_name, "platform_version": build.platform, "product_version_text": product}
    newest = {"product_version_text_short": product, "xapi_build": release.name, "git_id": "0", "db_schema": "5.909"}
    return version | (later if release.era != "boston" else {}) | (newest if release.era == "modern" else {})


def _three_numbers(version: str) -> str:
    """``6.2`` as ``6.2.0``."""
    return ".".join([*version.split("."), "0", "0"][:3]) if version else ""
