"""The certificates of hosts, and whether hosts check each other's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519

from fake_xapi.fleet.golden import golden
from fake_xapi.state.world import World
from fake_xapi.verbs.access.server_certificates import FILES, key_file
from fake_xapi.verbs.hosts import dom0_files
from tests.fake_xapi.verbs.kit.hosts import Host, add_host, over_host
from tests.fake_xapi.verbs.kit.pems import certificate, curve_key, fingerprint, key, key_pem

DAY = timedelta(days=1)
NOW = "2012-08-01T00:00:00Z"


def pool(host: Host) -> str:
    return host.world.ref(next(host.world.ids("pool")))


def rows(world: World, host: int) -> dict[str, str]:
    """Fingerprints of a host's certificates by their types."""
    return {world[one]["type"]: world[one]["fingerprint"] for one in world[host]["certificates"]}


@pytest.mark.parametrize("release", ["boston", "tampa", "clearwater", "latest"])
def test_a_host_makes_its_certificate_when_it_is_first_asked(release: str) -> None:
    async def body(host: Host) -> str:
        host.set(host.host, hostname="xs1")
        pem = str(await host.call("host.get_server_certificate", host.host))
        assert await host.call("host.get_server_certificate", host.host) == pem
        made = x509.load_pem_x509_certificate(pem.encode())
        names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert (made.subject.rfc4514_string(), [str(name.value) for name in names], made.issuer) == (
            "CN=xs1",
            ["xs1", "10.0.0.1"],
            made.subject,
        )
        assert str(made.not_valid_before_utc) == "2012-08-01 00:00:00+00:00"
        made.verify_directly_issued_by(made)
        return pem

    assert over_host(body, release) == over_host(body, release)


def test_a_fresh_host_has_both_its_certificates() -> None:
    base = golden("latest")
    assert rows(base.world, base.host) == {
        kind: fingerprint(dom0_files.read(base.world, FILES[kind], base.host) or "") for kind in ("host", "host_internal")
    }
    assert not any(golden("tampa").world.ids("Certificate"))


def test_a_certificate_of_somebody_else_s_until_it_is_reset() -> None:
    async def body(host: Host) -> None:
        pem = certificate(key())
        await host.call("host.install_server_certificate", host.host, pem, key_pem(key()), certificate(key(number=1)) + pem)
        assert await host.call("host.get_server_certificate", host.host) == pem
        assert dom0_files.read(host.world, key_file("host"), host.id(host.host)) == key_pem(key())
        assert rows(host.world, host.id(host.host)) == {"host": fingerprint(pem)}
        await host.call("host.refresh_server_certificate", host.host)
        internal = rows(host.world, host.id(host.host))["host_internal"]
        await host.call("host.reset_server_certificate", host.host)
        first = rows(host.world, host.id(host.host))
        assert first["host"] != fingerprint(pem)
        assert first["host_internal"] == internal
        await host.call("host.emergency_reset_server_certificate")
        await host.call("host.refresh_server_certificate", host.host)
        again = rows(host.world, host.id(host.host))
        assert len({*first.values(), *again.values()}) == 4

    over_host(body)


@pytest.mark.parametrize(
    ("pem", "private", "chain", "refusal"),
    [
        (certificate(), "nonsense", "", ["KEY_INVALID"]),
        (certificate(), certificate(), "", ["KEY_INVALID"]),
        (certificate(curve_key()), key_pem(curve_key()), "", ["KEY_ALGORITHM_NOT_SUPPORTED", "SECP256R1"]),
        (certificate(), key_pem(ed25519.Ed25519PrivateKey.generate()), "", ["KEY_ALGORITHM_NOT_SUPPORTED", "ED25519"]),
        (certificate(key(1024)), key_pem(key(1024)), "", ["KEY_RSA_LENGTH_NOT_SUPPORTED", "1024"]),
        ("nonsense", key_pem(key()), "", ["INVALID"]),
        (certificate(since=DAY), key_pem(key()), "", ["NOT_VALID_YET", NOW, "2012-08-02T00:00:00Z"]),
        (certificate(since=-2 * DAY, until=-DAY), key_pem(key()), "", ["EXPIRED", NOW, "2012-07-31T00:00:00Z"]),
        (certificate(), key_pem(key(number=1)), "", ["KEY_MISMATCH"]),
        (certificate(curve_key()), key_pem(key()), "", ["KEY_MISMATCH"]),
        (certificate(algorithm=hashes.SHA384()), key_pem(key()), "", ["SIGNATURE_NOT_SUPPORTED"]),
        (certificate(), key_pem(key()), "nonsense", ["CHAIN_INVALID"]),
    ],
)
def test_certificates_with_which_no_host_serves(pem: str, private: str, chain: str, refusal: list[str]) -> None:
    async def body(host: Host) -> None:
        before = await host.call("host.get_server_certificate", host.host)
        told = await host.refused("host.install_server_certificate", host.host, pem, private, chain)
        assert told == [f"SERVER_CERTIFICATE_{refusal[0]}", *refusal[1:]]
        assert await host.call("host.get_server_certificate", host.host) == before

    over_host(body)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("host.install_server_certificate", ("{host}", "", "", "")),
        ("host.reset_server_certificate", ("{host}",)),
        ("pool.enable_tls_verification", ()),
    ],
)
def test_certificates_stay_while_ha_is_on(method: str, params: tuple[str, ...]) -> None:
    async def body(host: Host) -> Any:
        host.set(pool(host), ha_enabled=True)
        return await host.refused(method, *(param.format(host=host.host) for param in params))

    assert over_host(body) == ["HA_IS_ENABLED"]


def test_hosts_check_whom_they_talk_to_unless_in_an_emergency() -> None:
    async def body(host: Host) -> None:
        other = add_host(host)

        def checking() -> list[bool]:
            return [host.row(one)["tls_verification_enabled"] for one in (pool(host), host.host, other)]

        assert await host.refused("host.emergency_reenable_tls_verification") == ["TLS_VERIFICATION_NOT_ENABLED_IN_POOL"]
        await host.call("pool.enable_tls_verification")
        assert checking() == [True, True, True]
        await host.call("host.emergency_disable_tls_verification")
        assert (checking(), host.bodies()) == ([True, False, True], ["TLS_VERIFICATION_EMERGENCY_DISABLED"])
        await host.call("host.emergency_reenable_tls_verification")
        assert checking() == [True, True, True]

    over_host(body)


def test_checking_is_a_feature() -> None:
    async def body(host: Host) -> list[str]:
        host.set(pool(host), restrictions={"restrict_certificate_verification": "true"})
        return await host.refused("pool.enable_tls_verification")

    assert over_host(body) == ["LICENCE_RESTRICTION", "Certificate_verification"]
