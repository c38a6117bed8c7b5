"""The documents that say which versions there are. Anybody may read them."""

from __future__ import annotations

from typing import Any

from compute_core.api.call import Call, Reply
from compute_core.api.microversions import MAXIMUM, MINIMUM

_MEDIA_TYPE = {"base": "application/json", "type": "application/vnd.openstack.compute+json;version="}


def _version(call: Call, number: str, status: str, newest: str, oldest: str) -> dict[str, Any]:
    return {
        "id": f"v{number}",
        "status": status,
        "version": newest,
        "min_version": oldest,
        "updated": "2013-07-23T11:33:21Z",
        "links": [{"rel": "self", "href": f"{call.host_url}/v{number}/"}],
    }


def _legacy(call: Call) -> dict[str, Any]:
    return _version(call, "2.0", "SUPPORTED", "", "") | {"links": [{"rel": "self", "href": f"{call.host_url}/v2/"}]}


def _current(call: Call) -> dict[str, Any]:
    return _version(call, "2.1", "CURRENT", f"2.{MAXIMUM}", f"2.{MINIMUM}")


def _detailed(version: dict[str, Any]) -> dict[str, Any]:
    media = {**_MEDIA_TYPE, "type": _MEDIA_TYPE["type"] + version["id"].removeprefix("v")}
    return {"version": {**version, "media-types": [media]}}


async def index(call: Call) -> dict[str, Any]:
    """Every version."""
    return {"versions": [_legacy(call), _current(call)]}


async def show_legacy(call: Call) -> Reply:
    """Version 2.0: version 2.1 without microversions."""
    return Reply(_detailed(_legacy(call)))


async def show(call: Call) -> Reply:
    """Version 2.1 and its microversions."""
    return Reply(_detailed(_current(call)))
