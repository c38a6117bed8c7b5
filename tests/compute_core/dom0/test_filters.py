"""What may pass ports by the flows of a real Open vSwitch: packets are sent, and seen where they come out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from compute_core.dom0 import filters, flows
from compute_core.dom0.refusal import Refusal
from tests.compute_core.dom0.open_vswitch import Switch, switch

WEB, DB, OUTSIDE = "00:16:3e:00:00:01", "00:16:3e:00:00:02", "00:16:3e:00:00:99"
ADDRESSES = {WEB: "10.0.0.11", DB: "10.0.0.12", OUTSIDE: "10.0.0.99"}
BROADCAST = "ff:ff:ff:ff:ff:ff"
OUT: dict[str, Any] = {"direction": "egress", "ethertype": "IPv4", "protocol": None, "port_min": None, "port_max": None, "remotes": []}
HTTP = {**OUT, "direction": "ingress", "protocol": "tcp", "port_min": 80, "port_max": 80}
PORTS = {WEB: "vif1.0", DB: "vif2.0", OUTSIDE: "uplink"}

pytestmark = pytest.mark.open_vswitch


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Switch]:
    with switch(tmp_path_factory.mktemp("ovs") / "s") as made:
        made.plug("vif1.0", WEB)
        made.plug("vif2.0", DB)
        yield made


@pytest.fixture
def ovs(real: Switch) -> Switch:
    """The switch as it was, knowing where each MAC is."""
    filters.apply(real.machine(), {"is_whole": True})
    for mac, port in PORTS.items():
        real.send(port, arp(mac))
    return real


def arp(mac: str, address: str = "", to: str = BROADCAST) -> str:
    said = f"arp(sip={address or ADDRESSES[mac]},tip=10.0.0.1,op=1,sha={mac},tha=00:00:00:00:00:00)"
    return f"eth(src={mac},dst={to}),eth_type(0x0806),{said}"


def ip(mac: str, to: str, rest: str, proto: int, source: str = "") -> str:
    said = f"ipv4(src={source or ADDRESSES[mac]},dst={ADDRESSES[to]},proto={proto},tos=0,ttl=64,frag=no)"
    return f"eth(src={mac},dst={to}),eth_type(0x0800),{said},{rest}"


def tcp(mac: str, to: str, port: int, flags: str = "syn", source_port: int = 40000, source: str = "") -> str:
    return ip(mac, to, f"tcp(src={source_port},dst={port}),tcp_flags({flags})", 6, source)


def udp(mac: str, to: str, port: int, source_port: int = 40000) -> str:
    return ip(mac, to, f"udp(src={source_port},dst={port})", 17)


def port_filter(mac: str, *passages: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    told = {"port_id": "p", "device_id": "d", "mac": mac, "bridge": "xenbr0", "addresses": [ADDRESSES[mac]], "is_secured": True}
    return {**told, "passages": list(passages), **changes}


def apply(ovs: Switch, *ports: Mapping[str, Any], **more: Any) -> Any:
    return filters.apply(ovs.machine(), {"ports": list(ports), **more})


def test_what_no_rule_lets_in_stays_out(ovs: Switch) -> None:
    assert ovs.send("uplink", tcp(OUTSIDE, WEB, 22)) == {"vif1.0"}
    assert apply(ovs, port_filter(WEB, OUT, HTTP)) == {"absent": [], "refused": {}}
    assert ovs.send("uplink", tcp(OUTSIDE, WEB, 22)) == set()
    assert ovs.send("uplink", tcp(OUTSIDE, WEB, 80)) == {"vif1.0"}
    assert ovs.send("uplink", udp(OUTSIDE, WEB, 80)) == set()
    assert ovs.send("uplink", arp(OUTSIDE, to=WEB)) == {"vif1.0"}


def test_answers_pass_and_what_only_looks_like_one_does_not(ovs: Switch) -> None:
    apply(ovs, port_filter(WEB, OUT))
    assert ovs.send("uplink", tcp(OUTSIDE, WEB, 41001, "syn|ack", 443)) == set()
    assert ovs.send("vif1.0", tcp(WEB, OUTSIDE, 443, "syn", 41001)) == {"uplink"}
    assert ovs.send("uplink", tcp(OUTSIDE, WEB, 41001, "syn|ack", 443)) == {"vif1.0"}
    assert ovs.send("uplink", tcp(OUTSIDE, WEB, 41002, "syn|ack", 443)) == set()


def test_a_guest_speaks_under_its_own_address_alone(ovs: Switch) -> None:
    apply(ovs, port_filter(WEB, OUT))
    assert ovs.send("vif1.0", tcp(WEB, OUTSIDE, 443, source_port=42001)) == {"uplink"}
    assert ovs.send("vif1.0", tcp(WEB, OUTSIDE, 443, source_port=42002, source="10.0.0.66")) == set()
    assert ovs.send("vif1.0", tcp(DB, OUTSIDE, 443, source_port=42003)) == set()
    assert ovs.send("vif1.0", arp(WEB)) == {"uplink", "vif2.0"}
    assert ovs.send("vif1.0", arp(WEB, "10.0.0.1")) == set()
    assert ovs.send("vif1.0", udp(WEB, OUTSIDE, 68, 67)) == set()


def test_what_no_rule_lets_out_stays_in(ovs: Switch) -> None:
    apply(ovs, port_filter(WEB, {**OUT, "protocol": "udp", "port_min": 53, "port_max": 53, "remotes": ["10.0.0.99/32"]}))
    assert ovs.send("vif1.0", udp(WEB, OUTSIDE, 53, 43001)) == {"uplink"}
    assert ovs.send("vif1.0", udp(WEB, OUTSIDE, 54, 43002)) == set()
    assert ovs.send("vif1.0", udp(WEB, DB, 53, 43003)) == set()


def test_two_servers_of_one_bridge_are_kept_apart_by_both_their_rules(ovs: Switch) -> None:
    within = {**HTTP, "port_min": 5432, "port_max": 5432, "remotes": [ADDRESSES[WEB]]}
    apply(ovs, port_filter(WEB, OUT), port_filter(DB, OUT, within))
    assert ovs.send("vif1.0", tcp(WEB, DB, 5432, source_port=44001)) == {"vif2.0"}
    assert ovs.send("vif2.0", tcp(DB, WEB, 44001, "syn|ack", 5432)) == {"vif1.0"}
    assert ovs.send("vif1.0", tcp(WEB, DB, 22, source_port=44002)) == set()
    assert ovs.send("uplink", tcp(OUTSIDE, DB, 5432, source_port=44003)) == set()


def test_icmp_passes_by_type_and_code(ovs: Switch) -> None:
    echo = {**HTTP, "protocol": "icmp", "port_min": 8, "port_max": 0}
    apply(ovs, port_filter(WEB, OUT, echo))
    assert ovs.send("uplink", ip(OUTSIDE, WEB, "icmp(type=8,code=0)", 1)) == {"vif1.0"}
    assert ovs.send("uplink", ip(OUTSIDE, WEB, "icmp(type=13,code=0)", 1)) == set()


def test_protocols_are_taken_in_every_spelling_and_under_either_family(ovs: Switch) -> None:
    spelled = [{**OUT, "protocol": said, "ethertype": family} for said in ("017", "1", "58", "icmpv6") for family in ("IPv4", "IPv6")]
    typed = [{**passage, "port_min": 8} for passage in spelled[2:]]
    assert apply(ovs, port_filter(WEB, *spelled, *typed)) == {"absent": [], "refused": {}}
    assert ovs.send("vif1.0", udp(WEB, OUTSIDE, 53, 48001)) == {"uplink"}


def test_a_port_whose_filter_cannot_be_is_shut_and_the_others_are_kept(ovs: Switch) -> None:
    wrong = {**HTTP, "port_max": 99999}
    told = apply(ovs, port_filter(WEB, OUT, wrong), port_filter(DB, OUT, HTTP), gone=[{"mac": OUTSIDE, "bridge": "xenbr9"}])
    assert told == {"absent": [], "refused": {WEB: f"argument 'passages' has {wrong!r}"}}
    assert (ovs.send("uplink", tcp(OUTSIDE, WEB, 80)), ovs.send("vif1.0", arp(WEB))) == (set(), set())
    assert ovs.send("uplink", tcp(OUTSIDE, DB, 80, source_port=48002)) == {"vif2.0"}
    assert ovs.send("uplink", tcp(OUTSIDE, DB, 22, source_port=48003)) == set()


def test_a_port_that_is_not_secured_or_gone_is_open_and_one_that_is_off_is_shut(ovs: Switch) -> None:
    apply(ovs, port_filter(WEB, OUT), port_filter(DB, OUT))
    apply(ovs, port_filter(WEB, is_secured=False), gone=[{"mac": DB, "bridge": "xenbr0"}])
    assert ovs.send("uplink", tcp(OUTSIDE, WEB, 22)) == {"vif1.0"}
    assert ovs.send("uplink", tcp(OUTSIDE, DB, 22)) == {"vif2.0"}
    apply(ovs, port_filter(WEB, addresses=[]))
    assert (ovs.send("uplink", arp(OUTSIDE, to=WEB)), ovs.send("vif1.0", arp(WEB))) == (set(), set())


def test_rules_are_replaced_whole_and_nothing_is_left(ovs: Switch) -> None:
    before = ovs.flows()
    apply(ovs, port_filter(WEB, OUT, HTTP))
    first = len(ovs.flows())
    apply(ovs, port_filter(WEB, OUT, {**HTTP, "port_min": 443, "port_max": 443}))
    assert len(ovs.flows()) == first
    assert (
        ovs.send("uplink", tcp(OUTSIDE, WEB, 80, source_port=45001)),
        ovs.send("uplink", tcp(OUTSIDE, WEB, 443, source_port=45002)),
    ) == (
        set(),
        {"vif1.0"},
    )
    assert filters.apply(ovs.machine(), {"is_whole": True}) == {"absent": [], "refused": {}}
    assert ovs.flows() == before


def test_a_writing_that_was_broken_off_is_made_good(ovs: Switch) -> None:
    wanted = port_filter(WEB, OUT, HTTP)
    lines = flows.flows(flows.checked(port_filter(WEB, OUT, {**HTTP, "port_min": 22, "port_max": 22})), [ovs.ports["vif1.0"]], 1)
    for line in lines:
        ovs.ask("ovs-ofctl", "add-flow", "xenbr0", line)
    apply(ovs, wanted)
    assert ovs.send("uplink", tcp(OUTSIDE, WEB, 22, source_port=46001)) == set()
    assert ovs.send("uplink", tcp(OUTSIDE, WEB, 80, source_port=46002)) == {"vif1.0"}


def test_a_port_that_is_not_there_is_named(ovs: Switch) -> None:
    assert apply(ovs, port_filter(OUTSIDE, OUT), port_filter(WEB, OUT)) == {"absent": [OUTSIDE], "refused": {}}


def test_a_guest_that_starts_anew_has_another_port(ovs: Switch) -> None:
    apply(ovs, port_filter(WEB, OUT, HTTP))
    ovs.unplug("vif1.0")
    ovs.plug("vif1.0", WEB)
    try:
        apply(ovs, port_filter(WEB, OUT, HTTP))
        ovs.send("uplink", arp(OUTSIDE))
        ovs.send("vif1.0", arp(WEB))
        assert ovs.send("uplink", tcp(OUTSIDE, WEB, 80, source_port=47001)) == {"vif1.0"}
        assert ovs.send("uplink", tcp(OUTSIDE, WEB, 22, source_port=47002)) == set()
    finally:
        filters.apply(ovs.machine(), {"is_whole": True})


def test_what_has_passed_is_counted_as_the_guest_sees_it(ovs: Switch) -> None:
    for _ in range(3):
        ovs.send("vif1.0", arp(WEB))
    ovs.ask("ovs-vsctl", "--timeout=20", "wait-until", "Interface", "vif1.0", "statistics:rx_packets>=3")
    passed = filters.traffic(ovs.machine(), {})
    assert set(passed) == {WEB, DB}
    assert passed[WEB]["tx_packets"] >= 3
    assert passed[DB]["rx_packets"] >= 3


# ---- words -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("least", "most", "masks"),
    [
        (80, 80, ["80"]),
        (80, 81, ["0x0050/0xfffe"]),
        (1, 4, ["1", "0x0002/0xfffe", "4"]),
        (0, 65535, ["0x0000/0x0000"]),
        (1024, 65535, ["0x0400/0xfc00", "0x0800/0xf800", "0x1000/0xf000", "0x2000/0xe000", "0x4000/0xc000", "0x8000/0x8000"]),
    ],
)
def test_ranges_of_ports_become_few_masks(least: int, most: int, masks: list[str]) -> None:
    assert list(flows.masked_range(least, most)) == masks


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"mac": "00:16"}, "argument 'mac' is no MAC: '00:16'"),
        ({"addresses": ["10.0.0.1/8"]}, "argument 'addresses' has '10.0.0.1/8'"),
        ({"addresses": "10.0.0.1"}, f"argument 'ports' has no lists of addresses and passages at {WEB}"),
        ({"passages": [{}]}, "argument 'passages' has {}"),
        ({"passages": [{**OUT, "protocol": "all"}]}, f"argument 'passages' has { ({**OUT, 'protocol': 'all'})!r}"),
        ({"passages": [{**OUT, "remotes": ["::1"]}]}, f"argument 'passages' has { ({**OUT, 'remotes': ['::1']})!r}"),
        ({"passages": [{**OUT, "port_min": 70000}]}, f"argument 'passages' has { ({**OUT, 'port_min': 70000})!r}"),
        ({"passages": [{**OUT, "protocol": "icmp", "port_min": 256}]}, "'port_min': 256, 'port_max': None, 'remotes': []}"),
        ({"passages": [{**OUT, "remotes": ["10.0.0.0/33"]}]}, "'remotes': ['10.0.0.0/33']}"),
        ({"passages": [{**OUT, "ethertype": "IPv6", "remotes": ["fe80::%eth0/64"]}]}, "'remotes': ['fe80::%eth0/64']}"),
        ({"passages": [{**OUT, "protocol": []}]}, "'port_min': None, 'port_max': None, 'remotes': []}"),
        ({"passages": [{**OUT, "protocol": "²"}]}, "'port_min': None, 'port_max': None, 'remotes': []}"),
    ],
)
def test_a_filter_that_cannot_be_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refusal) as caught:
        flows.checked({**port_filter(WEB), **changes})
    assert str(caught.value).endswith(reason)


def test_cookies_of_ours_are_told_from_others() -> None:
    assert flows.generation_of(flows.cookie(WEB, 7)) == (WEB, 7)
    assert (flows.generation_of("0x0"), flows.generation_of("0x1")) == (None, None)


def test_versions_six_and_neighbours_are_kept_to_their_address() -> None:
    lines = flows.flows(flows.checked(port_filter(WEB, {**OUT, "ethertype": "IPv6"}, addresses=["fd00::b"])), [3, 5], 1)
    assert any("nd_target=fd00::b actions=resubmit(,63)" in line for line in lines)
    assert any(line.endswith("in_port=5,dl_src=00:16:3e:00:00:01,ipv6,ipv6_src=fd00::b actions=ct(table=62,zone=3)") for line in lines)
