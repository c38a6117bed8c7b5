"""Cables: what a lost carrier is seen in, what a bond tells of it, and that it stays lost."""

from __future__ import annotations

from fake_xapi.verbs.networks import links
from tests.fake_xapi.verbs.kit.hosts import Host, over_host
from tests.fake_xapi.verbs.kit.networks import bond, fields_of, nic, nobody_s_call


def pull(host: Host, pif: str, *, is_in: bool = False) -> None:
    """Pull the cable of a NIC, or put it in again."""
    links.set_cable(nobody_s_call(host), host.id(pif), is_in=is_in)


def _carrier(host: Host, pif: str) -> bool:
    return bool(host.world[host.row(pif)["metrics"]]["carrier"])


def test_a_nic_without_its_cable_has_no_carrier_and_stays_up() -> None:
    async def body(host: Host) -> None:
        pif = await nic(host, 1)
        pull(host, pif)
        assert (_carrier(host, pif), host.row(pif)["currently_attached"]) == (False, True)
        await host.call("PIF.unplug", pif)
        await host.call("PIF.plug", pif)
        assert not _carrier(host, pif)
        pull(host, pif, is_in=True)
        assert _carrier(host, pif)
        assert host.world.count("message") == 0

    over_host(body)


def test_a_forgotten_nic_has_still_no_cable() -> None:
    async def body(host: Host) -> None:
        pif = await nic(host, 1)
        pull(host, pif)
        await host.call("PIF.forget", pif)
        await host.call("PIF.scan", host.host)
        again = host.world.ref(host.row(host.host)["PIFs"][1])
        await host.call("PIF.plug", again)
        assert not _carrier(host, again)

    over_host(body)


def test_a_bond_bears_the_loss_of_a_link_and_tells_of_it() -> None:
    async def body(host: Host) -> None:
        first, second = await nic(host, 1), await nic(host, 2)
        made, master = await bond(host, first, second)
        pull(host, first)
        assert (host.row(made)["links_up"], _carrier(host, master)) == (1, True)
        pull(host, second)
        assert (host.row(made)["links_up"], _carrier(host, master)) == (0, False)
        pull(host, first, is_in=True)
        assert (host.row(made)["links_up"], _carrier(host, master)) == (1, True)
        assert fields_of(host, made, "primary_slave") == (host.id(first),)
        messages = [host.world[message] for message in sorted(host.world.ids("message"))]
        uuid = host.world.uuid(host.id(host.host))
        assert [(row["name"], row["priority"], row["cls"], row["obj_uuid"], row["body"]) for row in messages] == [
            ("BOND_STATUS_CHANGED", 3, "Host", uuid, f"The status of the eth1+eth2 bond changed: {now}/2 up (was {before}/2)")
            for before, now in ((2, 1), (1, 0), (0, 1))
        ]

    over_host(body)


def test_a_bond_that_is_made_without_a_link_knows() -> None:
    async def body(host: Host) -> None:
        first, second = await nic(host, 1), await nic(host, 2)
        pull(host, second)
        made, _ = await bond(host, first, second)
        assert host.row(made)["links_up"] == 1

    over_host(body)
