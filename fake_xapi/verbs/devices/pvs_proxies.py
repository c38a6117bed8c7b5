"""Proxies of VMs' interfaces: one runs while its interface is attached, a copy of the interface gets one too, and both go together."""

from __future__ import annotations

from fake_xapi.lifecycle.editions import is_restricted
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id


def _proxies_of(edit: Edit, vif: Id) -> list[Id]:
    return [proxy for proxy in edit.ids("PVS_proxy") if edit[proxy]["VIF"] == vif]


def follow(edit: Edit, vif: Id, *, is_attached: bool) -> None:
    """Start or stop the proxy of an interface that is attached or detached. Without the licence for it none starts, and nobody minds."""
    for proxy in _proxies_of(edit, vif):
        runs = is_attached and not is_restricted(edit, "PVS_proxy")
        edit.set(proxy, currently_attached=runs, status="initialised" if runs else "stopped")


def copy(edit: Edit, vif: Id, made: Id) -> None:
    """Give an interface that was copied a proxy like that of the original, stopped."""
    for proxy in _proxies_of(edit, vif):
        edit.create("PVS_proxy", site=edit[proxy]["site"], VIF=made, currently_attached=False, status="stopped")


def forget(edit: Edit, vif: Id) -> None:
    """Remove the proxy of an interface that goes."""
    for proxy in _proxies_of(edit, vif):
        edit.destroy(proxy)
