"""What malformed calls once broke: each with the answer that it has now."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fake_xapi.engine.query import MAX_DEPTH
from fake_xapi.fleet.fleet import Order
from fake_xapi.fleet.hardware_file import BadHardware, read_hardware
from fake_xapi.fleet.state_file import FIRST_LINE, load_fleet
from fake_xapi.state.storage import BadWorldFile
from tests.fake_xapi.stateful.room import Room

NULL = "OpaqueRef:NULL"


@pytest.fixture
def room() -> Iterator[Room]:
    made = Room(Order(vms=1))
    yield made
    made.close()


@pytest.mark.parametrize(
    "text",
    ["9" * 5000, "9223372036854775808", "-9223372036854775809", "0x", "0x_", "_1", "1 ", "\u0661", "0x10000000000000000", "", "1.0", "--1"],
)
def test_what_is_no_64_bit_integer_is_refused_in_ocamls_words(room: Room, text: str) -> None:
    vm = room.call("VM.get_all")[0]
    assert room.refusal("VM.set_user_version", vm, text) == ["INTERNAL_ERROR", 'Failure("Int64.of_string")']


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1_000", 1000),
        ("1__0_", 10),
        ("-7", -7),
        ("0x1F", 31),
        ("-0x2", -2),
        ("0xffffffffffffffff", -1),
        ("9223372036854775807", (1 << 63) - 1),
    ],
)
def test_integers_are_read_as_ocaml_reads_them(room: Room, text: str, number: int) -> None:
    vm = room.call("VM.get_all")[0]
    room.call("VM.set_user_version", vm, text)
    assert room.call("VM.get_user_version", vm) == number


@pytest.mark.parametrize("expression", ["(" * 5000 + "true" + ")" * 5000, "not " * 5000 + "true"])
def test_an_expression_too_deep_to_be_meant_is_refused(room: Room, expression: str) -> None:
    reason = f"more than {MAX_DEPTH} expressions inside one another"
    assert room.refusal("VM.get_all_records_where", expression) == ["INVALID_VALUE", expression, reason]


@pytest.mark.parametrize("word", ["or", "and"])
def test_an_expression_may_be_as_long_as_a_request(room: Room, word: str) -> None:
    expression = f" {word} ".join(['field "is_a_template" = "true"'] * 5000)
    assert len(room.call("VM.get_all_records_where", expression)) > 3


def test_interfaces_that_lie_on_each_other_end_what_is_asked_of_them(room: Room) -> None:
    first, second = room.call("PIF.get_all")[:2]
    for tagged, untagged in ((first, second), (second, first), (first, first)):
        room.call("VLAN.pool_introduce", tagged, untagged, "1", {})
    network = room.call("PIF.get_network", first)
    assert room.refusal("tunnel.create", first, network, "gre")[0] == "NETWORK_ALREADY_CONNECTED"
    assert room.refusal("host.get_data_sources", room.call("host.get_all")[0]) == []


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 0.5])
def test_shadow_memory_is_a_number_of_times(room: Room, value: float) -> None:
    vm = room.call("VM.get_all")[0]
    assert room.refusal("VM.set_HVM_shadow_multiplier", vm, value)[:2] == ["INVALID_VALUE", "HVM_shadow_multiplier"]


def test_a_record_with_endless_shadow_memory_makes_a_vm(room: Room) -> None:
    vm = next(ref for ref in room.call("VM.get_all") if not room.call("VM.get_is_control_domain", ref))
    record: dict[str, Any] = {**room.call("VM.get_record", vm), "HVM_shadow_multiplier": float("inf")}
    assert room.call("VM.create", record).startswith("OpaqueRef:")


@pytest.mark.parametrize("address", ["fe80::1", "http://x", "127.0.0.1:", "127.0.0.1:\u0661", "127.0.0.1:" + "9" * 5000, "a:b:c"])
def test_a_master_at_what_is_no_address_is_not_reached(room: Room, address: str) -> None:
    assert room.refusal("pool.join", address, "root", "x")[0] == "JOINING_HOST_SERVICE_FAILED"


def test_storage_for_a_cache_names_its_site(room: Room) -> None:
    host = room.call("host.get_all")[0]
    assert room.refusal("PVS_cache_storage.create", {"host": host, "SR": NULL}) == ["HANDLE_INVALID", "PVS_site", NULL]


def test_a_host_whose_name_is_no_ascii_makes_itself_a_certificate(room: Room) -> None:
    host = room.call("host.get_all")[0]
    room.call("host.set_hostname_live", host, "\u03c7en" * 16)
    assert room.refusal("host.reset_server_certificate", host) == []


ELSEWHERE = [
    "169.254.169.254",
    "10.0.0.1:8080",
    "xenserver.example.com",
    "[2001:db8::1]:80",
    "0.0.0.0",
    "2130706433",
    "127.1",
    "127.0.0.1.example.com",
]


@pytest.fixture
def nobody_dials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opens a connection fails the test."""

    async def dialled(*args: Any, **_: Any) -> None:
        raise AssertionError(f"{args} was dialled")

    monkeypatch.setattr("asyncio.open_connection", dialled)


@pytest.mark.usefixtures("nobody_dials")
@pytest.mark.parametrize("where", ELSEWHERE)
def test_no_other_machine_is_ever_dialled(room: Room, where: str) -> None:
    sr = next(ref for ref in room.call("SR.get_all") if room.call("SR.get_content_type", ref) == "user")
    assert room.refusal("pool.join", where, "root", "x") == ["JOINING_HOST_SERVICE_FAILED"]
    assert room.refusal("VM.import", f"http://{where}/vm.xva", sr, False, False)[0] == "CANNOT_CONTACT_HOST"


