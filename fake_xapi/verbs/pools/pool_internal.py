"""The messages that hosts of a pool send one another. Callers that are not hosts of the pool are refused beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fake_xapi.datamodel.failure import Failure
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.hosts import dom0_files, host_power
from fake_xapi.verbs.pools import ha_admission
from fake_xapi.verbs.pools.pool_ha import DISARMED

PROPOSED = "/var/lib/xcp/local.db/proposed_master"


def initial_auth(call: Call) -> str:
    """The pool's secret, for a host that is about to join."""
    return call.machines.pool_secret


def assert_healthy(call: Call) -> None:
    """Raise the error that a host in emergency mode has stored."""
    error = call.machines.stored_error
    if error is not None:
        raise error


def propose_new_master(call: Call, address: str, manual: bool) -> None:
    """Agree to a new master, pending confirmation. HA_ABORT_NEW_MASTER [reason] while another is proposed."""
    other = dom0_files.read(call.world, PROPOSED, call.host)
    if other is not None and other != address:
        raise Failure("HA_ABORT_NEW_MASTER", f"there is already an outstanding proposal: {other}")
    with call.world.edit() as edit:
        dom0_files.write(call.world, edit, PROPOSED, address, call.host)


def commit_new_master(call: Call, address: str) -> None:
    """Accept the proposed master. HA_ABORT_NEW_MASTER [reason] for one that was not proposed."""
    _take_back(call, address)
    call.machines.set_master_of_caller(address)


def abort_new_master(call: Call, address: str) -> None:
    """Withdraw a proposal. HA_ABORT_NEW_MASTER [reason] for one that was not made."""
    _take_back(call, address)


def _take_back(call: Call, address: str) -> None:
    if dom0_files.read(call.world, PROPOSED, call.host) != address:
        raise Failure("HA_ABORT_NEW_MASTER", "the address is not the one that was proposed")
    with call.world.edit() as edit:
        dom0_files.remove(call.world, edit, PROPOSED, call.host)


def update_master(call: Call, host: Id, address: str) -> None:
    """Tell a host who its master is."""
    call.machines.tell_master(host)


def tickle_heartbeat(call: Call, host: Id, stuff: dict[str, str]) -> dict[str, str]:
    """A host is alive."""
    host_power.set_live(call, host, is_live=True)
    return {}


def plan_anew(call: Call) -> None:
    """Recompute what high availability could do."""
    ha_admission.plan_anew(call)


def preconfigure_ha(call: Call, host: Id, statefiles: list[Id], metadata_vdi: Id, generation: str) -> None:
    """Attach the statefiles before high availability is enabled."""
    with call.world.edit() as edit:
        edit.set(host, ha_statefiles=tuple(call.world.ref(vdi) for vdi in statefiles))


def arm(call: Call, host: Id) -> None:
    """Let the host take part in high availability."""
    with call.world.edit() as edit:
        dom0_files.remove(call.world, edit, DISARMED, host)


def disarm(call: Call, host: Id) -> None:
    """Withdraw the host from high availability: it is not fenced and restarts nothing."""
    with call.world.edit() as edit:
        dom0_files.write(call.world, edit, DISARMED, "true", host)


def release_resources(call: Call, host: Id) -> None:
    """Detach the statefiles."""
    with call.world.edit() as edit:
        edit.set(host, ha_statefiles=(), ha_network_peers=())


def done_elsewhere(call: Call, *_arguments: Any) -> None:
    """Accept a message that concerns only files and daemons of a real dom0."""


VERBS: Mapping[str, Verb] = {
    "pool.initial_auth": initial_auth,
    "pool.ha_schedule_plan_recomputation": plan_anew,
    "host.local_assert_healthy": assert_healthy,
    "host.propose_new_master": propose_new_master,
    "host.commit_new_master": commit_new_master,
    "host.abort_new_master": abort_new_master,
    "host.update_master": update_master,
    "host.tickle_heartbeat": tickle_heartbeat,
    "host.preconfigure_ha": preconfigure_ha,
    "host.ha_join_liveset": arm,
    "host.ha_disarm_fencing": disarm,
    "host.ha_disable_failover_decisions": disarm,
    "host.ha_stop_daemon": disarm,
    "host.ha_release_resources": release_resources,
    "host.ha_wait_for_shutdown_via_statefile": done_elsewhere,
    "host.request_backup": done_elsewhere,
    "host.request_config_file_sync": done_elsewhere,
    "host.signal_networking_change": done_elsewhere,
    "host.notify": done_elsewhere,
}
