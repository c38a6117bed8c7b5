"""Licences: the edition of a host, and its effects on ``license_params`` and the pool's restrictions."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime

from fake_xapi.datamodel.failure import Failure
from fake_xapi.dom0.documents import BadDocument, read_document
from fake_xapi.lifecycle.editions import Edition, cheapest, edition_named, pool_restrictions, restrictions
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.dates import date

FREE = "free"
NEVER_EXPIRES = "20301231T00:00:00Z"
_FROM_FILE = ("sku_type", "serialnumber", "sockets", "name", "company", "productcode")


def apply_edition(call: Call, host: Id, edition: str, force: bool = False) -> None:  # force is newer than tampa
    """Change a host's edition. INVALID_EDITION [edition], HA_IS_ENABLED [], LICENSE_CHECKOUT_ERROR [code, message]."""
    wanted = edition_named(call.world.personality.era, edition)
    pool = call.world.get(POOL)
    if pool is not None and pool["ha_enabled"] and call.world[host]["edition"] != edition:
        raise Failure("HA_IS_ENABLED")
    server = call.world[host]["license_server"]
    if edition != FREE and not (server.get("address") and server.get("port", "").isdecimal()):
        raise Failure("LICENSE_CHECKOUT_ERROR", "license_server", "The license server could not be contacted")
    with call.world.edit() as edit:
        _write(call, edit, host, wanted)


def _write(call: Call, edit: Edit, host: Id, edition: Edition) -> None:
    """Record a host's edition, and its consequences for the pool."""
    row = edit[host]
    told = {
        "sku_type": edition.name,
        "sku_marketing_name": edition.title,
        "version": row["software_version"].get("product_version", ""),
        "sockets": row["cpu_info"].get("socket_count", "1"),
        "expiry": NEVER_EXPIRES,
        **restrictions(edit.personality.era, edition),
    }
    edit.set(host, edition=edition.name, license_params={**row["license_params"], **told})
    edit.set(POOL, restrictions=pool_restrictions(edit[one] for one in call.world.ids("host")))


def apply_pool_edition(call: Call, pool: Id, edition: str) -> None:
    """Change the edition of every host, or of none when one of them cannot have it."""
    with call.world.edit():
        for host in sorted(call.world.ids("host")):
            apply_edition(call, host, edition)


def get_license_state(call: Call, pool: Id) -> dict[str, str]:
    """The edition of the pool, which is the cheapest among its hosts, and its expiry."""
    rows = [row for _, row in call.world.rows("host")]
    ends = sorted(row["license_params"].get("expiry", NEVER_EXPIRES) for row in rows)
    edition = cheapest(call.world.personality.era, [row["edition"] for row in rows])
    return {"edition": edition, "expiry": ends[0] if ends and ends[0] < NEVER_EXPIRES else "never"}


def add(call: Call, host: Id, contents: str) -> None:
    """Install a licence file: base64 of ``<xe_license sku_type expiry ...>``. LICENSE_PROCESSING_ERROR [] for anything else."""
    told = _read_licence(contents)
    try:
        edition = edition_named(call.world.personality.era, told["sku_type"])
    except Failure as unknown:
        raise Failure("LICENSE_PROCESSING_ERROR") from unknown
    if told["expiry"] <= call.now():
        raise Failure("LICENSE_EXPIRED")
    with call.world.edit() as edit:
        _write(call, edit, host, edition)
        edit.set(host, license_params={**edit[host]["license_params"], **told})


def _read_licence(contents: str) -> dict[str, str]:
    try:
        root = read_document(base64.b64decode(contents, validate=True))
        ends = datetime.fromtimestamp(float(root.attributes["expiry"]), UTC)
    except (BadDocument, binascii.Error, KeyError, ValueError, OverflowError, OSError) as error:
        raise Failure("LICENSE_PROCESSING_ERROR") from error
    if root.name != "xe_license" or "sku_type" not in root.attributes:
        raise Failure("LICENSE_PROCESSING_ERROR")
    return {key: root.attributes[key] for key in _FROM_FILE if key in root.attributes} | {"expiry": date(ends)}


def remove(call: Call, host: Id) -> None:
    """Remove the licence file: the host has the free edition again."""
    with call.world.edit() as edit:
        edit.set(host, license_params={})
        _write(call, edit, host, edition_named(edit.personality.era, FREE))


VERBS: Mapping[str, Verb] = {
    "host.apply_edition": apply_edition,
    "host.license_add": add,
    "host.license_apply": add,
    "host.license_remove": remove,
    "pool.apply_edition": apply_pool_edition,
    "pool.get_license_state": get_license_state,
}
