"""A host joins a pool and leaves it again: what is asked, what is refused, and where its agent finds it afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from compute_core.compute.following import HasMoved, check_alone
from compute_core.model.errors import Conflict, HostUnreachable
from compute_core.xenapi import pooling
from compute_core.xenapi.errors import XenApiFailure
from compute_core.xenapi.place import NULL, learn
from compute_core.xenapi.records import vdi_record
from compute_core.xenapi.session import Account, Login, Session
from fake_xapi.engine.virtual_time import run_virtual
from fake_xapi.fleet.fleet import Fleet, Order
from tests.compute_core.faults.scene import finder
from tests.compute_core.simulated import Wire

MASTER, JOINER = "http://127.0.1.1", "http://127.0.1.2"
RESTART_S = 300.0


@dataclass
class Pair:
    """Two hosts that stand alone, and a session of each agent's."""

    fleet: Fleet
    master: Session
    joiner: Session


def session(fleet: Fleet, url: str, password: str = "xenroot") -> Session:
    find = finder(fleet)
    return Session(Login(Account(url, "root", password), lambda where: Wire(find(where))))


def over(body: Callable[[Pair], Awaitable[None]]) -> None:
    async def main() -> None:
        fleet = Fleet(Order(hosts=2))
        pair = Pair(fleet, session(fleet, MASTER), session(fleet, JOINER))
        await body(pair)
        await pair.master.close()
        await pair.joiner.close()
        await fleet.close()

    run_virtual(main())


def test_a_host_joins_is_found_by_its_address_and_is_ejected_again() -> None:
    async def body(pair: Pair) -> None:
        blue, alone = await learn(pair.master, MASTER), await learn(pair.joiner, JOINER)
        await pooling.name_pool(pair.master, "blue")
        assert await pooling.has_member(pair.master, alone.uuid) is False

        await pooling.join(pair.joiner, "127.0.1.1")

        assert await pooling.has_member(pair.master, alone.uuid) is True
        await asyncio.sleep(RESTART_S)
        await pair.joiner.go_home()
        member = await learn(pair.joiner, JOINER)
        assert (member.uuid, member.pool, member.is_master, member.is_alone) == (alone.uuid, blue.pool, False, False)
        assert urlsplit(pair.joiner.url).hostname == "127.0.1.1"
        assert (await learn(pair.master, MASTER)).is_alone is False

        await pooling.eject(pair.joiner, member.host)
        await pooling.eject(pair.joiner, member.host)

        assert await pooling.has_member(pair.master, alone.uuid) is False
        with pytest.raises(HostUnreachable, match="leads to a pool that does not know the host"):
            await learn(pair.joiner, JOINER)
        await asyncio.sleep(RESTART_S)
        await pair.joiner.go_home()
        again = await learn(pair.joiner, JOINER)
        assert (again.is_master, again.is_alone, again.pool != blue.pool) == (True, True, True)

    over(body)


def test_an_account_that_the_master_does_not_know_is_told_with_a_cure() -> None:
    async def body(pair: Pair) -> None:
        await pair.joiner.call("session.change_password", "xenroot", "other")
        stranger = session(pair.fleet, JOINER, "other")
        with pytest.raises(Conflict, match="same user and password in the inventory"):
            await pooling.join(stranger, "127.0.1.1")
        await stranger.close()

    over(body)


def test_a_host_whose_own_disks_hold_what_is_somebodys_is_not_ejected() -> None:
    async def body(pair: Pair) -> None:
        alone = await learn(pair.joiner, JOINER)
        somebodys = vdi_record(alone.sr, "a database", 1 << 20, {})
        ours = vdi_record(alone.sr, "a server's", 1 << 20, {"inova-instance-uuid": "u"})
        for record in (ours, somebodys):
            await pair.joiner.call("VDI.create", record)
        with pytest.raises(Conflict, match=r"would be lost and is not ours: a database\. Cure"):
            await pooling.eject(pair.joiner, alone.host)

    over(body)


def test_what_xenserver_has_against_it_goes_through() -> None:
    async def body(pair: Pair) -> None:
        with pytest.raises(XenApiFailure, match="JOINING_HOST_SERVICE_FAILED"):
            await pooling.join(pair.joiner, "192.0.2.1")
        place = await learn(pair.master, MASTER)
        with pytest.raises(XenApiFailure, match="Cannot_eject_master"):
            await pooling.eject(pair.master, place.host)

    over(body)


@pytest.mark.parametrize(
    ("alone", "homes", "is_over"),
    [("me", ("me", NULL), False), ("me", (NULL, "me"), False), ("me", (NULL, "other"), True), ("me", ("other", "me"), True),
     ("", ("other", "other"), False)],
)  # fmt: skip
def test_a_host_is_alone_until_vms_are_at_home_elsewhere(alone: str, homes: tuple[str, str], is_over: bool) -> None:
    records = [{"resident_on": homes[0], "affinity": homes[1]}]
    if is_over:
        with pytest.raises(HasMoved):
            check_alone(alone, records)
    else:
        check_alone(alone, records)
