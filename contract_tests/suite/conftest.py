"""Fixtures of the suite: the server, the session, objects made by tests, and VMs in each power state that tests may inspect.

The VMs of a module (`halted`, `running`, `paused`, `suspended`) are shared: a test that changes a VM makes one of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
import XenAPI

from contract_tests.capabilities import Server, ask
from contract_tests.made import HARDWARE, MIB, Made, leftovers
from contract_tests.plugin import target_of
from contract_tests.refusals import NULL
from contract_tests.report import SERVER
from contract_tests.spare_nics import is_spare
from contract_tests.target import Target
from contract_tests.turns import turn
from contract_tests.waiting import until

UNUSABLE_SR_TYPES: Final = frozenset({"iso", "udev"})

# How a real host says that a paravirtual guest without an operating system cannot boot there.
NOTHING_TO_BOOT: Final = frozenset({"BOOTLOADER_FAILED", "NO_BOOTABLE_DISK"})


@pytest.fixture(scope="session")
def target(pytestconfig: pytest.Config) -> Target:
    """The server under test."""
    found = target_of(pytestconfig)
    if not found.url or not found.password:
        pytest.exit("the contract suite needs a server: give --xapi-url, --xapi-user and --xapi-password", returncode=4)
    return found


@pytest.fixture(scope="session")
def session(target: Target) -> Iterator[Any]:
    """The run's session of the official client, logged in. Tests of logging out use others."""
    with target.session() as session:
        yield session


@pytest.fixture(scope="session")
def xapi(session: Any) -> Any:
    """The calls of the session: ``xapi.VM.start(vm, False, False)``."""
    return session.xenapi


@pytest.fixture
def other(target: Target) -> Iterator[Any]:
    """A second session, the test's own."""
    with target.session() as session:
        yield session


@pytest.fixture
def client(target: Target) -> Iterator[Any]:
    """A client that has not logged in; its calls return the raw struct of the wire."""
    with target.dialled() as client:
        yield client


@pytest.fixture(scope="session")
def server(target: Target, session: Any) -> Server:
    """The server's facts about itself."""
    return ask(target, session)


@pytest.fixture(autouse=True)
def _required(request: pytest.FixtureRequest, server: Server) -> None:
    """Skip tests that need what this release lacks, and tell the report which server it is."""
    request.node.user_properties.append((SERVER, server.summary))
    for marker in request.node.iter_markers("requires"):
        for capability in marker.args:
            if not server.has(capability):
                pytest.skip(f"{server.summary} has no {capability}")


@pytest.fixture(scope="session")
def label(xapi: Any, session: Any) -> Iterator[str]:
    """The label of everything that this run makes, derived from its session. At the end nothing may have it."""
    label = f"contract-{xapi.session.get_uuid(session.handle)}"
    yield label
    assert leftovers(xapi, label) == []


@pytest.fixture(scope="session")
def host(xapi: Any) -> str:
    """The pool's master, which runs the tests' VMs."""
    master: str = xapi.pool.get_master(xapi.pool.get_all()[0])
    return master


@pytest.fixture(scope="session")
def sr(xapi: Any) -> str:
    """A plugged SR on which disks can be made: the pool's default, or else the one with most room."""
    default = xapi.pool.get_default_SR(xapi.pool.get_all()[0])
    makers = {driver["type"] for driver in xapi.SM.get_all_records().values() if "VDI_CREATE" in driver["capabilities"]} - UNUSABLE_SR_TYPES
    records: dict[str, Any] = {ref: sr for ref, sr in xapi.SR.get_all_records().items() if sr["type"] in makers and _is_plugged(xapi, sr)}
    assert records, f"no SR here can make disks: plug one of the types {', '.join(sorted(makers))}"
    room = {ref: int(record["physical_size"]) - int(record["physical_utilisation"]) for ref, record in records.items()}
    return max(room, key=lambda ref: (ref == default, room[ref]))


def _is_plugged(xapi: Any, sr: dict[str, Any]) -> bool:
    return sr["content_type"] != "iso" and any(xapi.PBD.get_currently_attached(pbd) for pbd in sr["PBDs"])


@pytest.fixture(scope="session")
def network(xapi: Any) -> str:
    """The network of the management interface."""
    pifs = xapi.PIF.get_all_records().values()
    found: str = next(pif["network"] for pif in pifs if pif["management"])
    return found


