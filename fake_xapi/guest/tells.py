"""What guests report to their host through xenstore: sets of keys, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fake_xapi.guest import addresses
from fake_xapi.guest.systems import DRIVERS, OLD_DRIVERS, system_of
from fake_xapi.guest.wishes import wishes_of
from fake_xapi.lifecycle.rules import AnyRow
from fake_xapi.state.world import World

Keys = Callable[[World, AnyRow], dict[str, str]]

_FEATURES: Mapping[str, str] = {
    "control/feature-shutdown": "1",
    "control/feature-reboot": "1",
    "control/feature-poweroff": "1",
    "control/feature-suspend": "1",
    "control/feature-vcpu-hotplug": "1",
    "control/platform-feature-multiprocessor-suspend": "1",
    "control/platform-feature-xs_reset_watches": "1",
}
_WINDOWS_FEATURES: Mapping[str, str] = {
    "control/feature-ts2": "1",
    "data/ts": "0",
    "control/feature-xs-batcmd": "1",
    "control/feature-static-ip-setting": "1",
}
_VERSION: Mapping[str, str] = {
    "major": "attr/PVAddons/MajorVersion",
    "minor": "attr/PVAddons/MinorVersion",
    "micro": "attr/PVAddons/MicroVersion",
    "build": "attr/PVAddons/BuildVersion",
}
_HOTPLUG: Mapping[str, str] = {"feature/hotplug/vbd": "1", "feature/hotplug/vif": "1"}


def _drivers(world: World, row: AnyRow) -> dict[str, str]:
    """The system, the drivers' version, and the features that they announce."""
    era = world.personality.era
    wishes, system = wishes_of(row["other_config"]), system_of(row, era)
    if wishes.drivers == "none":
        return {}
    version = OLD_DRIVERS if wishes.drivers == "old" else DRIVERS[era]
    reason = {"data/cant_suspend_reason": wishes.suspend.reason} if wishes.suspend.how == "refuse" else {}
    windows = _WINDOWS_FEATURES if system.behaviour == "windows" else {}
    return {**system.keys, **{_VERSION[key]: value for key, value in version.items()}, **_FEATURES, **windows, **_HOTPLUG, **reason}


def _agent(world: World, row: AnyRow) -> dict[str, str]:
    """The addresses, and the key that says that everything is written."""
    if wishes_of(row["other_config"]).drivers == "none":
        return {}
    return {**address_keys(world, row), "data/updated": "1"}


def address_keys(world: World, row: AnyRow) -> dict[str, str]:
    """The addresses of a VM's interfaces, as its agent writes them."""
    return {f"attr/vif/{key}": address for key, address in addresses.networks(world, row).items() if not key.endswith("/ip")}


TELLS: Mapping[str, Keys] = {"drivers": _drivers, "agent": _agent}
"""Name -> keys, relative to the domain's part of xenstore."""
