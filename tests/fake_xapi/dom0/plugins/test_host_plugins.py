"""The registry of plugins and its two forms; the plugins that tell of the host and change it."""

from __future__ import annotations

import asyncio
import base64
import json
import pickle
import zlib
from typing import Any

import pytest

from fake_xapi.engine.durations import durations
from fake_xapi.engine.settings import Settings
from fake_xapi.verbs.hosts.host_plugins import PLUGINS, Texts, Values
from tests.fake_xapi.dom0.plugins.dom0 import packed, running, texts, texts_refused, values, values_refused
from tests.fake_xapi.verbs.kit.hosts import GIB, Host, over_host

CALLED_BY_OPENSTACK: dict[str, tuple[str, ...]] = {
    "dom0_plugin_version": ("get_version",),
    "agent": ("version", "key_init", "password", "inject_file", "resetnetwork", "agentupdate"),
    "xenstore": ("read_record", "write_record", "delete_record"),
    "console": ("get_console_log",),
    "config_file": ("get_val",),
    "kernel": ("copy_vdi", "create_kernel_ramdisk", "remove_kernel_ramdisk"),
    "xenhost": (
        "host_data", "host_uptime", "set_host_enabled", "host_reboot", "host_shutdown", "host_join", "get_pci_device_details",
        "get_pci_type", "network_config",
    ),
    "bandwidth": ("fetch_all_bandwidth",),
    "glance": ("download_vhd2", "upload_vhd2"),
    "migration": ("transfer_vhd", "move_vhds_into_sr"),
    "workarounds": ("safe_copy_vdis",),
    "partition_utils": ("make_partition", "mkfs", "wait_for_dev"),
    "ipxe": ("inject",),
}  # fmt: skip
SERIALIZED = {
    "get_version", "get_pci_device_details", "get_pci_type", "network_config", "fetch_all_bandwidth", "download_vhd2", "upload_vhd2",
    "transfer_vhd", "move_vhds_into_sr", "safe_copy_vdis", "make_partition", "mkfs", "wait_for_dev", "inject",
}  # fmt: skip


def test_all_34_functions_that_openstack_calls_are_there_in_their_form() -> None:
    assert sum(len(functions) for functions in CALLED_BY_OPENSTACK.values()) == 34
    for plugin, functions in CALLED_BY_OPENSTACK.items():
        forms = {name: type(PLUGINS[plugin][name]) for name in functions}
        assert forms == {name: Values if name in SERIALIZED else Texts for name in functions}


@pytest.mark.parametrize("plugin", ["dom0_plugin_version", "dom0_plugin_version.py"])
def test_a_value_travels_as_a_pickle_or_as_a_text(plugin: str) -> None:
    async def body(host: Host) -> None:
        assert await values(host, plugin, "get_version") == "2.1"
        assert await texts(host, plugin, "get_version") == "2.1"

    over_host(body)


def test_a_function_of_texts_can_be_called_with_a_pickle() -> None:
    async def body(host: Host) -> None:
        _, domid = await running(host)
        for given in (packed(dom_id=domid, path="name"), packed({"dom_id": int(domid), "path": "name"})):
            answer = await host.call("host.call_plugin", host.host, "xenstore", "read_record", given)
            assert pickle.loads(answer.encode()) == '"web"'

    over_host(body)


def test_a_function_of_values_can_be_called_with_texts() -> None:
    async def body(host: Host) -> None:
        assert json.loads(await texts(host, "bandwidth", "fetch_all_bandwidth")) == {}
        assert await texts(host, "partition_utils", "wait_for_dev", dev_path="/dev/xvdz", max_seconds="1") == ""

    over_host(body)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_of_pickle_is_taken(protocol: int) -> None:
    async def body(host: Host) -> str:
        raw = pickle.dumps({"args": [{"cmd": "ip_link_get_dev", "args": {"device_name": "eth0"}}], "kwargs": {}}, protocol=protocol)
        given = {"params": raw.decode("latin-1")}
        return str(pickle.loads((await host.call("host.call_plugin", host.host, "xenhost", "network_config", given)).encode()))

    assert over_host(body).startswith("eth0: <")