@pytest.mark.parametrize(
    "url", ["http://[", "http://127.0.0.1:99999/", "file:///etc/passwd", "gopher://127.0.0.1/", "http://127.0.0.1:0/", "http:///x", ""]
)
def test_what_is_no_url_of_the_web_is_not_fetched(room: Room, url: str) -> None:
    sr = next(ref for ref in room.call("SR.get_all") if room.call("SR.get_content_type", ref) == "user")
    assert room.refusal("VM.import", url, sr, False, False) == ["INVALID_VALUE", "url", url]


@pytest.mark.parametrize("release", ["boston", "clearwater", "latest"])
def test_a_disk_is_introduced_by_each_release_with_the_parameters_that_it_has(release: str) -> None:
    room = Room(Order(personality=release))
    sr = next(ref for ref in room.call("SR.get_all") if room.call("SR.get_content_type", ref) == "user")
    vdi = room.call("VDI.db_introduce", "11111111-2222-4333-8444-555555555555", "n", "d", sr, "user", False, False, {}, "there")
    assert (room.call("VDI.get_name_label", vdi), room.call("VDI.get_location", vdi)) == ("n", "there")
    room.close()


def test_certificates_that_are_no_text_of_base64_make_no_pool_ready_for_secure_boot(room: Room) -> None:
    pool = room.call("pool.get_all")[0]
    room.call("pool.set_custom_uefi_certificates", pool, "\u00e9\u00e9\u00e9\u00e9")
    assert room.call("pool.get_guest_secureboot_readiness", pool) == "not_ready"


@pytest.mark.parametrize("content", [msgspec.msgpack.encode(7), b"\xa1\xff", msgspec.msgpack.encode({"pool": "x"}), b"\x91" * 5000])
def test_what_lies_on_a_disk_where_a_database_could_is_not_believed(room: Room, content: bytes) -> None:
    sr = next(ref for ref in room.call("SR.get_all") if room.call("SR.get_content_type", ref) == "user")
    vdi = room.call(
        "VDI.create",
        {"SR": sr, "virtual_size": str(4 << 20), "type": "metadata", "sharable": False, "read_only": False, "other_config": {}},
    )
    packed = zlib.compress(content)
    room.xapi.disks.write(room.world.find_ref(vdi), 0, b"inova database 1\n" + len(packed).to_bytes(8, "big") + packed)
    assert room.call("VDI.read_database_pool_uuid", vdi) == ""


@pytest.mark.parametrize("damage", [b"\xa1\xff", b"\x91" * 5000, b"\xc1", b""])
def test_a_saved_fleet_that_is_damaged_is_refused_with_the_cure(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "fleet"
    path.write_bytes(FIRST_LINE + len(damage).to_bytes(8, "big") + damage)
    with pytest.raises(BadWorldFile, match="name another file, or remove this one to begin anew"):
        load_fleet(path)


@pytest.mark.parametrize("content", [b"\xff", b"[" * 100_000])
def test_a_file_that_is_no_text_describes_no_hardware(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "hardware.json"
    path.write_bytes(content)
    with pytest.raises(BadHardware, match="no JSON"):
        read_hardware(path)


def test_a_disk_that_is_cached_keeps_its_vm_where_it_is(room: Room) -> None:
    vm = next(
        ref
        for ref in room.call("VM.get_all")
        if room.call("VM.get_power_state", ref) == "Running" and not room.call("VM.get_is_control_domain", ref)
    )
    vdi = next(ref for vbd in room.call("VM.get_VBDs", vm) if (ref := room.call("VBD.get_VDI", vbd)) != NULL)
    assert "pool_migrate" in room.call("VM.get_allowed_operations", vm)
    room.call("VDI.set_allow_caching", vdi, True)
    assert "pool_migrate" not in room.call("VM.get_allowed_operations", vm)


def test_a_vm_of_countless_processors_takes_as_much_memory_as_an_int_can_say(room: Room) -> None:
    vm = next(ref for ref in room.call("VM.get_all") if room.call("VM.get_power_state", ref) == "Halted")
    room.call("VM.set_VCPUs_max", vm, str((1 << 63) - 1))
    assert room.call("VM.get_memory_overhead", vm) <= (1 << 63) - 1


def test_null_where_a_verb_needs_an_object_is_a_dead_handle_of_that_class(room: Room) -> None:
    pif = room.call("PIF.get_all")[0]
    assert room.refusal("host.enable_local_storage_caching", room.call("host.get_all")[0], NULL) == ["HANDLE_INVALID", "SR", NULL]
    assert room.refusal("tunnel.create", pif, NULL, "gre") == ["HANDLE_INVALID", "network", NULL]
    assert room.refusal("VM.get_record", NULL) == ["HANDLE_INVALID", "VM", NULL]


def test_a_tunnel_that_has_lost_an_end_does_not_keep_an_interface_from_coming_up(room: Room) -> None:
    pif = next(ref for ref in room.call("PIF.get_all") if not room.call("PIF.get_management", ref))
    room.call("PIF.unplug", pif)
    with room.world.edit() as edit:
        tunnel = edit.create("tunnel", access_PIF=0, transport_PIF=room.world.find_ref(pif), status={"active": "true"})
    room.call("PIF.plug", pif)
    assert room.world[tunnel]["status"] == {"active": "false"}