@pytest.fixture(scope="session")
def dom0(xapi: Any, host: str) -> str:
    """The control domain of the host."""
    domains = xapi.VM.get_all_records_where('field "is_control_domain" = "true"').items()
    found: str = next(ref for ref, record in domains if record["resident_on"] == host and record["domid"] == "0")
    return found


@pytest.fixture
def nic(xapi: Any, host: str, target: Target) -> Iterator[str]:
    """The PIF of an unused NIC of the master, reserved for the test."""
    with turn(target.url, about="nics"):
        pifs = {ref: pif for ref, pif in xapi.PIF.get_all_records().items() if pif["host"] == host}
        spare = sorted((pif["device"], ref) for ref, pif in pifs.items() if is_spare(pif))
        if not spare:
            pytest.skip("the master has no NIC but those in use: the suite needs one without address, bond, VLAN and tunnel")
        yield spare[0][1]


@pytest.fixture
def made(xapi: Any, label: str, sr: str, network: str) -> Iterator[Made]:
    """The objects that the test makes; removed when it ends."""
    made = Made(xapi, label, sr, network)
    yield made
    made.undo()


@pytest.fixture(scope="module")
def shared(xapi: Any, label: str, sr: str, network: str) -> Iterator[Made]:
    """The objects that a module's tests share; removed when the module ends."""
    made = Made(xapi, label, sr, network)
    yield made
    made.undo()


@pytest.fixture(scope="module")
def halted(shared: Made) -> str:
    """A halted VM."""
    return shared.vm()


@pytest.fixture(scope="module")
def running(shared: Made, target: Target) -> str:
    """A running VM with PV drivers."""
    return booted(shared, target)


@pytest.fixture(scope="module")
def paused(shared: Made, target: Target) -> str:
    """A paused VM with PV drivers."""
    vm = booted(shared, target)
    shared.xapi.VM.pause(vm)
    return vm


@pytest.fixture(scope="module")
def suspended(shared: Made, target: Target) -> str:
    """A suspended VM."""
    vm = booted(shared, target)
    shared.xapi.VM.suspend(vm)
    return vm


@pytest.fixture(scope="module")
def template(shared: Made) -> str:
    """A template of ours."""
    return shared.vm(is_a_template=True)


@pytest.fixture(scope="module")
def snapshot(shared: Made, halted: str) -> str:
    """A snapshot of the halted VM."""
    return shared.keep_vm(shared.xapi.VM.snapshot(halted, shared.name()))


@pytest.fixture(scope="module")
def bare(shared: Made) -> str:
    """A running hardware-virtual VM without an operating system, hence without PV drivers."""
    vm = shared.vm(HARDWARE)
    shared.xapi.VM.start(vm, False, False)
    return vm


@pytest.fixture
def guest(made: Made, target: Target) -> str:
    """A running VM with PV drivers, the test's own."""
    return booted(made, target)


def booted(made: Made, target: Target, **fields: Any) -> str:
    """A running VM with PV drivers: a blank paravirtual one, or a clone of the template that the operator named."""
    vm = _from_template(made, target.template) if target.template else made.vm(**fields)
    try:
        made.xapi.VM.start(vm, False, False)
    except XenAPI.Failure as failure:
        if failure.details[0] in NOTHING_TO_BOOT:
            pytest.skip(f"a blank paravirtual guest does not boot here ({failure.details[0]}); name a template with --xapi-template")
        raise
    if target.template:
        until(lambda: "clean_shutdown" in made.xapi.VM.get_allowed_operations(vm), "the guest's PV drivers")
    return vm


def _from_template(made: Made, name: str) -> str:
    found = made.xapi.VM.get_by_name_label(name)
    assert found, f"there is no template {name!r}"
    vm = made.keep_vm(made.xapi.VM.clone(found[0], made.name()))
    made.xapi.VM.add_to_other_config(vm, "contract_tests", made.label)
    made.xapi.VM.provision(vm)
    return vm


@pytest.fixture
def disk(made: Made) -> str:
    """A disk of 8 MiB."""
    return made.vdi(8 * MIB)


@pytest.fixture
def null() -> str:
    """The reference to nothing."""
    return NULL