@pytest.mark.parametrize(
    ("params", "kind", "text"),
    [
        ("cos\nsystem\n(S'exit 7'\ntR.", "UnpicklingError", "GLOBAL has no place in plain data"),
        ("garbage", "UnpicklingError", "not a pickle of plain data"),
        (pickle.dumps([1], 0).decode(), "TypeError", "params is no pickle of a dict"),
        (pickle.dumps({"args": 7}, 0).decode(), "TypeError", "args is no list"),
        (pickle.dumps({"kwargs": {1: 2}}, 0).decode(), "TypeError", "kwargs no dict of names"),
        (pickle.dumps({"args": [1, 2, 3]}, 0).decode(), "TypeError", "too many positional arguments"),
        (pickle.dumps({"kwargs": {"nothing": 2}}, 0).decode(), "TypeError", "got an unexpected keyword argument 'nothing'"),
    ],
)
def test_a_pickle_that_does_not_fit_is_an_exception_of_the_plugin(params: str, kind: str, text: str) -> None:
    async def body(host: Host) -> list[str]:
        return await host.refused("host.call_plugin", host.host, "dom0_plugin_version", "get_version", {"params": params})

    code, function, found, said = over_host(body)
    assert (code, function, found) == ("XENAPI_PLUGIN_EXCEPTION", "get_version", kind)
    assert text in said


@pytest.mark.parametrize(
    ("plugin", "function", "argument"),
    [("xenstore", "read_record", "dom_id"), ("config_file", "get_val", "key"), ("agent", "version", "id")],
)
def test_an_argument_that_is_missing_is_named(plugin: str, function: str, argument: str) -> None:
    async def body(host: Host) -> list[str]:
        return await texts_refused(host, plugin, function)

    assert over_host(body) == ["XENAPI_PLUGIN_EXCEPTION", function, "ArgumentError", f"Argument '{argument}' is required."]


def test_numbers_in_the_map_count_as_texts_and_structs_do_not() -> None:
    async def body(host: Host) -> None:
        refused = await host.refused("host.call_plugin", host.host, "agent", "version", {"id": 7, "dom_id": 9, "timeout": 30.5})
        assert refused[3] == "REBOOT: the domain 9 is not there"
        wrong = await host.refused("host.call_plugin", host.host, "agent", "version", {"id": {}})
        assert wrong == ["INTERNAL_ERROR", "Failure(\"Expected string, got '{}'\")"]

    over_host(body)


# ---- xenstore and console --------------------------------------------------------------------------------------------------------


def test_records_of_xenstore() -> None:
    async def body(host: Host) -> None:
        _, domid = await running(host, xenstore_data={"vm-data/hostname": "web"})
        at = {"dom_id": domid}
        assert await texts(host, "xenstore", "read_record", path="vm-data/hostname", **at) == '"web"'
        assert await texts(host, "xenstore", "read_record", path="attr/PVAddons/MajorVersion", **at) == "7"
        assert await texts(host, "xenstore", "read_record", path="vm-data/no", ignore_missing_path="True", **at) == '"None"'
        assert await texts(host, "xenstore", "write_record", path="vm-data/user-metadata/k", value='{"a": 1}', **at) == '{"a": 1}'
        assert json.loads(await texts(host, "xenstore", "list_records", path="vm-data", **at)) == {
            "hostname": "web",
            "user-metadata/k": '{"a": 1}',
        }
        assert await texts(host, "xenstore", "delete_record", path="vm-data/user-metadata", **at) == '""'
        assert json.loads(await texts(host, "xenstore", "list_records", path="vm-data", **at)) == {"hostname": "web"}

    over_host(body)


@pytest.mark.parametrize(
    ("function", "command", "args"),
    [
        ("read_record", "xenstore-read", {"path": "vm-data/no", "ignore_missing_path": "False"}),
        ("list_records", "xenstore-ls", {"path": "vm-data/no"}),
        ("delete_record", "xenstore-rm", {"path": "vm-data/no"}),
        ("write_record", "xenstore-write", {"path": "", "value": "1"}),
    ],
)
def test_a_record_that_is_not_there(function: str, command: str, args: dict[str, str]) -> None:
    async def body(host: Host) -> None:
        _, domid = await running(host)
        for number in (domid, "999"):
            path = f"/local/domain/{number}/{args['path']}"
            text = f"The command {command} failed with code 1: {command}: couldn't reach path {path}"
            refused = await texts_refused(host, "xenstore", function, dom_id=number, **args)
            assert refused == ["XENAPI_PLUGIN_EXCEPTION", function, "XenstoreError", text]

    over_host(body)


