"""Repository, and which repositories a pool uses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fake_xapi.verbs.kit.hosts import NULL, Host, over_host

BASE = ("base", "", "https://repo.example.com/base", "https://repo.example.com/src", False, "RPM-GPG-KEY-XS")


def pool(host: Host) -> str:
    return host.world.ref(next(host.world.ids("pool")))


def test_a_repository_is_known_until_it_is_forgotten() -> None:
    async def body(host: Host) -> None:
        base = await host.call("Repository.introduce", *BASE)
        record = (await host.call("Repository.get_record", base)).value()
        del record["uuid"]
        assert record == {
            "name_label": "base",
            "name_description": "",
            "binary_url": BASE[2],
            "source_url": BASE[3],
            "update": False,
            "hash": "",
            "up_to_date": False,
            "gpgkey_path": "RPM-GPG-KEY-XS",
            "origin": "remote",
            "certificate": "",
        }
        await host.call("Repository.set_gpgkey_path", base, "")
        await host.call("pool.add_repository", pool(host), base)
        await host.call("pool.add_repository", pool(host), base)
        assert await host.call("pool.get_repositories", pool(host)) == [base]
        assert await host.refused("Repository.forget", base) == ["REPOSITORY_IS_IN_USE"]
        await host.call("pool.remove_repository", pool(host), base)
        await host.call("Repository.forget", base)
        assert await host.call("Repository.get_all") == []

    over_host(body)


@pytest.mark.parametrize(
    ("call", "refusal"),
    [
        (("introduce", "b", "", "ftp://a", "https://b", True), ["INVALID_BASE_URL", "ftp://a"]),
        (("introduce", "b", "", "https://a", "https://", True), ["INVALID_BASE_URL", "https://"]),
        (("introduce", "b", "", "https://[", "https://b", True), ["INVALID_BASE_URL", "https://["]),
        (("introduce", "b", "", "https://a", "https://b", True, "../x"), ["INVALID_GPGKEY_PATH", "../x"]),
        (("introduce", "base", "", "https://a", "https://b", True), ["REPOSITORY_ALREADY_EXISTS", "base"]),
        (("introduce", "b", "", BASE[2], "https://b", True), ["REPOSITORY_ALREADY_EXISTS", "base"]),
        (("introduce_bundle", "base", ""), ["REPOSITORY_ALREADY_EXISTS", "base"]),
        (("introduce_bundle", "b", ""), ["BUNDLE_REPOSITORY_ALREADY_EXISTS", "bundle"]),
        (("introduce_remote_pool", "b", "", "https://[/repository/enabled", ""), ["INVALID_BASE_URL", "https://[/repository/enabled"]),
        (("introduce_remote_pool", "b", "", "https://1.2.3.4/other", ""), ["INVALID_BASE_URL", "https://1.2.3.4/other"]),
        (
            ("introduce_remote_pool", "b", "", "http://1.2.3.4/repository/enabled", ""),
            ["INVALID_BASE_URL", "http://1.2.3.4/repository/enabled"],
        ),
        (("introduce_remote_pool", "base", "", "https://1.2.3.4/repository/enabled", ""), ["REPOSITORY_ALREADY_EXISTS", "base"]),
    ],
)
def test_refusals(call: tuple[Any, ...], refusal: list[str]) -> None:
    async def body(host: Host) -> None:
        made = {
            "base": await host.call("Repository.introduce", *BASE),
            "bundle": await host.call("Repository.introduce_bundle", "bundle", ""),
        }
        assert await host.refused(f"Repository.{call[0]}", *call[1:]) == [refusal[0], made.get(refusal[1], refusal[1])]
        assert len(await host.call("Repository.get_all")) == 2

    over_host(body)


def test_origins() -> None:
    async def body(host: Host) -> None:
        bundle = await host.call("Repository.introduce_bundle", "bundle", "uploaded")
        remote = await host.call("Repository.introduce_remote_pool", "other", "", "https://1.2.3.4/repository/enabled", "PEM")
        assert [await host.call("Repository.get_origin", one) for one in (bundle, remote)] == ["bundle", "remote_pool"]
        assert [await host.call("Repository.get_update", one) for one in (bundle, remote)] == [True, True]
        assert await host.call("Repository.get_certificate", remote) == "PEM"
        assert await host.refused("Repository.set_gpgkey_path", bundle, "a/b") == ["INVALID_GPGKEY_PATH", "a/b"]

    over_host(body)


def test_a_proxy_is_kept_with_its_password_as_a_secret() -> None:
    async def body(host: Host) -> None:
        one = pool(host)
        await host.call("pool.configure_repository_proxy", one, "http://proxy:3128", "me", "first")
        await host.call("pool.configure_repository_proxy", one, "http://proxy:3129", "me", "second")
        row = host.row(one)
        assert (row["repository_proxy_url"], row["repository_proxy_username"]) == ("http://proxy:3129", "me")
        (secret,) = await host.call("secret.get_all")
        assert await host.call("secret.get_value", secret) == "second"
        await host.call("pool.disable_repository_proxy", one)
        assert await host.call("secret.get_all") == []
        await host.call("pool.configure_repository_proxy", one, "https://proxy", "", "")
        row = host.row(one)
        assert (row["repository_proxy_url"], host.world.ref(row["repository_proxy_password"])) == ("https://proxy", NULL)

    over_host(body)


@pytest.mark.parametrize(
    ("url", "user", "password", "refusal"),
    [
        ("ftp://a", "", "", ["INVALID_REPOSITORY_PROXY_URL", "ftp://a"]),
        ("http://", "", "", ["INVALID_REPOSITORY_PROXY_URL", "http://"]),
        ("http://me:pw@a", "", "", ["INVALID_REPOSITORY_PROXY_URL", "http://me:pw@a"]),
        ("http://[", "", "", ["INVALID_REPOSITORY_PROXY_URL", "http://["]),
        ("http://a:99999", "", "", ["INVALID_REPOSITORY_PROXY_URL", "http://a:99999"]),
        ("http://a", "me", "", ["INVALID_REPOSITORY_PROXY_CREDENTIAL"]),
        ("http://a", "", "pw", ["INVALID_REPOSITORY_PROXY_CREDENTIAL"]),
        ("http://a", "me", "p\nw", ["INVALID_REPOSITORY_PROXY_CREDENTIAL"]),
    ],
)
def test_proxies_that_are_refused(url: str, user: str, password: str, refusal: list[str]) -> None:
    async def body(host: Host) -> list[str]:
        return await host.refused("pool.configure_repository_proxy", pool(host), url, user, password)

    assert over_host(body) == refusal
