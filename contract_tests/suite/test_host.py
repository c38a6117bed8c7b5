"""The pool, its hosts, and what every host shows."""

from __future__ import annotations

import re
from typing import Any

import pytest
import XenAPI

from contract_tests.refusals import refusal

POOL_ADMIN_UUID = "0165f154-ba3e-034e-6b27-5d271af109ba"
ROLES = {"pool-admin", "pool-operator", "vm-power-admin", "vm-admin", "vm-operator", "read-only"}


@pytest.mark.rule("fresh pool")
def test_there_is_one_pool_with_a_master(xapi: Any, host: str) -> None:
    """One pool, whose master is one of the hosts."""
    assert len(xapi.pool.get_all()) == 1
    assert host in xapi.host.get_all()


@pytest.mark.rule("host_metrics", "fresh host")
def test_a_host_is_enabled_and_alive(xapi: Any, host: str) -> None:
    """The master is enabled, its metrics are live and it has memory."""
    record = xapi.host.get_record(host)
    metrics = xapi.host_metrics.get_record(record["metrics"])
    assert (record["enabled"], metrics["live"]) == (True, True)
    assert int(metrics["memory_total"]) > 0


@pytest.mark.rule("fresh host")
def test_a_host_says_what_it_runs(xapi: Any, host: str) -> None:
    """software_version and cpu_info have the keys that clients read."""
    record = xapi.host.get_record(host)
    assert {"product_version", "xapi", "hostname", "date", "xen", "linux", "network_backend"} <= set(record["software_version"])
    assert {"cpu_count", "socket_count", "vendor", "speed", "modelname", "features"} <= set(record["cpu_info"])
    assert any(capability.startswith("xen-3.0-") for capability in record["capabilities"])
    assert record["sched_policy"] == "credit"
    assert len(record["host_CPUs"]) == int(record["cpu_info"]["cpu_count"])


@pytest.mark.rule("fresh dom0")
def test_the_control_domain_runs_on_its_host(xapi: Any, dom0: str, host: str) -> None:
    """Domain 0 is a running VM without a template's mark, resident on its host."""
    record = xapi.VM.get_record(dom0)
    facts = {name: record[name] for name in ("domid", "power_state", "resident_on", "is_control_domain", "is_a_template", "name_label")}
    assert facts == {
        "domid": "0",
        "power_state": "Running",
        "resident_on": host,
        "is_control_domain": True,
        "is_a_template": False,
        "name_label": f"Control domain on host: {xapi.host.get_hostname(host)}",
    }


@pytest.mark.rule("fresh networks")
def test_one_interface_is_for_management(xapi: Any, host: str) -> None:
    """Exactly one PIF of a host carries management, and it is plugged and has an address."""
    pifs = [xapi.PIF.get_record(pif) for pif in xapi.host.get_PIFs(host)]
    management = [pif for pif in pifs if pif["management"]]
    assert [(pif["currently_attached"], pif["host"]) for pif in management] == [(True, host)]
    assert re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", management[0]["MAC"])


@pytest.mark.rule("fresh networks")
def test_there_is_an_internal_management_network(xapi: Any) -> None:
    """Guests' installers reach the host over a network of its own."""
    networks = [
        n for n in xapi.network.get_all_records().values() if n["other_config"].get("is_host_internal_management_network") == "true"
    ]
    assert [(n["bridge"], n["PIFs"]) for n in networks] == [("xenapi", [])]
    assert networks[0]["other_config"]["ip_begin"].startswith("169.254.")


@pytest.mark.rule("fresh tools SR")
def test_the_tools_come_on_an_iso(xapi: Any) -> None:
    """A repository of ISO images carries the guest tools and makes no disks."""
    tools = [sr for sr in xapi.SR.get_all_records().values() if sr["other_config"].get("xenserver_tools_sr") == "true"]
    assert [(sr["type"], sr["content_type"], "vdi_create" in sr["allowed_operations"]) for sr in tools] == [("iso", "iso", False)]


@pytest.mark.rule("fresh templates")
def test_there_are_default_templates(xapi: Any) -> None:
    """Default templates are halted, marked, and none is a snapshot."""
    templates = [vm for vm in xapi.VM.get_all_records().values() if vm["other_config"].get("default_template") == "true"]
    assert len(templates) > 5
    assert {(vm["is_a_template"], vm["is_a_snapshot"], vm["power_state"]) for vm in templates} == {(True, False, "Halted")}
    assert "Other install media" in {vm["name_label"] for vm in templates}


@pytest.mark.rule("RBAC role rows")
def test_the_roles_are_everywhere_the_same(xapi: Any) -> None:
    """The pool administrator's role has one uuid in the whole world."""
    names = {role["name_label"]: role["uuid"] for role in xapi.role.get_all_records().values()}
    assert set(names) >= ROLES
    assert names["pool-admin"] == POOL_ADMIN_UUID


def test_a_host_tells_the_time(xapi: Any, host: str) -> None:
    """The server's time is a date of the wire."""
    assert re.fullmatch(r"\d{8}T\d\d:\d\d:\d\dZ", xapi.host.get_servertime(host).value)


def test_a_host_counts_its_free_memory(xapi: Any, host: str) -> None:
    """Free memory is less than all memory."""
    total = int(xapi.host_metrics.get_memory_total(xapi.host.get_metrics(host)))
    assert 0 < int(xapi.host.compute_free_memory(host)) < total


@pytest.mark.rule("host.call_plugin XENAPI_MISSING_PLUGIN")
def test_a_plugin_that_is_not_there_is_named(xapi: Any, host: str) -> None:
    """XENAPI_MISSING_PLUGIN [name]."""
    assert refusal(xapi.host.call_plugin, host, "no-such-plugin", "main", {}) == ["XENAPI_MISSING_PLUGIN", "no-such-plugin"]


def test_a_running_vm_takes_memory(xapi: Any, host: str, running: str) -> None:
    """What a VM has the host has no more."""
    assert xapi.VM.get_resident_on(running) in xapi.host.get_all()
    assert int(xapi.VM_metrics.get_memory_actual(xapi.VM.get_metrics(running))) > 0


@pytest.mark.rule("SM types", "fresh drivers")
@pytest.mark.parametrize("name", ["ext", "nfs", "iso", "lvm"])
def test_a_driver_is_known(xapi: Any, name: str) -> None:
    """The storage drivers are listed, each with a row of its own."""
    assert name in xapi.SR.get_supported_types()
    assert name in {driver["type"] for driver in xapi.SM.get_all_records().values()}


@pytest.mark.rule("host.list_methods")
def test_a_host_lists_its_methods(xapi: Any, session: Any) -> None:
    """host.list_methods is what system.listMethods is, for those who are logged in, or is not implemented."""
    try:
        assert xapi.host.list_methods() == session.system.listMethods()
    except XenAPI.Failure as failure:
        assert failure.details[0] == "NOT_IMPLEMENTED"  # noqa: PT017  # both are right


@pytest.mark.rule("data sources")
@pytest.mark.parametrize("cls", ["host", "VM"])
def test_what_is_measured_can_be_asked_for(xapi: Any, host: str, running: str, cls: str) -> None:
    """get_data_sources are records with names and units; query_data_source answers a number."""
    owner = host if cls == "host" else running
    sources = getattr(xapi, cls).get_data_sources(owner)
    keys = {"name_label", "name_description", "enabled", "standard", "units", "min", "max", "value"}
    assert all(keys <= set(source) for source in sources)
    assert "cpu0" in {source["name_label"] for source in sources if source["enabled"]}
    assert isinstance(getattr(xapi, cls).query_data_source(owner, "cpu0"), float)
