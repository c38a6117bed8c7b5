"""The handlers of a host's internal services: a list of them, the reports of workload balancing, and what is declined, with reasons.

Declined is whatever speaks protocols of daemons that a simulated host does not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from fake_xapi.datamodel.failure import Failure
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.transports.admitted import Admitted, admitting
from fake_xapi.transports.transfers import BadRequest, Handler, Handlers, TransferAnswer, TransferRequest

DECLINED: Mapping[tuple[bytes, bytes], tuple[str, str]] = {
    (b"POST", b"/services"): ("post_services", "Only hosts speak to each other's services, and simulated ones have no need to"),
    (b"PUT", b"/services"): ("put_services", "Only hosts speak to each other's services, and simulated ones have no need to"),
    (b"POST", b"/services/"): ("post_services", "No daemon of that name listens on this host"),
    (b"PUT", b"/services/"): ("put_services", "No daemon of that name listens on this host"),
    (b"GET", b"/services/xenops"): ("get_services_xenops", "The hypervisor of this host is simulated: there is no xenopsd behind it"),
    (b"POST", b"/services/xenops"): ("post_services_xenops", "The hypervisor of this host is simulated: there is no xenopsd behind it"),
    (b"PUT", b"/services/xenops"): ("put_services_xenops", "The hypervisor of this host is simulated: there is no xenopsd behind it"),
    (b"GET", b"/services/SM"): ("get_services_sm", "Storage is simulated: no driver takes calls of its own"),
    (b"POST", b"/services/SM"): ("post_services_sm", "Storage is simulated: no driver takes calls of its own"),
    (b"PUT", b"/services/SM"): ("put_services_sm", "Storage is simulated: no driver takes calls of its own"),
    (b"POST", b"/remote_db_access"): (
        "post_remote_db_access",
        "The hosts of a simulated pool share one database: none asks another for it",
    ),
    (b"POST", b"/remote_db_access_v2"): (
        "post_remote_db_access_v2",
        "The hosts of a simulated pool share one database: none asks another for it",
    ),
    (b"PUT", b"/pool/xmldbdump"): ("put_pool_xml_db_sync", "A simulated pool goes back to a snapshot of its world instead"),
    (b"PUT", b"/rrd"): ("rrd", "What is measured follows from the time: nothing is handed from host to host"),
    (b"CONNECT", b"/remotecmd"): ("connect_remotecmd", "There is no shell behind this host"),
}
"""Method and path -> the HTTP action, and why it is not served."""
COMMANDS = "The protocol of xe is not spoken here: a client of XenAPI can do whatever it does"


def _declining(action: str, reason: str) -> Handler:
    async def decline(_admitted: Admitted) -> TransferAnswer:
        raise BadRequest(501, reason, Failure("NOT_IMPLEMENTED", action))

    return admitting(action, decline)


async def _commands(_request: TransferRequest) -> TransferAnswer:
    """Decline the protocol of the xe tool, which carries its own credentials: no session is required beforehand."""
    raise BadRequest(501, COMMANDS, Failure("NOT_IMPLEMENTED", "post_cli"))


async def _services(admitted: Admitted) -> TransferAnswer:
    """A page that lists the services of the host: the drivers of its storage."""
    world = admitted.xapi.world
    drivers = "".join(f"<li>{escape(row['type'])}: {escape(row['name_label'])}</li>" for _, row in sorted(world.rows("SM")))
    content = f"<html><body><h1>Services</h1><ul>{drivers}</ul></body></html>".encode()
    return TransferAnswer((("Content-Type", "text/html"),), len(content), iter((content,)))


async def _service(_admitted: Admitted) -> TransferAnswer:
    """Answer ``/services/plugin/<name>`` and the like with 404, as no daemon listens."""
    raise BadRequest(404, "No daemon of that name listens on this host")


async def _balancing(admitted: Admitted) -> TransferAnswer:
    """A report of workload balancing. WLB_NOT_INITIALIZED [] when no server is used, otherwise WLB_CONNECTION_REFUSED []."""
    raise Failure("WLB_CONNECTION_REFUSED" if admitted.xapi.world[POOL]["wlb_url"] else "WLB_NOT_INITIALIZED")


HANDLERS: Handlers = {
    **{place: _declining(action, reason) for place, (action, reason) in DECLINED.items()},
    (b"POST", b"/cli"): _commands,
    (b"GET", b"/services"): admitting("get_services", _services),
    (b"GET", b"/services/"): admitting("get_services", _service),
    (b"GET", b"/wlb_report"): admitting("get_wlb_report", _balancing),
    (b"GET", b"/wlb_diagnostics"): admitting("get_wlb_diagnostics", _balancing),
}
