"""Security groups: what they let pass each port, who is in them, and of whose ports a change tells."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import Connection

from compute_core.model.errors import Conflict, NotFound, OverQuota
from compute_core.model.networks import Passage, PortFilter, Rule, SecurityGroup, Wish
from compute_core.networks.embedded import EmbeddedNetworks
from compute_core.store import security_groups
from tests.compute_core.networks.test_embedded import OTHERS, PROJECT, allocated, database_url, within

__all__ = ["database_url"]

OUT = (Passage("egress", "IPv4"), Passage("egress", "IPv6"))


async def none_changed(networks: EmbeddedNetworks) -> bool:
    try:
        await asyncio.wait_for(networks.changed(), 0.01)
    except TimeoutError:
        return True
    return False


def test_a_project_has_a_default_group_that_lets_its_members_in(database_url: str) -> None:
    async def body(networks: EmbeddedNetworks) -> None:
        group = await networks.groups.default(PROJECT)
        said = [(rule.direction, rule.ethertype, rule.remote_group) for rule in group.rules]
        assert (group.name, said) == (
            "default",
            [("egress", "IPv4", None), ("egress", "IPv6", None), ("ingress", "IPv4", group.id), ("ingress", "IPv6", group.id)],
        )
        assert [each.id for each in await networks.groups.list(PROJECT)] == [group.id]
        assert (await networks.groups.default(OTHERS)).id != group.id

    within(database_url, body)


def test_members_of_the_default_group_reach_each_other() -> None:
    async def body(networks: EmbeddedNetworks) -> None:
        first, second = await allocated(networks, "i"), await allocated(networks, "j")
        within_group = Passage("ingress", "IPv4", remotes=(first.ip, second.ip))
        assert await networks.filters(["i", "nobody"]) == (
            PortFilter(first.id, "i", first.mac, "xenbr0", (first.ip,), passages=(*OUT, within_group)),
        )
        assert {port.device_id for port in await networks.filters(["i", "j"])} == {"i", "j"}

    within("sqlite://", body)


def test_rules_of_all_groups_of_a_port_add_up() -> None:
    async def body(networks: EmbeddedNetworks) -> None:
        groups = networks.groups
        web, empty = await groups.create(PROJECT, "web", "of the web"), await groups.create(PROJECT, "empty", "")
        await groups.add_rule(web.id, direction="ingress", protocol="tcp", port_min=80, port_max=80)
        await groups.add_rule(web.id, direction="ingress", protocol="icmp", remote_prefix="10.0.0.0/8")
        await groups.add_rule(web.id, direction="ingress", protocol="udp", remote_group=empty.id)
        vif = await networks.allocate("i", PROJECT, Wish(groups=(web.id,)))
        (filtered,) = await networks.filters(["i"])
        assert filtered.passages == (
            *OUT,
            Passage("ingress", "IPv4", "tcp", 80, 80),
            Passage("ingress", "IPv4", "icmp", remotes=("10.0.0.0/8",)),
        )
        await networks.update_port(vif.id, is_secured=False, security_groups=())
        assert await networks.filters(["i"]) == (PortFilter(vif.id, "i", vif.mac, "xenbr0", (vif.ip,), is_secured=False),)
        await networks.update_port(vif.id, is_secured=True, is_up=False)
        assert await networks.filters(["i"]) == (PortFilter(vif.id, "i", vif.mac, "xenbr0", ()),)

    within("sqlite://", body)


def test_a_change_tells_of_the_servers_whose_ports_it_concerns() -> None:
    async def body(networks: EmbeddedNetworks) -> None:
        groups = networks.groups
        web, db = await groups.create(PROJECT, "web", ""), await groups.create(PROJECT, "db", "")
        await networks.allocate("front", PROJECT, Wish(groups=(web.id,)))
        back = await networks.allocate("back", PROJECT, Wish(groups=(db.id,)))
        assert await none_changed(networks)
        rule = await groups.add_rule(db.id, direction="ingress", protocol="tcp", port_min=5432, port_max=5432, remote_group=web.id)
        assert await networks.changed() == {"back"}
        await networks.allocate("second", PROJECT, Wish(groups=(web.id,)))
        assert await networks.changed() == {"back"}
        await networks.release("second")
        assert await networks.changed() == {"back"}
        await networks.update_port(back.id, security_groups=(web.id, db.id))
        assert await networks.changed() == {"back"}
        await groups.remove_rule(rule.id, PROJECT)
        assert await networks.changed() == {"back"}
        await networks.update_port(back.id, name="renamed")
        assert await none_changed(networks)

    within("sqlite://", body)


def test_groups_in_use_stay_and_rules_are_added_once(database_url: str) -> None:
    async def body(networks: EmbeddedNetworks) -> None:
        groups = networks.groups
        default, web = await groups.default(PROJECT), await groups.create(PROJECT, "web", "")
        port = await networks.create_port(PROJECT, Wish(groups=(web.id,)))
        with pytest.raises(Conflict, match=f"Security Group {web.id} in use"):
            await groups.delete(web.id)
        with pytest.raises(Conflict, match="Cannot delete the default security group"):
            await groups.delete(default.id)
        rule = await groups.add_rule(default.id, direction="ingress", remote_group=web.id, description="from the web")
        with pytest.raises(Conflict, match=f"Security group rule already exists. Rule id is {rule.id}"):
            await groups.add_rule(default.id, direction="ingress", remote_group=web.id)
        assert rule == Rule(rule.id, "ingress", remote_group=web.id, description="from the web", created_at=rule.created_at)
        await networks.delete_port(port.id)
        await groups.delete(web.id)
        assert rule not in (await groups.default(PROJECT)).rules
        for missing in (groups.get(web.id), groups.change(web.id, name="n"), groups.delete(web.id)):
            with pytest.raises(NotFound, match=f"Security group {web.id} does not exist"):
                await missing
        with pytest.raises(NotFound, match="Security group rule nothing does not exist"):
            await groups.remove_rule("nothing", None)

    within(database_url, body)


def test_a_rule_that_comes_while_another_group_is_deleted_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(networks: EmbeddedNetworks) -> None:
        groups = networks.groups
        web, db = await groups.create(PROJECT, "web", ""), await groups.create(PROJECT, "db", "")
        named = await groups.add_rule(db.id, direction="ingress", remote_group=web.id)
        late, listed = Rule("late", "ingress", protocol="tcp"), security_groups.listed

        def and_then_another_adds(connection: Connection, project_id: str | None = None) -> tuple[SecurityGroup, ...]:
            found = listed(connection, project_id)
            security_groups.add_rule(connection, db.id, late, "")
            return found

        monkeypatch.setattr(security_groups, "listed", and_then_another_adds)
        await groups.delete(web.id)
        kept = (await groups.get(db.id)).rules
        assert (late in kept, named in kept) == (True, False)

    within("sqlite://", body)


def test_a_group_has_no_more_rules_than_the_quota() -> None:
    async def body(networks: EmbeddedNetworks) -> None:
        web = await networks.groups.create(PROJECT, "web", "")
        for port in range(98):
            await networks.groups.add_rule(web.id, direction="ingress", protocol="tcp", port_min=port, port_max=port)
        with pytest.raises(OverQuota) as caught:
            await networks.groups.add_rule(web.id, direction="ingress", protocol="tcp", port_min=98, port_max=98)
        told = "Quota exceeded for resources: ['security_group_rule']."
        assert (caught.value.status, caught.value.name, caught.value.message) == (409, "OverQuota", told)

    within("sqlite://", body)


def test_a_group_is_renamed_and_counts_its_changes() -> None:
    async def body(networks: EmbeddedNetworks) -> None:
        made = await networks.groups.create(PROJECT, "web", "")
        changed = await networks.groups.change(made.id, name="front", description="d")
        assert (changed.name, changed.description, changed.revision, changed.rules) == ("front", "d", 2, made.rules)

    within("sqlite://", body)
