"""host.call_plugin and the extensions of the API; with OpenStack's plugins in dom0, what these do there.

A host without those plugins says so, and the tests about them are passed over.
"""

from __future__ import annotations

import base64
import json
import pickle
import re
import zlib
from typing import Any, Final

import pytest
import XenAPI

from contract_tests.made import Made
from contract_tests.refusals import refusal
from contract_tests.suite.conftest import booted
from contract_tests.target import Target
from contract_tests.waiting import finished, until

NOWHERE: Final = "vm-data/contract/nowhere"
LINKS: Final = {"dev1_name": "ctrct-a", "dev2_name": "ctrct-b"}


@pytest.mark.rule("host.call_plugin XENAPI_MISSING_PLUGIN")
def test_a_plugin_that_is_not_there_is_named_in_a_task_too(xapi: Any, host: str, made: Made) -> None:
    """XENAPI_MISSING_PLUGIN [plugin], as the task of an asynchronous call has it."""
    task = made.keep_task(xapi.Async.host.call_plugin(host, "no-such-plugin", "main", {}))
    record = finished(xapi, task)
    assert (record["status"], record["error_info"]) == ("failure", ["XENAPI_MISSING_PLUGIN", "no-such-plugin"])


def test_a_plugin_is_no_path(xapi: Any, host: str) -> None:
    """A name with slashes is looked for in the folder of plugins and nowhere else."""
    assert refusal(xapi.host.call_plugin, host, "../../../bin/true", "main", {})[0] == "XENAPI_MISSING_PLUGIN"


def test_a_plugin_needs_a_host(xapi: Any, null: str) -> None:
    """HANDLE_INVALID ["host", ref]."""
    assert refusal(xapi.host.call_plugin, null, "x", "main", {}) == ["HANDLE_INVALID", "host", null]


@pytest.mark.requires("host.has_extension")
def test_an_extension_that_is_not_there(xapi: Any, host: str) -> None:
    """host.has_extension and pool.has_extension say no."""
    assert xapi.host.has_extension(host, "contract.nothing") is False
    assert xapi.pool.has_extension(xapi.pool.get_all()[0], "contract.nothing") is False


# ---- with OpenStack's plugins ----------------------------------------------------------------------------------------------------


class Plugins:
    """The plugins of one host, called in either form."""

    def __init__(self, xapi: Any, host: str) -> None:
        self._xapi = xapi
        self._host = host

    def texts(self, plugin: str, function: str, **args: str) -> str:
        """Call a function with a map of texts."""
        answer: str = self._xapi.host.call_plugin(self._host, plugin, function, args)
        return answer

    def values(self, plugin: str, function: str, *args: Any, **kwargs: Any) -> Any:
        """Call a function with a pickle of arguments, and read the pickle that comes back."""
        packed = pickle.dumps({"args": list(args), "kwargs": kwargs}, protocol=0).decode("ascii")
        return pickle.loads(self.texts(plugin, function, params=packed).encode())  # noqa: S301  # the operator's own host

    def refused(self, plugin: str, function: str, **args: str) -> list[str]:
        """The refusal of a call."""
        return refusal(self._xapi.host.call_plugin, self._host, plugin, function, args)

    def network(self, cmd: str, **args: str) -> str:
        """Run one command of dom0's network."""
        printed: str = self.values("xenhost.py", "network_config", {"cmd": cmd, "args": args})
        return printed


@pytest.fixture(scope="module")
def plugins(xapi: Any, host: str) -> Plugins:
    """The plugins of the master; the test is passed over where OpenStack's are not installed."""
    found = Plugins(xapi, host)
    try:
        found.values("dom0_plugin_version.py", "get_version")
    except XenAPI.Failure as failure:
        if failure.details[0] == "XENAPI_MISSING_PLUGIN":
            pytest.skip("OpenStack's plugins are not installed in dom0")
        raise
    return found


@pytest.fixture(scope="module")
def domain(shared: Made, target: Target) -> tuple[str, str]:
    """A running VM and the number of its domain."""
    vm = booted(shared, target)
    return vm, str(shared.xapi.VM.get_domid(vm))


