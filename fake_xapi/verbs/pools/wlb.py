"""Workload balancing: a separate server recommends where VMs should run. The simulator has none, and reports that as XAPI would."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fake_xapi.datamodel.digits import whole
from fake_xapi.datamodel.failure import Failure
from fake_xapi.lifecycle.editions import require
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.ids import NULL
from fake_xapi.verbs.call import Call, Verb


def initialize(call: Call, url: str, *_credentials: str) -> None:
    """Use a server at ``host:port``. LICENCE_RESTRICTION ["WLB"], WLB_URL_INVALID [url]; otherwise WLB_CONNECTION_REFUSED [], as there is
    none.
    """
    require(call.world, "WLB")
    host, _, port = url.rpartition(":")
    if not host or "/" in url or not 0 < (whole(port) or 0) < 65536:
        raise Failure("WLB_URL_INVALID", url)
    raise Failure("WLB_CONNECTION_REFUSED")


def deconfigure(call: Call) -> None:
    """Stop using a server, and drop its stored password. WLB_NOT_INITIALIZED [] when none is used."""
    _assert_initialized(call)
    with call.world.edit() as edit:
        password = edit[POOL]["wlb_password"]
        edit.set(POOL, wlb_url="", wlb_username="", wlb_password=NULL, wlb_enabled=False)
        if password and edit.get(password) is not None:
            edit.destroy(password)


def _assert_initialized(call: Call) -> None:
    require(call.world, "WLB")
    if not call.world[POOL]["wlb_url"]:
        raise Failure("WLB_NOT_INITIALIZED")


def ask_for_configuration(call: Call, *_config: Any) -> dict[str, str]:
    """Read or write the server's settings. LICENCE_RESTRICTION ["WLB"], WLB_NOT_INITIALIZED [], WLB_CONNECTION_REFUSED []."""
    _assert_initialized(call)
    raise Failure("WLB_CONNECTION_REFUSED")


def recommend(call: Call, *_subject: Any) -> dict[Any, list[str]]:
    """Ask the server where VMs should run. As above, and WLB_DISABLED [] when its recommendations are not wanted."""
    _assert_initialized(call)
    if not call.world[POOL]["wlb_enabled"]:
        raise Failure("WLB_DISABLED")
    raise Failure("WLB_CONNECTION_REFUSED")


VERBS: Mapping[str, Verb] = {
    "pool.initialize_wlb": initialize,
    "pool.deconfigure_wlb": deconfigure,
    "pool.send_wlb_configuration": ask_for_configuration,
    "pool.retrieve_wlb_configuration": ask_for_configuration,
    "pool.retrieve_wlb_recommendations": recommend,
    "host.retrieve_wlb_evacuate_recommendations": recommend,
    "VM.retrieve_wlb_recommendations": recommend,
}
