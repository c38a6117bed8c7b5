"""Licences: editions, what they restrict, and files."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from fake_xapi.datamodel.failure import Failure
from fake_xapi.fleet.golden import golden
from fake_xapi.lifecycle.editions import EDITIONS, FEATURES, FRESH, is_restricted, require
from tests.fake_xapi.verbs.kit.hosts import Host, add_host, over_host

ERAS = ("boston", "tampa", "clearwater", "latest")


def pool(host: Host) -> str:
    return host.world.ref(next(host.world.ids("pool")))


def licence(host: Host, one: str) -> dict[str, str]:
    return dict(host.row(one)["license_params"])


@pytest.mark.parametrize("release", ERAS)
def test_every_edition_writes_its_restrictions_on_host_and_pool(release: str) -> None:
    async def body(host: Host) -> None:
        host.set(host.host, license_server={"address": "localhost", "port": "27000"})
        for edition in EDITIONS[host.world.personality.era]:
            await host.call("host.apply_edition", host.host, edition.name)
            told = licence(host, host.host)
            assert (host.row(host.host)["edition"], told["sku_type"], told["sku_marketing_name"]) == (edition.name,) * 2 + (edition.title,)
            missing = {feature.name for feature in FEATURES if told.get(feature.key) == feature.value(is_restricted=True)}
            lacks = {feature.name for feature in FEATURES if feature.name in edition.lacks and feature.key in told}
            assert missing == lacks
            restrictions = host.row(pool(host))["restrictions"]
            assert restrictions == {key: value for key, value in told.items() if key in restrictions}
            assert {feature.name for feature in FEATURES if is_restricted(host.world, feature.name)} == lacks

    over_host(body, release)


@pytest.mark.parametrize("release", ERAS)
def test_a_fresh_host_is_licensed_as_its_edition_says(release: str) -> None:
    base = golden(release)
    era, row = base.world.personality.era, base.world[base.host]
    assert row["edition"] == row["license_params"]["sku_type"] == FRESH[era]
    assert row["editions"] == tuple(edition.name for edition in EDITIONS[era])
    (lacks,) = (edition.lacks for edition in EDITIONS[era] if edition.name == FRESH[era])
    assert {feature.name for feature in FEATURES if is_restricted(base.world, feature.name)} == lacks


def test_a_pool_has_what_all_its_hosts_have() -> None:
    async def body(host: Host) -> None:
        other = add_host(host, license_server={"address": "localhost", "port": "27000"})
        host.set(host.host, license_server={"address": "localhost", "port": "27000"})
        await host.call("pool.apply_edition", pool(host), "premium-per-socket")
        assert not is_restricted(host.world, "Pool_size")
        await host.call("host.apply_edition", other, "free", False)
        assert is_restricted(host.world, "Pool_size")
        assert await host.call("pool.get_license_state", pool(host)) == {"edition": "free", "expiry": "never"}
        with pytest.raises(Failure) as refused:
            require(host.world, "Pool_size")
        assert refused.value.details == ["LICENCE_RESTRICTION", "Pool_size"]
        require(host.world, "DR")

    over_host(body)


def test_an_edition_for_the_pool_is_for_all_hosts_or_none() -> None:
    async def body(host: Host) -> None:
        add_host(host, license_server={"address": "", "port": "27000"})
        host.set(host.host, license_server={"address": "localhost", "port": "27000"})
        await host.call("pool.apply_edition", pool(host), "free")
        refusal = ["LICENSE_CHECKOUT_ERROR", "license_server", "The license server could not be contacted"]
        assert await host.refused("pool.apply_edition", pool(host), "desktop") == refusal
        assert {row["edition"] for _, row in host.world.rows("host")} == {"free"}
        assert await host.refused("pool.apply_edition", pool(host), "golden") == ["INVALID_EDITION", "golden"]

    over_host(body)


@pytest.mark.parametrize(
    ("server", "edition", "refusal"),
    [
        ({"address": "localhost", "port": "27000"}, "gold", ["INVALID_EDITION", "gold"]),
        (
            {"address": "localhost", "port": ""},
            "platinum",
            ["LICENSE_CHECKOUT_ERROR", "license_server", "The license server could not be contacted"],
        ),
        ({}, "platinum", ["LICENSE_CHECKOUT_ERROR", "license_server", "The license server could not be contacted"]),
    ],
)
def test_editions_that_are_refused(server: dict[str, str], edition: str, refusal: list[str]) -> None:
    async def body(host: Host) -> None:
        host.set(host.host, license_server=server)
        assert await host.refused("host.apply_edition", host.host, edition) == refusal
        await host.call("host.apply_edition", host.host, "free")

    over_host(body, "tampa")


def test_the_edition_stays_while_ha_is_on() -> None:
    async def body(host: Host) -> None:
        await host.call("host.apply_edition", host.host, "free")
        host.set(pool(host), ha_enabled=True)
        assert await host.refused("host.apply_edition", host.host, "desktop") == ["HA_IS_ENABLED"]
        await host.call("host.apply_edition", host.host, "free")

    over_host(body)


def file(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


GOOD = '<xe_license sku_type="enterprise" expiry="1356998400.0" serialnumber="S1" company="Example"/>'


def test_a_licence_file_until_it_is_removed() -> None:
    async def body(host: Host) -> None:
        await host.call("host.license_apply", host.host, file(GOOD))
        told = licence(host, host.host)
        assert {key: told[key] for key in ("sku_type", "expiry", "serialnumber", "company")} == {
            "sku_type": "enterprise",
            "expiry": "20130101T00:00:00Z",
            "serialnumber": "S1",
            "company": "Example",
        }
        assert host.row(host.host)["edition"] == "enterprise"

    over_host(body, "tampa")

    async def later(host: Host) -> None:
        await host.call("host.license_add", host.host, file(GOOD.replace("enterprise", "desktop")))
        assert await host.call("pool.get_license_state", pool(host)) == {"edition": "desktop", "expiry": "20130101T00:00:00Z"}
        await host.call("host.license_remove", host.host)
        assert await host.call("pool.get_license_state", pool(host)) == {"edition": "free", "expiry": "never"}
        assert "serialnumber" not in licence(host, host.host)

    over_host(later)


@pytest.mark.parametrize(
    ("contents", "refusal"),
    [
        ("not base64!", ["LICENSE_PROCESSING_ERROR"]),
        (file("no xml"), ["LICENSE_PROCESSING_ERROR"]),
        (file("<other expiry='1356998400' sku_type='desktop'/>"), ["LICENSE_PROCESSING_ERROR"]),
        (file("<xe_license sku_type='desktop'/>"), ["LICENSE_PROCESSING_ERROR"]),
        (file("<xe_license expiry='1356998400'/>"), ["LICENSE_PROCESSING_ERROR"]),
        (file("<xe_license expiry='nan' sku_type='desktop'/>"), ["LICENSE_PROCESSING_ERROR"]),
        (file("<xe_license expiry='1356998400' sku_type='gold'/>"), ["LICENSE_PROCESSING_ERROR"]),
        (file("<xe_license expiry='1' sku_type='desktop'/>"), ["LICENSE_EXPIRED"]),
    ],
)
def test_files_that_are_none(contents: str, refusal: list[str]) -> None:
    async def body(host: Host) -> Any:
        return await host.refused("host.license_add", host.host, contents)

    assert over_host(body) == refusal


def test_updates_are_a_feature() -> None:
    async def body(host: Host) -> list[str]:
        host.set(pool(host), restrictions={"restrict_updates": "true"})
        return await host.refused("pool.sync_updates", pool(host), False)

    assert over_host(body) == ["LICENCE_RESTRICTION", "Updates"]