def test_plugins_have_a_version(plugins: Plugins) -> None:
    """dom0_plugin_version.get_version, a pickle."""
    assert re.fullmatch(r"\d+\.\d+", plugins.values("dom0_plugin_version.py", "get_version"))


@pytest.mark.rule("host.call_plugin errors of plugins")
def test_a_function_that_is_not_there_is_named(plugins: Plugins) -> None:
    """UNKNOWN_XENAPI_PLUGIN_FUNCTION [function]."""
    assert plugins.refused("xenstore.py", "dance") == ["UNKNOWN_XENAPI_PLUGIN_FUNCTION", "dance"]


@pytest.mark.rule("host.call_plugin errors of plugins")
def test_an_exception_of_a_plugin_has_its_function_class_and_text(plugins: Plugins) -> None:
    """XENAPI_PLUGIN_EXCEPTION [function, class, text]."""
    code, function, kind, text = plugins.refused("console.py", "get_console_log", dom_id="99999999")
    assert (code, function) == ("XENAPI_PLUGIN_EXCEPTION", "get_console_log")
    assert kind
    assert "99999999" in text


def test_a_record_is_written_read_and_deleted(plugins: Plugins, domain: tuple[str, str]) -> None:
    """xenstore.write_record, read_record, delete_record below `/local/domain/N`."""
    at = {"dom_id": domain[1], "path": "vm-data/contract/record"}
    assert plugins.texts("xenstore.py", "write_record", value='"text"', **at) == '"text"'
    assert plugins.texts("xenstore.py", "read_record", ignore_missing_path="False", **at) == '"text"'
    assert plugins.texts("xenstore.py", "delete_record", **at) == '""'
    assert plugins.texts("xenstore.py", "read_record", ignore_missing_path="True", **at) == '"None"'


def test_a_record_that_is_not_there_is_refused(plugins: Plugins, domain: tuple[str, str]) -> None:
    """xenstore.read_record without ignore_missing_path."""
    answer = plugins.refused("xenstore.py", "read_record", dom_id=domain[1], path=NOWHERE)
    assert answer[:2] == ["XENAPI_PLUGIN_EXCEPTION", "read_record"]


@pytest.mark.rule("xenstore_data")
def test_the_data_of_a_vm_are_in_its_domains_xenstore(xapi: Any, plugins: Plugins, domain: tuple[str, str]) -> None:
    """VM.xenstore_data of a running VM is pushed live."""
    vm, domid = domain
    xapi.VM.add_to_xenstore_data(vm, "vm-data/contract-live", "7")
    at = {"dom_id": domid, "path": "vm-data/contract-live"}
    until(lambda: plugins.texts("xenstore.py", "read_record", ignore_missing_path="True", **at) == "7", "the key in xenstore", 10)
    xapi.VM.remove_from_xenstore_data(vm, "vm-data/contract-live")


@pytest.mark.rule("xenstore_data")
def test_what_is_written_below_vm_data_comes_back(xapi: Any, plugins: Plugins, domain: tuple[str, str]) -> None:
    """Writes to vm-data come back into VM.xenstore_data."""
    vm, domid = domain
    plugins.texts("xenstore.py", "write_record", dom_id=domid, path="vm-data/contract-back", value="8")
    until(lambda: xapi.VM.get_xenstore_data(vm).get("vm-data/contract-back") == "8", "the key in the database", 10)
    plugins.texts("xenstore.py", "delete_record", dom_id=domid, path="vm-data/contract-back")


def test_a_domain_has_its_name_and_uuid_in_xenstore(xapi: Any, plugins: Plugins, domain: tuple[str, str]) -> None:
    """`name` and `vm` below `/local/domain/N`."""
    vm, domid = domain
    assert plugins.texts("xenstore.py", "read_record", dom_id=domid, path="vm") == json.dumps(f"/vm/{xapi.VM.get_uuid(vm)}")
    assert xapi.VM.get_name_label(vm) in plugins.texts("xenstore.py", "read_record", dom_id=domid, path="name")


