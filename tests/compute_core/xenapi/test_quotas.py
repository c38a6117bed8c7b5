"""Extra specs in XenAPI's parameters."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from compute_core.model.errors import BuildFailed
from compute_core.model.flavors import Flavor
from compute_core.xenapi.grants import pci_chosen, pci_wanted
from compute_core.xenapi.quotas import cpu_mask, cpu_set, io_priority, own_cpus, vcpu_params, wants_own_cpus, wants_vgpu


def flavor(**specs: str) -> Flavor:
    """Two VCPUs; a colon in a spec's name is written as two underscores."""
    return Flavor("9", "own", 512, 2, 1, extra_specs={name.replace("__", ":"): value for name, value in specs.items()})


@pytest.mark.parametrize(
    ("given", "params"),
    [
        (flavor(), {"weight": "256"}),
        (flavor(vcpu_weight="64"), {"weight": "64"}),
        (flavor(quota__cpu_shares="128"), {"weight": "128"}),
        (flavor(vcpu_weight="64", quota__cpu_shares="128"), {"weight": "64"}),
        (flavor(vcpu_cap="150"), {"weight": "256", "cap": "150"}),
        (flavor(vcpu_cap="0"), {"weight": "256", "cap": "0"}),
        (flavor(quota__cpu_quota="25000"), {"weight": "256", "cap": "50"}),
        (flavor(quota__cpu_quota="5000", quota__cpu_period="20000"), {"weight": "256", "cap": "50"}),
        (flavor(quota__cpu_quota="900000"), {"weight": "256", "cap": "200"}),
        (flavor(quota__cpu_quota="1"), {"weight": "256", "cap": "2"}),
    ],
)
def test_weight_and_cap(given: Flavor, params: dict[str, str]) -> None:
    assert vcpu_params(given) == params


def test_a_mask_is_given_or_the_flavors_own() -> None:
    assert vcpu_params(flavor(), "0,1") == {"weight": "256", "mask": "0,1"}
    assert [cpu_mask(each) for each in (flavor(), flavor(vcpu_mask="0,2-4"))] == ["", "0,2,3,4"]


def test_a_server_of_its_own_processors_gets_the_first_that_nobody_has() -> None:
    assert own_cpus(flavor(), 8, {0, 2}) == "1,3"
    assert [wants_own_cpus(each) for each in (flavor(), flavor(hw__cpu_policy="dedicated"), flavor(hw__cpu_policy="shared"))] == [
        False, True, False,
    ]  # fmt: skip
    with pytest.raises(BuildFailed, match=r"2 processors are wanted for one server alone, 1 are left\.") as refused:
        own_cpus(flavor(), 4, {0, 2, 3})
    assert refused.value.is_retryable is True


@pytest.mark.parametrize(
    ("given", "members"),
    [
        (flavor(), ("", {})),
        (flavor(quota__disk_io_class="high"), ("ionice", {"class": "high"})),
        (flavor(quota__disk_io_class="7", quota__disk_io_sched="rt"), ("ionice", {"sched": "rt", "class": "7"})),
        (flavor(quota__disk_io_sched="idle"), ("ionice", {"sched": "idle"})),
    ],
)
def test_a_disks_priority(given: Flavor, members: tuple[str, dict[str, str]]) -> None:
    wanted = io_priority(given).members()

    assert (wanted["qos_algorithm_type"], wanted["qos_algorithm_params"]) == members


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (lambda: vcpu_params(flavor(vcpu_weight="heavy")), "vcpu_weight is 'heavy', which is no number from 1 to 65535"),
        (lambda: vcpu_params(flavor(vcpu_weight="0")), "vcpu_weight is '0', which is no number from 1 to 65535"),
        (lambda: vcpu_params(flavor(vcpu_cap="201")), "vcpu_cap is '201', which is no number from 0 to 200"),
        (lambda: vcpu_params(flavor(quota__cpu_quota="x")), "quota:cpu_quota is 'x'"),
        (lambda: vcpu_params(flavor(quota__cpu_quota="1", quota__cpu_period="0")), "quota:cpu_period is '0'"),
        (lambda: cpu_set("0;reboot"), "vcpu_mask '0;reboot' is no set of processors"),
        (lambda: io_priority(flavor(quota__disk_io_class="8")), "quota:disk_io_class is '8', which is no number from 0 to 7"),
        (lambda: wants_vgpu(flavor(resources__VGPU="x")), "resources:VGPU is 'x'"),
        (lambda: pci_wanted(flavor(pci_passthrough__alias=":1")), "pci_passthrough:alias ':1' is no ALIAS:COUNT"),
    ],
)
def test_a_spec_that_cannot_be_meant_fails_everywhere(asked: Callable[[], object], reason: str) -> None:
    with pytest.raises(BuildFailed) as refused:
        asked()

    assert reason in refused.value.message
    assert refused.value.is_retryable is False


def test_devices_are_those_that_the_operator_has_marked_and_nobody_has() -> None:
    wanted = pci_wanted(flavor(pci_passthrough__alias="gpu:1,nic:2"))
    marked = {"inova-pci-gpu": "0000:04:00.0, 0000:05:00.0", "inova-pci-nic": "0000:06:00.0,0000:06:00.1", "other": "0000:01:00.0"}

    assert wanted == {"gpu": 1, "nic": 2}
    assert pci_chosen(wanted, marked, {"0000:04:00.0"}) == "0/0000:05:00.0,0/0000:06:00.0,0/0000:06:00.1"
    with pytest.raises(BuildFailed, match=r"2 PCI devices nic are wanted, 1 are free\.") as refused:
        pci_chosen(wanted, marked, {"0000:06:00.1"})
    assert refused.value.is_retryable is True
