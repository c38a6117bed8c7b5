"""Traffic: rates and bytes agree, follow the time alone, and stop where nothing leads."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from fake_xapi.dom0 import traffic
from fake_xapi.dom0.traffic import Flows, Load, Traffic
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.dates import moment
from tests.fake_xapi.verbs.kit.hosts import Host, over_host
from tests.fake_xapi.verbs.kit.networks import bond, nic, vlan
from tests.fake_xapi.verbs.networks.test_links import pull


def vif_rates(world: World, vif: Id, now: datetime) -> Traffic:
    """Bytes per second of a VIF at a moment."""
    return _at(traffic.vif_flows(world, vif), now)


def pif_rates(world: World, pif: Id, now: datetime) -> Traffic:
    """Bytes per second of a PIF at a moment."""
    return _at(traffic.pif_flows(world, pif), now)


def _at(flows: Flows, now: datetime) -> Traffic:
    rx, tx = (flow(now.timestamp()) for flow in flows)
    return Traffic(rx, tx)


def test_bytes_are_the_sum_of_the_rates() -> None:
    load = Load(1000.0, 600.0, 1.0)
    summed = sum(load.rate(second + 0.5) for second in range(500))
    assert load.bytes_between(0, 500) == pytest.approx(summed, rel=1e-4)
    assert load.bytes_between(0, 600) == pytest.approx(600_000)
    assert min(load.rate(second) for second in range(600)) > 0


async def _talking(host: Host, network: str = "") -> tuple[str, Id, datetime]:
    """A running VM with one interface; and a moment, half an hour after it began."""
    vm = await host.vm()
    vif = await host.vif(vm, network=network or host.network)
    await host.call("VM.start", vm, False, False)
    return vm, host.id(vif), moment(host.world[host.row(vm)["metrics"]]["start_time"]) + timedelta(minutes=30)


def test_a_vif_counts_from_the_beginning_of_its_domain() -> None:
    async def body(host: Host) -> None:
        vm, vif, now = await _talking(host)
        later = now + timedelta(seconds=1)
        first, second = traffic.vif_bytes(host.world, vif, now), traffic.vif_bytes(host.world, vif, later)
        rate = vif_rates(host.world, vif, now)
        assert second.rx - first.rx == pytest.approx(rate.rx, rel=0.01, abs=2)
        assert second.tx - first.tx == pytest.approx(rate.tx, rel=0.01, abs=2)
        assert traffic.vif_bytes(host.world, vif, now - timedelta(minutes=30)) == Traffic(0, 0)
        assert 200 < rate.rx < 120_000
        await host.call("VM.pause", vm)
        assert vif_rates(host.world, vif, now) == Traffic()
        await host.call("VM.hard_shutdown", vm)
        assert traffic.vif_bytes(host.world, vif, now) == Traffic()

    over_host(body)


def test_interfaces_differ_and_their_wishes_and_limits_are_kept() -> None:
    async def body(host: Host) -> None:
        _, first, now = await _talking(host)
        _, second, _ = await _talking(host)
        assert vif_rates(host.world, first, now) != vif_rates(host.world, second, now)
        ref = host.world.ref(first)
        host.set(ref, other_config={"sim.rx": "1000000", "sim.tx": "lots"})
        wished = vif_rates(host.world, first, now)
        assert 200_000 <= wished.rx <= 1_800_000
        assert wished.tx < 120_000
        await host.call("VIF.set_qos_algorithm_type", ref, "ratelimit")
        await host.call("VIF.set_qos_algorithm_params", ref, {"kbps": "100"})
        limited = [vif_rates(host.world, first, now + timedelta(minutes=minute)).rx for minute in range(240)]
        assert 50 * 1024 < max(limited) <= 100 * 1024

    over_host(body)


def test_what_vms_say_goes_over_their_host_s_interface() -> None:
    async def body(host: Host) -> None:
        pif = await nic(host, 1)
        _, tagged = await vlan(host, pif)
        pair = [await _talking(host, host.world.ref(host.row(each)["network"])) for each in (pif, tagged)]
        now = pair[0][2]
        rates = [vif_rates(host.world, vif, now) for _, vif, _ in pair]
        assert pif_rates(host.world, host.id(pif), now) == Traffic(rates[0].rx + rates[1].rx, rates[0].tx + rates[1].tx)
        assert pif_rates(host.world, host.id(tagged), now) == rates[1]
        pull(host, pif)
        assert pif_rates(host.world, host.id(pif), now) == Traffic()
        assert [vif_rates(host.world, vif, now) for _, vif, _ in pair] == [Traffic(), Traffic()]

    over_host(body)


@pytest.mark.parametrize(("mode", "shares"), [("balance-slb", (0.5, 0.5)), ("active-backup", (1.0, 0.0))])
def test_the_members_of_a_bond_share_what_it_carries(mode: str, shares: tuple[float, float]) -> None:
    async def body(host: Host) -> None:
        members = [await nic(host, 1), await nic(host, 2)]
        _, master = await bond(host, *members, mode=mode)
        _, vif, now = await _talking(host, host.world.ref(host.row(master)["network"]))
        whole = vif_rates(host.world, vif, now)
        assert pif_rates(host.world, host.id(master), now) == whole
        assert [pif_rates(host.world, host.id(each), now) for each in members] == [
            Traffic(whole.rx * share, whole.tx * share) for share in shares
        ]
        pull(host, members[0])
        assert [pif_rates(host.world, host.id(each), now) for each in members] == [Traffic(), whole]

    over_host(body)


def test_a_host_talks_over_its_management_interface() -> None:
    async def body(host: Host) -> None:
        pif = host.row(host.host)["PIFs"][0]
        host.set(host.host, other_config={"boot_time": "1343779200."})
        now = datetime.fromtimestamp(1343779200 + 10).astimezone()
        host.set(host.world.ref(pif), metrics=host.kit.made("PIF_metrics", carrier=True))
        assert pif_rates(host.world, pif, now) == Traffic(2048, 2048)

    over_host(body)
