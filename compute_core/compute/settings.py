"""What one agent is told."""

from __future__ import annotations

from dataclasses import dataclass, field

from compute_core.model.cached_images import EvictionPolicy
from compute_core.model.networks import Filtering
from compute_core.model.rsync import Rsync
from compute_core.xenapi.guest_agent_rules import AgentRules
from compute_core.xenapi.power import Patience


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """``host`` is the agent's name on the bus, ``cell`` its cell's, ``url`` the host's XenAPI.

    ``heartbeat_s`` is varied by ``heartbeat_jitter`` (a fraction), so that agents that start together do not stay together.
    ``usage_s``: so often it makes its rounds, 0 never: what servers use is measured, images go as ``eviction`` says,
    and orphans after ``orphans_kept_s``; 0: when somebody asks for it.
    ``settle_s``: the second heartbeat comes so soon, to act on what a former life left behind. ``reaps_unwanted``: whether VMs are
    removed that the cell says belong elsewhere, or nowhere any more. ``copies_whole``: whether disks are copies of their images that share
    nothing with them. ``compute_vm``: the uuid of the VM of the pool in which the agent runs, "" for one that runs elsewhere.
    ``rsync``: how disks go to other hosts' dom0; None: they go as streams by XenAPI.
    """

    host: str
    cell: str
    url: str
    heartbeat_s: float = 20.0
    usage_s: float = 600.0
    orphans_kept_s: float = 0.0
    heartbeat_jitter: float = 0.1
    settle_s: float = 2.0
    event_wait_s: float = 30.0
    retry_s: float = 5.0
    call_timeout_s: float = 30.0
    concurrent_builds: int = 4
    reaps_unwanted: bool = True
    copies_whole: bool = False
    compute_vm: str = ""
    rsync: Rsync | None = None
    filtering: Filtering = "locking"
    rxtx_base_kib_s: int = 0
    eviction: EvictionPolicy = field(default_factory=EvictionPolicy)
    patience: Patience = field(default_factory=Patience)
    guest_agents: AgentRules = field(default_factory=AgentRules)
