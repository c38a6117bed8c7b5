"""The messages that the simulator permanently declines, with XAPI's own errors and the reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Declined:
    """The code of the refusal (NOT_IMPLEMENTED, LICENCE_RESTRICTION, ...) and the reason, as the coverage page prints it."""

    code: str
    reason: str


DECLINED: Mapping[str, Declined] = {
    "VDI.open_database": Declined(
        "COULD_NOT_IMPORT_DATABASE", "A session over another pool's database would have to answer every call: recover over the SRs instead"
    ),
    "VDI.revert": Declined(
        "UNIMPLEMENTED_IN_SM_BACKEND",
        "No driver of any release can revert: where one could, the rules would not refuse it with SR_OPERATION_NOT_SUPPORTED before",
    ),
    "LVHD.enable_thin_provisioning": Declined(
        "NOT_IMPLEMENTED", "Thin provisioning on block storage was withdrawn by the release after the one that announced it"
    ),
    **{
        name: Declined("NOT_IMPLEMENTED", "It would send files to another machine: the simulator reaches none but this one")
        for name in ("host.bugreport_upload", "host_crashdump.upload")
    },
    "pool.slave_network_report": Declined("NOT_IMPLEMENTED", "Hosts told their master of their NICs by it; here joining does"),
    "pool.test_archive_target": Declined("NOT_IMPLEMENTED", "It would mount a share of another machine to write a file there"),
    "pool.sync_trusted_certificates_from": Declined("NOT_IMPLEMENTED", "It would log in to another pool over verified TLS"),
    "host.get_tracked_user_agents": Declined("NOT_IMPLEMENTED", "The engine is not told with which User-Agent a call came"),
    **{
        f"Caller.query_{name}": Declined("NOT_IMPLEMENTED", "The engine is not told the User-Agent and address that tell callers apart")
        for name in ("token_usage", "call_count", "group_token_usage", "group_call_count", "all_usage")
    },
    "session.create_from_db_file": Declined(
        "NOT_IMPLEMENTED", "It opens a copy of a database on dom0's disk to readers; the simulated dom0 keeps no such copies"
    ),
    "Diagnostics.gc_stats": Declined("NOT_IMPLEMENTED", "It tells of the memory of a program in OCaml, which the simulator is not"),
    "Diagnostics.network_stats": Declined("NOT_IMPLEMENTED", "It tells of sockets, which in some runs there are none of"),
}
"""By wire name. A message that has no verb, follows from no field and is not listed here is a gap."""
