"""The default templates: which guests a fresh host offers, and their initial sizes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from fake_xapi.datamodel.personality import Era

MIB = 1 << 20
GIB = 1 << 30
Kind = Literal["hvm", "pv"]


@dataclass(frozen=True, slots=True)
class Template:
    """One default template. ``install`` are the install-methods of PV guests; ``eras`` those in which the product includes it."""

    name: str
    kind: Kind
    memory_mib: int
    disk_gib: int
    vcpus: int = 1
    install: str = ""
    eras: frozenset[Era] = frozenset({"modern"})


_OLD: frozenset[Era] = frozenset({"boston", "tampa", "clearwater"})
_ALL: frozenset[Era] = _OLD | {"modern"}
_NET = "cdrom,nfs,http,ftp"

TEMPLATES: tuple[Template, ...] = (
    Template("Other install media", "hvm", 128, 0, eras=_ALL),
    Template("Debian Squeeze 6.0 (64-bit)", "pv", 128, 8, install="cdrom,http,ftp", eras=_OLD),
    Template("Debian Squeeze 6.0 (32-bit)", "pv", 128, 8, install="cdrom,http,ftp", eras=_OLD),
    Template("CentOS 5 (64-bit)", "pv", 512, 8, install=_NET, eras=_OLD),
    Template("CentOS 6 (64-bit)", "pv", 512, 8, install=_NET, eras=_OLD),
    Template("Red Hat Enterprise Linux 5 (64-bit)", "pv", 512, 8, install=_NET, eras=_OLD),
    Template("Red Hat Enterprise Linux 6 (64-bit)", "pv", 512, 8, install=_NET, eras=_OLD),
    Template("Oracle Enterprise Linux 6 (64-bit)", "pv", 512, 8, install=_NET, eras=_OLD),
    Template("SUSE Linux Enterprise Server 11 SP1 (64-bit)", "pv", 512, 8, install=_NET, eras=_OLD),
    Template("Ubuntu Lucid Lynx 10.04 (64-bit)", "pv", 256, 8, install="cdrom,http,ftp", eras=_OLD),
    Template("Ubuntu Precise Pangolin 12.04 (64-bit)", "pv", 256, 8, install="cdrom,http,ftp", eras=frozenset({"tampa", "clearwater"})),
    Template("Windows XP SP3 (32-bit)", "hvm", 256, 8, eras=_OLD),
    Template("Windows 7 (64-bit)", "hvm", 2048, 24, eras=_OLD),
    Template("Windows Server 2003 (64-bit)", "hvm", 256, 8, eras=_OLD),
    Template("Windows Server 2008 (64-bit)", "hvm", 512, 24, eras=_OLD),
    Template("Windows Server 2008 R2 (64-bit)", "hvm", 512, 24, eras=_OLD),
    Template("Debian Bullseye 11", "hvm", 1024, 10),
    Template("Debian Bookworm 12", "hvm", 1024, 10),
    Template("Ubuntu Focal Fossa 20.04", "hvm", 1024, 10),
    Template("Ubuntu Jammy Jellyfish 22.04", "hvm", 1024, 10),
    Template("Ubuntu Noble Numbat 24.04", "hvm", 1024, 10),
    Template("AlmaLinux 8", "hvm", 2048, 10),
    Template("AlmaLinux 9", "hvm", 2048, 10),
    Template("Rocky Linux 8", "hvm", 2048, 10),
    Template("Rocky Linux 9", "hvm", 2048, 10),
    Template("CentOS Stream 9", "hvm", 2048, 10),
    Template("Red Hat Enterprise Linux 8", "hvm", 2048, 10),
    Template("Red Hat Enterprise Linux 9", "hvm", 2048, 10),
    Template("Oracle Linux 8", "hvm", 2048, 10),
    Template("SUSE Linux Enterprise 15 (64-bit)", "hvm", 1024, 8),
    Template("Windows 10 (64-bit)", "hvm", 2048, 32, 2),
    Template("Windows 11", "hvm", 4096, 64, 2),
    Template("Windows Server 2016 (64-bit)", "hvm", 2048, 32, 2),
    Template("Windows Server 2019 (64-bit)", "hvm", 2048, 32, 2),
    Template("Windows Server 2022 (64-bit)", "hvm", 2048, 32, 2),
)

_PLATFORM = {"nx": "true", "acpi": "1", "apic": "true", "pae": "true", "viridian": "false"}
_WINDOWS = {"viridian": "true", "viridian_time_ref_count": "true", "viridian_reference_tsc": "true"}
_LARGEST: Mapping[str, tuple[int, int, int]] = {
    "modern": (1536, 64, 255),
    "clearwater": (128, 16, 16),
    "tampa": (128, 16, 16),
    "boston": (128, 16, 16),
}
"""By era: the most GiB of memory, VCPUs and disks that a guest may have."""


def templates(era: Era) -> Iterator[dict[str, Any]]:
    """The fields of each default template of an era."""
    return (_fields(template, era) for template in TEMPLATES if era in template.eras)


def _fields(template: Template, era: Era) -> dict[str, Any]:
    memory = template.memory_mib * MIB
    is_pv = template.kind == "pv"
    fields: dict[str, Any] = {
        "name_label": template.name,
        "name_description": "Template that allows VM installation from Xen-aware installers" if is_pv else "",
        "is_a_template": True,
        "is_default_template": True,
        "power_state": "Halted",
        "domid": -1,
        "user_version": 1,
        "memory_static_max": memory,
        "memory_dynamic_max": memory,
        "memory_dynamic_min": memory,
        "memory_static_min": memory // 2 if template.memory_mib > 256 else memory,
        "VCPUs_max": template.vcpus,
        "VCPUs_at_startup": template.vcpus,
        "actions_after_shutdown": "destroy",
        "actions_after_reboot": "restart",
        "actions_after_crash": "restart",
        "HVM_shadow_multiplier": 1.0,
        "platform": _PLATFORM | (_WINDOWS if template.name.startswith("Windows") else {}),
        "other_config": _other_config(template),
        "recommendations": _recommendations(era),
        "snapshot_info": {},
    }
    return fields | (_PV if is_pv else _HVM)


_PV: dict[str, Any] = {"PV_bootloader": "eliloader", "PV_args": "console=hvc0", "domain_type": "pv"}
_HVM: dict[str, Any] = {"HVM_boot_policy": "BIOS order", "HVM_boot_params": {"order": "cdn"}, "domain_type": "hvm"}


def _other_config(template: Template) -> dict[str, str]:
    config = {"default_template": "true", "mac_seed": mac_seed(template.name)}
    if template.disk_gib:
        config["disks"] = f'<provision><disk device="0" size="{template.disk_gib * GIB}" sr="" bootable="true" type="system"/></provision>'
    if template.install:
        config |= {"install-methods": template.install, "linux_template": "true"}
    return config


def mac_seed(name: str) -> str:
    """The seed for the MACs of a VM's NICs: a uuid derived from its name, the same in every pool."""
    return str(UUID(bytes=hashlib.md5(name.encode(), usedforsecurity=False).digest(), version=4))


def _recommendations(era: Era) -> str:
    gib, vcpus, disks = _LARGEST[era]
    return (
        f'<restrictions><restriction field="memory-static-max" max="{gib * GIB}"/><restriction field="vcpus-max" max="{vcpus}"/>'
        f'<restriction property="number-of-vbds" max="{disks}"/><restriction property="number-of-vifs" max="7"/></restrictions>'
    )
