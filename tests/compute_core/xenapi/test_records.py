"""The records that a server's VM is created with."""

from __future__ import annotations

import json

from compute_core.model.flavors import Flavor
from compute_core.xenapi.records import Grants, vm_record, xenstore
from tests.compute_core.values import UUID, an_image, an_instance


def test_the_guest_finds_in_xenstore_all_that_it_is_told() -> None:
    server = an_instance(metadata={"role name": "web"}, user_data="IyEvYmluL3No", key_data="ssh-rsa AAAA", disk_config="AUTO")
    told = xenstore(server)
    networking = json.loads(told.pop("vm-data/networking/fa163e000001"))

    assert told == {
        "vm-data/instance-uuid": UUID,
        "vm-data/hostname": "web",
        "vm-data/auto-disk-config": "True",
        "vm-data/allowvssprovider": "false",
        "vm-data/user-metadata/role_name": '"web"',
        "vm-data/user-data": "IyEvYmluL3No",
        "vm-data/ssh-key": "ssh-rsa AAAA",
    }
    assert networking == {
        "label": "private",
        "mac": "fa:16:3e:00:00:01",
        "gateway": "10.0.0.1",
        "broadcast": "10.0.0.255",
        "ips": [{"ip": "10.0.0.11", "netmask": "255.255.255.0", "enabled": "1", "gateway": "10.0.0.1"}],
        "dns": [],
    }


def test_one_record_says_all_of_the_vm() -> None:
    server = an_instance(flavor=Flavor("2", "m1.small", 2048, 2, 20, extra_specs={"vcpu_weight": "64"}))
    record = vm_record(server, an_image(), "OpaqueRef:host")

    assert {key: record[key] for key in ("name_label", "memory_static_max", "VCPUs_max", "VCPUs_params", "affinity", "other_config")} == {
        "name_label": f"instance-{UUID}",
        "memory_static_max": 2 << 30,
        "VCPUs_max": 2,
        "VCPUs_params": {"weight": "64"},
        "affinity": "OpaqueRef:host",
        "other_config": {"inova-instance-uuid": UUID, "inova-image-id": "img-1", "inova-cell": "cell1"},
    }


def test_what_the_host_gives_a_server_is_in_its_record() -> None:
    granted = Grants((8, 2), mask="2,3", pci="0/0000:04:01.0", note="left alone")
    record = vm_record(an_instance(), an_image(), "OpaqueRef:host", granted)

    assert record["VCPUs_params"] == {"weight": "256", "mask": "2,3"}
    assert record["domain_type"] == "pv"
    assert {key: record["other_config"][key] for key in ("pci", "inova-note")} == {"pci": "0/0000:04:01.0", "inova-note": "left alone"}