@pytest.mark.parametrize("path", ["a b", "a\nb", "ä", "a;b", "x" * 3001])
def test_a_path_that_xenstore_has_not_is_refused(path: str) -> None:
    async def body(host: Host) -> str:
        return (await texts_refused(host, "xenstore", "read_record", dom_id="1", path=path))[2]

    assert over_host(body) == "XenstoreError"


def test_the_console_keeps_its_end() -> None:
    async def body(host: Host) -> None:
        vm, domid = await running(host, PV_args="x" * 70_000)
        packed_log = await texts(host, "console", "get_console_log", dom_id=domid)
        log = zlib.decompress(base64.b64decode(packed_log)).decode()
        assert len(log) == 65_536
        assert log.endswith("web login: \r\n")
        await host.call("VM.clean_reboot", vm)
        again = await texts(host, "console", "get_console_log", dom_id=str(host.row(vm)["domid"]))
        assert "login:" not in zlib.decompress(base64.b64decode(again)).decode()

    over_host(body, settings=Settings(durations=durations("realistic")))


def test_bandwidth_grows_with_time() -> None:
    async def body(host: Host) -> None:
        _, domid = await running(host)
        before = await values(host, "bandwidth", "fetch_all_bandwidth")
        await asyncio.sleep(100)
        after = await values(host, "bandwidth", "fetch_all_bandwidth")
        assert set(before) == set(after) == {domid}
        assert set(before[domid]) == {"0"}
        assert set(before[domid]["0"]) == {"bw_in", "bw_out"}
        assert all(after[domid]["0"][way] > before[domid]["0"][way] >= 0 for way in ("bw_in", "bw_out"))

    over_host(body)


# ---- the host --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "value"), [("log_config_file", "/etc/xensource/log.conf"), ("nothing", "")])
def test_values_of_xapis_configuration(key: str, value: str) -> None:
    async def body(host: Host) -> str:
        return await texts(host, "config_file", "get_val", key=key)

    assert over_host(body) == value


