"""The operating systems of simulated guests, chosen by words in a VM's template or name, and the drivers that they bring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fake_xapi.datamodel.personality import Era
from fake_xapi.lifecycle.rules import AnyRow


@dataclass(frozen=True, slots=True)
class System:
    """What a guest's agent reports about its system, and the system's own behaviour."""

    name: str
    distro: str
    major: str
    minor: str
    uname: str
    behaviour: str = "linux"

    @property
    def keys(self) -> dict[str, str]:
        """The keys that its agent writes to xenstore."""
        return {
            "data/os_name": self.name,
            "data/os_uname": self.uname,
            "data/os_distro": self.distro,
            "data/os_majorver": self.major,
            "data/os_minorver": self.minor,
        }


_WINDOWS_NAME = "Microsoft Windows Server 2012|C:\\Windows|\\Device\\Harddisk0\\Partition2"
_BY_WORD: tuple[tuple[str, System], ...] = (
    ("windows", System(_WINDOWS_NAME, "windows", "6", "2", "", "windows")),
    ("ubuntu", System("Ubuntu 12.04 LTS", "ubuntu", "12", "04", "3.2.0-29-virtual")),
    ("centos", System("CentOS release 6.3 (Final)", "centos", "6", "3", "2.6.32-279.el6.x86_64")),
    ("red hat", System("Red Hat Enterprise Linux Server release 6.3 (Santiago)", "rhel", "6", "3", "2.6.32-279.el6.x86_64")),
    ("debian", System("Debian GNU/Linux 6.0.6", "debian", "6", "0", "2.6.32-5-xen-amd64")),
)
_OTHERWISE: Mapping[bool, System] = {
    True: System("Debian GNU/Linux 12 (bookworm)", "debian", "12", "0", "6.1.0-13-amd64"),
    False: _BY_WORD[-1][1],
}
DRIVERS: Mapping[Era, dict[str, str]] = {
    "boston": {"major": "6", "minor": "0", "micro": "0", "build": "50762"},
    "tampa": {"major": "6", "minor": "1", "micro": "0", "build": "59235"},
    "clearwater": {"major": "6", "minor": "2", "micro": "0", "build": "70446"},
    "modern": {"major": "7", "minor": "30", "micro": "0", "build": "3"},
}
"""The version of the PV drivers that guests of an era bring."""
OLD_DRIVERS: Mapping[str, str] = {"major": "5", "minor": "6", "micro": "0", "build": "31188"}
"""The version in a guest whose owner never updated them."""


def system_of(vm: AnyRow, era: Era) -> System:
    """The system of a VM, according to its template and name."""
    said = f"{vm['other_config'].get('base_template_name', '')} {vm['name_label']}".lower()
    return next((system for word, system in _BY_WORD if word in said), _OTHERWISE[era == "modern"])