def test_a_console_log_is_packed(plugins: Plugins, domain: tuple[str, str]) -> None:
    """console.get_console_log: base64 of its zlib form."""
    log = zlib.decompress(base64.b64decode(plugins.texts("console.py", "get_console_log", dom_id=domain[1])))
    assert len(log) <= 102_400


def test_a_guest_without_an_agent_is_a_timeout(xapi: Any, plugins: Plugins, bare: str) -> None:
    """agent.version: TIMEOUT: in the text when nobody answers."""
    args = {"id": "11111111-2222-4333-8444-555555555555", "dom_id": str(xapi.VM.get_domid(bare)), "timeout": "1"}
    code, function, _, text = plugins.refused("agent.py", "version", **args)
    assert (code, function) == ("XENAPI_PLUGIN_EXCEPTION", "version")
    assert "TIMEOUT:" in text


def test_a_host_tells_what_a_scheduler_wants(xapi: Any, host: str, plugins: Plugins) -> None:
    """xenhost.host_data: JSON."""
    data = json.loads(plugins.texts("xenhost.py", "host_data"))
    assert (data["host_uuid"], data["host_hostname"]) == (xapi.host.get_uuid(host), xapi.host.get_hostname(host))
    assert 0 < int(data["host_memory"]["free-computed"]) < int(data["host_memory"]["total"])
    assert int(data["host_cpu_info"]["cpu_count"]) > 0


def test_a_host_tells_how_long_it_is_up(plugins: Plugins) -> None:
    """xenhost.host_uptime: JSON with what `uptime` prints."""
    assert " up " in json.loads(plugins.texts("xenhost.py", "host_uptime"))["uptime"]


def test_bandwidth_is_counted_by_domain_and_interface(plugins: Plugins) -> None:
    """bandwidth.fetch_all_bandwidth: {domid: {vif: {bw_in, bw_out}}}."""
    counted = plugins.values("bandwidth.py", "fetch_all_bandwidth")
    assert all(domid.isdecimal() for domid in counted)
    assert {key for vifs in counted.values() for vif in vifs.values() for key in vif} <= {"bw_in", "bw_out"}


def test_a_key_that_xapis_configuration_lacks_is_empty(plugins: Plugins) -> None:
    """config_file.get_val."""
    assert not plugins.texts("config_file.py", "get_val", key="contract-nothing")


def test_links_of_dom0_come_in_pairs_and_go_in_pairs(plugins: Plugins) -> None:
    """xenhost.network_config: ip_link_add_veth_pair, ip_link_get_dev, ip_link_del_dev; a probe that fails is an exception."""
    plugins.network("ip_link_add_veth_pair", **LINKS)
    try:
        assert LINKS["dev2_name"] in plugins.network("ip_link_get_dev", device_name=LINKS["dev2_name"])
    finally:
        plugins.network("ip_link_del_dev", device_name=LINKS["dev1_name"])
    with pytest.raises(XenAPI.Failure) as caught:
        plugins.network("ip_link_get_dev", device_name=LINKS["dev2_name"])
    assert caught.value.details[:2] == ["XENAPI_PLUGIN_EXCEPTION", "network_config"]


def test_a_command_that_is_not_allowed_is_refused(plugins: Plugins) -> None:
    """xenhost.network_config runs seventeen commands and no other."""
    with pytest.raises(XenAPI.Failure) as caught:
        plugins.network("rm")
    assert caught.value.details[:2] == ["XENAPI_PLUGIN_EXCEPTION", "network_config"]


def test_a_device_that_is_not_there_is_waited_for_in_vain(plugins: Plugins) -> None:
    """partition_utils.wait_for_dev: "" when it has not come in time."""
    assert not plugins.values("partition_utils.py", "wait_for_dev", "/dev/contract-nothing", 1)


def test_a_kernel_that_is_not_cached_is_empty(plugins: Plugins) -> None:
    """kernel.create_kernel_ramdisk: "" for one that is not cached."""
    args = {"cached-image": "contract-nothing", "new-image-uuid": "contract-new"}
    assert not plugins.texts("kernel.py", "create_kernel_ramdisk", **args)
