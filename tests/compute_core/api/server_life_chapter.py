"""A chapter of the client's session: what is done with a server beyond its power."""

from __future__ import annotations

from tests.compute_core.api.tour import Step, state

STEPS: tuple[Step, ...] = (
    Step("image create debian --disk-format vhd --container-format bare --public --file debian.vhd -f value -c status", "active"),
    Step("image create rescue --disk-format vhd --container-format bare --public --file debian.vhd -f value -c status", "active"),
    Step("flavor create m1.lab --ram 256 --disk 1 --vcpus 1 -f value -c name", "m1.lab"),
    Step("server create web --image debian --flavor m1.lab --wait -f value -c status", "ACTIVE"),
    Step("server show web --diagnostics -f value -c driver -c state -c num_cpus", "running"),
    Step("console url show web --novnc -f value -c url", "^http://127.0.0.1:[0-9]+/vnc_auto.html\\?path=%3Ftoken%3D"),
    Step("server rescue web --image rescue"),
    state("web", "RESCUE"),
    Step("server unrescue web"),
    state("web", "ACTIVE"),
    Step("server set web --name db"),
    Step("server show db -f value -c name", "^db$"),
    Step("server rebuild db --image rescue --name web --property role=front --wait"),
    Step("server show web -f value -c status -c properties", "role"),
    Step("server lock web --reason maintenance"),
    Step("server show web -f value -c locked_reason", "maintenance"),
    Step("server unlock web"),
    Step("server set web --state error --auto-approve"),
    state("web", "ERROR"),
    Step("server set web --state active --auto-approve"),
    state("web", "ACTIVE"),
    Step("server shelve web"),
    state("web", "SHELVED_OFFLOADED"),
    Step("image list -f value -c Name", "web-shelved"),
    Step("server unshelve web --wait"),
    state("web", "ACTIVE"),
    Step("server event list web -f value -c Action", "unshelve(.|\\n)*shelve(.|\\n)*rebuild(.|\\n)*unrescue(.|\\n)*rescue(.|\\n)*create"),
    Step("server stop web"),
    state("web", "SHUTOFF"),
    Step("console log show web --lines 2", "Power down"),
)

DELETING: tuple[Step, ...] = (
    Step("server delete web"),
    Step("server list --status SOFT_DELETED -f value -c Status", until="SOFT_DELETED"),
    Step("server list -f value", "^$"),
)
"""The core forgets deleted servers only after a while: until then they may be restored, by those who know their ids."""