def test_what_the_host_is() -> None:
    async def body(host: Host) -> None:
        await running(host)
        await texts(host, "xenhost", "set_config", params=json.dumps({"key": "rack", "value": "r7"}))
        data = json.loads(await texts(host, "xenhost", "host_data"))
        free = await host.call("host.compute_free_memory", host.host) // 1024
        assert data == {
            "host_memory": {"total": 16 * GIB // 1024, "overhead": 0, "free": free, "free-computed": free},
            "enabled": "true", "host_uuid": host.world.uuid(host.id(host.host)), "host_name-label": "h", "host_name-description": "",
            "host_hostname": "h", "host_ip_address": "10.0.0.1", "host_other-config": {},
            "host_capabilities": ["xen-3.0-x86_64", "hvm-3.0-x86_64"],
            "host_cpu_info": {"vendor": "GenuineIntel", "features": "1fc9", "cpu_count": 8}, "rack": "r7",
        }  # fmt: skip

    over_host(body)


def test_settings_of_the_host() -> None:
    async def body(host: Host) -> None:
        async def ask(function: str, **params: Any) -> Any:
            return json.loads(await texts(host, "xenhost", function, params=json.dumps(params)))

        assert await ask("get_config", key="rack") == ""
        assert await ask("set_config", key="rack", value="r7") == {"rack": "r7"}
        assert await ask("get_config", key="rack") == "r7"
        assert await ask("set_config", key="rack", value=None) == {}
        refused = await texts_refused(host, "xenhost", "get_config", params="{}")
        assert refused == ["XENAPI_PLUGIN_EXCEPTION", "get_config", "ArgumentError", "Argument 'key' is required."]

    over_host(body)


def test_how_long_the_host_is_up() -> None:
    async def body(host: Host) -> None:
        host.set(host.host, other_config={"boot_time": "1343520000."})
        assert json.loads(await texts(host, "xenhost", "host_uptime")) == {
            "uptime": " 00:00:00 up 3 days,  0:00,  1 user,  load average: 0.00, 0.01, 0.05"
        }

    over_host(body)


def test_a_host_is_disabled_and_enabled() -> None:
    async def body(host: Host) -> None:
        assert json.loads(await texts(host, "xenhost", "set_host_enabled", enabled="false")) == {"status": "disabled"}
        assert not host.row(host.host)["enabled"]
        assert json.loads(await texts(host, "xenhost", "set_host_enabled", enabled="true")) == {"status": "enabled"}
        assert host.row(host.host)["enabled"]
        refused = await texts_refused(host, "xenhost", "set_host_enabled", enabled="maybe")
        assert refused == ["XENAPI_PLUGIN_EXCEPTION", "set_host_enabled", "PluginError", "Illegal enabled status: maybe"]
        assert (await texts_refused(host, "xenhost", "host_start"))[3] == "Not supported: host_start"

    over_host(body)


def test_packet_filters_are_kept() -> None:
    async def body(host: Host) -> None:
        saved = json.loads(await texts(host, "xenhost", "iptables_config", cmd_args="iptables-save -t filter"))
        assert saved["out"].startswith("*filter\n")
        rules = "*filter\n:INPUT DROP [0:0]\nCOMMIT\n"
        restored = await texts(host, "xenhost", "iptables_config", cmd_args="iptables-restore", process_input=rules)
        assert json.loads(restored) == {"out": "", "err": ""}
        assert json.loads(await texts(host, "xenhost", "iptables_config", cmd_args="iptables-save"))["out"] == rules
        refused = await texts_refused(host, "xenhost", "iptables_config", cmd_args="rm -rf /")
        assert refused[3] == "Invalid iptables command: rm"

    over_host(body)


def test_a_collector_has_work_while_there_are_bases() -> None:
    async def body(host: Host) -> None:
        uuid = host.world.uuid(host.id(host.sr))
        assert await texts(host, "xenhost", "query_gc", sr_uuid=uuid) == "false"
        vdi = await host.disk()
        host.write(vdi, 0, b"x")
        await host.call("VDI.snapshot", vdi, {})
        assert await texts(host, "xenhost", "query_gc", sr_uuid=uuid) == "true"

    over_host(body)


def test_pci_devices() -> None:
    async def body(host: Host) -> None:
        here = host.id(host.host)
        nic = host.kit.made(
            "PCI", host=here, pci_id="0000:04:00.0", class_id="0200", vendor_id="8086", device_id="10fb", driver_name="ixgbe"
        )
        host.kit.made("PCI", host=here, pci_id="0000:04:10.0", class_id="0200", vendor_id="8086", physical_function=nic)
        host.kit.made("PCI", host=here, pci_id="0000:05:00.0", class_id="0300", other_config={"pciback": "true"})
        text = await values(host, "xenhost", "get_pci_device_details")
        assert text.split("\n\n")[0] == "Slot:\t0000:04:00.0\nClass:\t0200\nVendor:\t8086\nDevice:\t10fb\nDriver:\tixgbe"
        assert text.endswith("Slot:\t0000:05:00.0\nClass:\t0300\nDriver:\tpciback\n")
        kinds = [await values(host, "xenhost", "get_pci_type", pci) for pci in ("0000:04:00.0", "04:10.0", "0000:05:00.0")]
        assert kinds == ["type-PF", "type-VF", "type-PCI"]
        assert (await values_refused(host, "xenhost", "get_pci_type", "0000:99:00.0"))[2] == "OSError"

    over_host(body)


@pytest.mark.parametrize(("function", "action"), [("host_reboot", "reboot"), ("host_shutdown", "shutdown")])
def test_a_host_goes_down_with_its_guests_shut_down(function: str, action: str) -> None:
    async def body(host: Host) -> None:
        vm, _ = await running(host)
        answer = await texts(host, "xenhost", function)
        assert json.loads(answer) == {"power_action": action}
        assert host.row(vm)["power_state"] == "Halted"
        assert not host.row(host.host)["enabled"]

    over_host(body)
