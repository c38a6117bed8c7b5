"""A chapter of the client's session: hosts in aggregates and zones, and out of use."""

from __future__ import annotations

from tests.compute_core.api.tour import Step

AGGREGATES: tuple[Step, ...] = (
    Step("aggregate create fast --zone east --property ssd=true -c name -c availability_zone", "east"),
    Step("aggregate add host fast xs00002 -f value -c hosts", "xs00002"),
    Step("aggregate list --long -c Name -c 'Availability Zone' -c Properties", "fast .* east .* ssd='true'"),
    Step("aggregate set fast --name faster --property disk=nvme"),
    Step("aggregate unset faster --property disk"),
    Step("aggregate show faster -f value -c name -c properties -c hosts", "ssd"),
    Step("availability zone list -f value", "^east available"),
    Step("availability zone list --long -f value", "xs00002"),
    Step(
        "flavor create m1.fast --ram 256 --disk 1 --vcpus 1 --property aggregate_instance_extra_specs:ssd=true -f value -c name", "m1.fast"
    ),
    Step("server create web --image debian --flavor m1.fast --wait -f value -c OS-EXT-AZ:availability_zone", "east"),
    Step("server show web -f value -c OS-EXT-SRV-ATTR:host", "xs00002"),
)

REFUSED: tuple[tuple[str, str], ...] = (
    ("aggregate delete faster", "not empty"),
    ("aggregate set faster --zone west", "contain instances in this zone"),
    ("aggregate add host faster xs00002", "already has host xs00002"),
    ("aggregate add host faster nobody", "could not be found"),
    ("aggregate show nothing", "No aggregate|could not be found|No Aggregate"),
)

EMPTIED: tuple[Step, ...] = (
    Step("server delete web --wait"),
    Step("aggregate remove host faster xs00002 -f value -c hosts"),
    Step("aggregate delete faster"),
    Step("aggregate list -f value", "^$"),
    Step("compute service set --disable --disable-reason noisy xs00001 nova-compute"),
    Step("compute service list --long -c Host -c Status -c 'Disabled Reason'", "xs00001 .* disabled .* noisy"),
    Step("server create web --image debian --flavor m1.lab --wait -f value -c OS-EXT-SRV-ATTR:host", "xs00002"),
    Step("compute service set --enable xs00001 nova-compute"),
)

POOL: tuple[Step, ...] = (
    Step("aggregate create blue --property hypervisor_pool=true -f value -c name"),
    Step("aggregate add host blue xs00001 -f value -c hosts", "xs00001"),
    Step("aggregate add host blue xs00002 -f value -c hosts", "xs00002"),
    Step("aggregate show blue -f value -c properties", until="'operational_state': 'active'"),
)

NO_POOL: tuple[Step, ...] = (
    Step("aggregate remove host blue xs00002 -f value -c name", "blue"),
    Step("aggregate show blue -f value -c hosts", until="['xs00001']"),
    Step("aggregate remove host blue xs00001 -f value -c name", "blue"),
    Step("aggregate delete blue"),
)
