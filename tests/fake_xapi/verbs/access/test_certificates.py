"""What a pool trusts: certificates and revocation lists by name, and certificates for a purpose."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes

from tests.fake_xapi.verbs.kit.hosts import NULL, Host, add_host, over_host
from tests.fake_xapi.verbs.kit.pems import certificate, fingerprint, key, key_pem, revocation_list

OLD = ("boston", "tampa", "clearwater")
DAY = timedelta(days=1)


def pool(host: Host) -> str:
    return host.world.ref(next(host.world.ids("pool")))


@pytest.mark.parametrize(
    "verbs", [("certificate_install", "certificate_uninstall"), ("install_ca_certificate", "uninstall_ca_certificate")]
)
def test_a_certificate_is_trusted_by_name_until_it_is_uninstalled(verbs: tuple[str, str]) -> None:
    install, uninstall = verbs

    async def body(host: Host) -> None:
        pem = certificate()
        await host.call(f"pool.{install}", "root.pem", pem)
        assert await host.call("pool.certificate_list") == ["root.pem"]
        (one,) = await host.call("Certificate.get_all")
        record = (await host.call("Certificate.get_record", one)).value()
        del record["uuid"]
        assert record == {
            "name": "root.pem",
            "type": "ca",
            "host": NULL,
            "not_before": "20120731T00:00:00Z",
            "not_after": "20130801T00:00:00Z",
            "fingerprint": fingerprint(pem),
            "fingerprint_sha256": fingerprint(pem),
            "fingerprint_sha1": fingerprint(pem, hashes.SHA1()),
            "purpose": [],
        }
        assert await host.refused(f"pool.{install}", "root.pem", pem) == ["CERTIFICATE_ALREADY_EXISTS", "root.pem"]
        await host.call("pool.certificate_sync")
        await host.call(f"pool.{uninstall}", "root.pem")
        assert await host.call("pool.certificate_list") == await host.call("Certificate.get_all") == []

    over_host(body)


@pytest.mark.parametrize("release", OLD)
def test_old_releases_know_certificates_by_their_files_alone(release: str) -> None:
    async def body(host: Host) -> None:
        await host.call("pool.certificate_install", "root", certificate())
        assert await host.call("pool.certificate_list") == ["root"]
        assert await host.refused("pool.certificate_install", "other", "nonsense") == ["CERTIFICATE_CORRUPT", "other"]
        await host.call("pool.certificate_uninstall", "root")
        assert await host.call("pool.certificate_list") == []
        assert list(host.world.ids("Certificate")) == []

    over_host(body, release)


NAMES = ("", ".pem", ".hidden.pem", "a/b.pem", "../a.pem", "ä.pem", "a b.pem", "root")


@pytest.mark.parametrize("name", NAMES)
def test_names_that_no_file_may_have(name: str) -> None:
    async def body(host: Host) -> None:
        for method, text in (("certificate_install", certificate()), ("install_ca_certificate", certificate())):
            assert await host.refused(f"pool.{method}", name, text) == ["CERTIFICATE_NAME_INVALID", name]
        assert await host.refused("pool.certificate_uninstall", name) == ["CERTIFICATE_NAME_INVALID", name]
        assert await host.refused("pool.crl_install", name, revocation_list()) == ["CRL_NAME_INVALID", name]
        assert await host.refused("pool.crl_uninstall", name) == ["CRL_NAME_INVALID", name]

    over_host(body)


@pytest.mark.parametrize(
    ("method", "params", "refusal"),
    [
        ("certificate_install", ("a.pem", "nonsense"), ["INVALID_VALUE", "certificate", "<omitted>"]),
        ("certificate_install", ("a.pem", key_pem(key())), ["INVALID_VALUE", "certificate", "<omitted>"]),
        ("certificate_uninstall", ("a.pem",), ["CERTIFICATE_DOES_NOT_EXIST", "a.pem"]),
        ("uninstall_ca_certificate", ("a.pem", False), ["CERTIFICATE_DOES_NOT_EXIST", "a.pem"]),
        ("uninstall_ca_certificate", ("a.pem", True), ["INVALID_VALUE", "certificate:name", "a.pem"]),
        ("crl_install", ("a.pem", "nonsense"), ["CRL_CORRUPT", "a.pem"]),
        ("crl_install", ("a.pem", certificate()), ["CRL_CORRUPT", "a.pem"]),
        ("crl_uninstall", ("a.pem",), ["CRL_DOES_NOT_EXIST", "a.pem"]),
    ],
)
def test_refusals(method: str, params: tuple[Any, ...], refusal: list[str]) -> None:
    async def body(host: Host) -> None:
        assert await host.refused(f"pool.{method}", *params) == refusal
        assert await host.call("pool.certificate_list") == await host.call("pool.crl_list") == []

    over_host(body)


def test_revocation_lists() -> None:
    async def body(host: Host) -> None:
        await host.call("pool.crl_install", "b.pem", revocation_list())
        await host.call("pool.crl_install", "a.pem", revocation_list())
        assert await host.refused("pool.crl_install", "a.pem", revocation_list()) == ["CRL_ALREADY_EXISTS", "a.pem"]
        assert await host.call("pool.crl_list") == ["a.pem", "b.pem"]
        await host.call("pool.crl_uninstall", "a.pem")
        assert await host.call("pool.crl_list") == ["b.pem"]

    over_host(body)


def test_a_joining_host_and_the_pool_exchange_what_they_trust() -> None:
    async def body(host: Host) -> None:
        mine, theirs = certificate(serial=1), certificate(serial=2)
        await host.call("pool.certificate_install", "mine.pem", mine)
        (one,) = await host.call("Certificate.get_all")
        told = await host.call("pool.exchange_ca_certificates_on_join", {"theirs.pem": theirs, "mine.pem": mine}, [one])
        assert told == {"mine.pem": mine}
        assert await host.call("pool.certificate_list") == ["mine.pem", "theirs.pem"]
        refusal = await host.refused("pool.exchange_ca_certificates_on_join", {"mine.pem": theirs}, [])
        assert refusal == ["POOL_JOINING_HOST_CA_CERTIFICATES_CONFLICT"]
        crl = revocation_list()
        await host.call("pool.crl_install", "mine.pem", crl)
        assert await host.call(
            "pool.exchange_crls_on_join", pool(host), {"theirs.pem": crl, "mine.pem": "other"}, ["mine.pem", "gone.pem"]
        ) == {"mine.pem": crl}
        assert await host.call("pool.crl_list") == ["mine.pem", "theirs.pem"]

    over_host(body)


def test_the_hosts_of_a_pool_know_each_other_by_certificates_of_their_own() -> None:
    async def body(host: Host) -> None:
        other = add_host(host)
        told = await host.call("pool.exchange_certificates_on_join", "b0de1a5e-0000-4000-8000-000000000001", certificate())
        assert set(told) == {host.world.uuid(host.id(one)) for one in (host.host, other)}
        assert len(set(told.values())) == 2
        assert await host.call("pool.exchange_certificates_on_join", "b0de1a5e-0000-4000-8000-000000000001", certificate()) == told
        refusal = await host.refused("pool.exchange_certificates_on_join", "b0de1a5e-0000-4000-8000-000000000001", "x")
        assert refusal == ["INVALID_VALUE", "certificate", "<omitted>"]

    over_host(body)


@pytest.mark.parametrize(("ca", "kind"), [(True, "ca"), (False, "pinned")])
def test_a_certificate_is_trusted_for_a_purpose(ca: bool, kind: str) -> None:
    async def body(host: Host) -> None:
        pem = certificate()
        await host.call("pool.install_trusted_certificate", pool(host), ca, pem, ["licensing", "ldaps", "ldaps"])
        (one,) = await host.call("Certificate.get_all")
        row = host.row(one)
        assert (row["type"], row["name"], row["purpose"]) == (kind, "", ("ldaps", "licensing"))
        refusal = await host.refused("pool.install_trusted_certificate", pool(host), ca, pem, [])
        assert refusal == ["TRUSTED_CERTIFICATE_ALREADY_EXISTS", fingerprint(pem)]
        await host.call("pool.install_trusted_certificate", pool(host), not ca, pem, [])
        await host.call("pool.uninstall_trusted_certificate", pool(host), one)
        assert [host.row(left)["type"] for left in await host.call("Certificate.get_all")] == ["pinned" if ca else "ca"]

    over_host(body)


NOW = "2012-08-01T00:00:00Z"


@pytest.mark.parametrize(
    ("pem", "refusal"),
    [
        ("nonsense", ["TRUSTED_CERTIFICATE_INVALID"]),
        (certificate(since=DAY), ["TRUSTED_CERTIFICATE_NOT_VALID_YET", NOW, "2012-08-02T00:00:00Z"]),
        (certificate(since=-2 * DAY, until=-DAY), ["TRUSTED_CERTIFICATE_EXPIRED", NOW, "2012-07-31T00:00:00Z"]),
    ],
)
def test_what_is_not_trusted(pem: str, refusal: list[str]) -> None:
    async def body(host: Host) -> None:
        assert await host.refused("pool.install_trusted_certificate", pool(host), True, pem, []) == refusal
        assert await host.call("Certificate.get_all") == []

    over_host(body)


def test_only_trusted_certificates_are_uninstalled_so() -> None:
    async def body(host: Host) -> None:
        await host.call("pool.certificate_install", "root.pem", certificate())
        await host.call("host.refresh_server_certificate", host.host)
        for one in await host.call("Certificate.get_all"):
            assert await host.refused("pool.uninstall_trusted_certificate", pool(host), one) == ["NOT_TRUSTED_CERTIFICATE", one]

    over_host(body)


def test_a_joining_host_brings_what_it_trusts_for_a_purpose() -> None:
    async def body(host: Host) -> None:
        mine, theirs = certificate(serial=1), certificate(serial=2)
        await host.call("pool.install_trusted_certificate", pool(host), True, mine, ["ldaps"])
        (one,) = await host.call("Certificate.get_all")
        given = {mine: ["ldaps"], theirs: ["licensing"]}
        assert await host.call("pool.exchange_trusted_certificates_on_join", pool(host), True, given, [one]) == {mine: ["ldaps"]}
        assert {host.row(ref)["purpose"] for ref in await host.call("Certificate.get_all")} == {("ldaps",), ("licensing",)}
        refusal = await host.refused("pool.exchange_trusted_certificates_on_join", pool(host), True, {mine: []}, [])
        assert refusal == ["POOL_JOINING_HOST_TRUSTED_CERTIFICATES_CONFLICT", one, ""]
        assert await host.refused("pool.exchange_trusted_certificates_on_join", pool(host), True, {"x": []}, []) == [
            "TRUSTED_CERTIFICATE_INVALID"
        ]

    over_host(body)


@pytest.mark.parametrize("release", OLD)
def test_one_host_alone_trusts_a_certificate(release: str) -> None:
    async def body(host: Host) -> None:
        await host.call("host.certificate_install", host.host, "root", certificate())
        assert await host.call("pool.certificate_list") == []
        assert await host.refused("host.certificate_install", host.host, "root", certificate()) == ["CERTIFICATE_ALREADY_EXISTS", "root"]
        assert await host.refused("host.certificate_install", host.host, "other", "x") == ["CERTIFICATE_CORRUPT", "other"]
        assert await host.refused("host.certificate_install", host.host, "a/b", certificate()) == ["CERTIFICATE_NAME_INVALID", "a/b"]
        await host.call("host.certificate_uninstall", host.host, "root")
        assert await host.refused("host.certificate_uninstall", host.host, "root") == ["CERTIFICATE_DOES_NOT_EXIST", "root"]
        assert await host.refused("host.certificate_uninstall", host.host, ".root") == ["CERTIFICATE_NAME_INVALID", ".root"]

    over_host(body, release)
