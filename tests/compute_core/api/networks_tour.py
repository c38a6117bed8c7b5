"""Interfaces, ports and security groups with the unmodified ``openstack`` client, over a simulated host with the plugin in its dom0."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from compute_core.xenapi import dom0_bundle
from tests.compute_core.api import tour
from tests.compute_core.api.tour import Client, Step, state

NETWORKS = "--network private:xenbr0:10.0.0.0/12 --network back:xenbr1:192.168.0.0/24"

STEPS: tuple[Step, ...] = (
    Step("image create debian --disk-format vhd --container-format bare --file debian.vhd -f value -c status", "active"),
    Step("flavor create m1.lab --ram 256 --disk 1 --vcpus 1 --property quota:vif_outbound_average=2048 -f value -c name", "m1.lab"),
    Step("network list -c Name -f value", "back"),
    Step("security group list -c Name -f value", "default"),
    Step("security group create web --description 'of the web' -f value -c name", "web"),
    Step("security group rule create web --protocol tcp --dst-port 80:81 --remote-ip 10.0.0.0/8 -f value -c protocol", "tcp"),
    Step("security group rule create web --protocol icmp --remote-group web -f value -c direction", "ingress"),
    Step("security group rule list web -c 'IP Protocol' -c 'Port Range' -c Direction", "tcp .* 80:81 .* ingress"),
    Step("port create mine --network back --fixed-ip ip-address=192.168.0.77 --security-group web -f value -c status", "DOWN"),
    Step("server create web --image debian --flavor m1.lab --network private --security-group web --wait -f value -c status", "ACTIVE"),
    Step("server add port web mine"),
    Step("port show mine -f value -c status", "ACTIVE"),
    Step("server add network web back"),
    Step("port list --server web -f value -c 'Fixed IP Addresses'", r"192\.168\.0\.1[0-9]"),
    Step("server show web -f value -c addresses", r"192\.168\.0\.77"),
    Step("server add fixed ip web back --fixed-ip-address 192.168.0.99 --os-compute-api-version 2.43"),
    Step("port list --fixed-ip ip-address=192.168.0.99 -f value -c Status", "ACTIVE"),
    Step("server add security group web default"),
    Step("server show web -f value -c security_groups", "default"),
    Step("server remove security group web default"),
    Step("server show web -f value -c security_groups", "^((?!default).)*$"),
    state("web", "ACTIVE"),
    Step("server reboot web --hard --wait", "Complete"),
    Step("server remove port web mine"),
    Step("port show mine -f value -c status", "DOWN"),
    Step("server remove network web back"),
    Step("port list --network back -f value -c Name", "^mine$"),
    Step("port set mine --disable-port-security --no-security-group"),
    Step("port show mine -f value -c port_security_enabled", "False"),
    Step("port set mine --enable-port-security --security-group web"),
    Step("security group set web --name front"),
    Step("server add port web mine"),
    Step("port show mine -f value -c status", "ACTIVE"),
    Step("server delete web --wait"),
    Step("port list -f value -c Name -c Status", "^mine DOWN$"),
    Step("port delete mine"),
    Step("security group delete front"),
    Step("security group list -f value -c Name", "^default$"),
)


def cloud(folder: Path) -> AbstractContextManager[Client]:
    """A simulated host with our plugin, the core over it with two networks, which keeps servers to their groups, and the client."""
    dom0_bundle.write(folder / "plugins")
    return tour.cloud(folder, hosts=1, sim="--plugins plugins", core=f"{NETWORKS} --filtering flows")
