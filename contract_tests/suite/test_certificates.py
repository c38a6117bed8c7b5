"""Certificates: what a pool trusts, what its hosts serve with, and what is refused."""

from __future__ import annotations

import hashlib
import ssl
from typing import Any

import pytest

from contract_tests.capabilities import Server
from contract_tests.made import Made
from contract_tests.pems import EXPIRED, FINGERPRINT, REVOKED, ROOT
from contract_tests.refusals import NULL, refusal

PEM_NAME = "contract-tests.pem"
UNFIT = ("a/b.pem", ".hidden.pem", "a b.pem")
UNFIT_SINCE_ROWS = ("no-suffix",)
HAS_ROWS = "Certificate.get_all"


@pytest.fixture
def pool(xapi: Any) -> str:
    """The pool."""
    (one,) = xapi.pool.get_all()
    return str(one)


@pytest.fixture
def trusted(xapi: Any, made: Made) -> str:
    """The name of a certificate that the pool trusts while the test runs."""
    xapi.pool.certificate_install(PEM_NAME, ROOT)
    made.later(lambda: PEM_NAME in xapi.pool.certificate_list() and xapi.pool.certificate_uninstall(PEM_NAME))
    return PEM_NAME


def test_a_certificate_is_trusted_until_it_is_uninstalled(xapi: Any, trusted: str) -> None:
    """pool.certificate_install, certificate_list, certificate_sync, certificate_uninstall."""
    assert trusted in xapi.pool.certificate_list()
    xapi.pool.certificate_sync()
    assert refusal(xapi.pool.certificate_install, trusted, ROOT) == ["CERTIFICATE_ALREADY_EXISTS", trusted]
    xapi.pool.certificate_uninstall(trusted)
    assert trusted not in xapi.pool.certificate_list()
    assert refusal(xapi.pool.certificate_uninstall, trusted) == ["CERTIFICATE_DOES_NOT_EXIST", trusted]


@pytest.mark.requires(HAS_ROWS)
def test_a_trusted_certificate_has_a_row(xapi: Any, trusted: str) -> None:
    """Certificate: type ca, no host, its dates and its fingerprint with colons."""
    (record,) = [one for one in xapi.Certificate.get_all_records().values() if one["name"] == trusted]
    facts = {name: str(record[name]) for name in ("type", "host", "not_before", "not_after", "fingerprint")}
    assert facts == {
        "type": "ca",
        "host": NULL,
        "not_before": "20100101T00:00:00Z",
        "not_after": "20990101T00:00:00Z",
        "fingerprint": FINGERPRINT,
    }


@pytest.mark.parametrize("name", [*UNFIT, *UNFIT_SINCE_ROWS])
def test_names_that_no_file_may_have(xapi: Any, server: Server, name: str) -> None:
    """CERTIFICATE_NAME_INVALID [name] and CRL_NAME_INVALID [name]; names end in .pem since there are rows of certificates."""
    if name in UNFIT_SINCE_ROWS and not server.has(HAS_ROWS):
        pytest.skip(f"{server.summary} takes any safe name")
    assert refusal(xapi.pool.certificate_install, name, ROOT) == ["CERTIFICATE_NAME_INVALID", name]
    assert refusal(xapi.pool.crl_install, name, REVOKED) == ["CRL_NAME_INVALID", name]


@pytest.mark.requires(HAS_ROWS)
def test_what_is_no_certificate_is_not_trusted(xapi: Any) -> None:
    """INVALID_VALUE ["certificate", "<omitted>"]."""
    assert refusal(xapi.pool.certificate_install, PEM_NAME, "nonsense") == ["INVALID_VALUE", "certificate", "<omitted>"]
    assert PEM_NAME not in xapi.pool.certificate_list()


def test_a_revocation_list_until_it_is_uninstalled(xapi: Any, made: Made) -> None:
    """pool.crl_install, crl_list, crl_uninstall, and their refusals."""
    xapi.pool.crl_install(PEM_NAME, REVOKED)
    made.later(lambda: PEM_NAME in xapi.pool.crl_list() and xapi.pool.crl_uninstall(PEM_NAME))
    assert PEM_NAME in xapi.pool.crl_list()
    assert refusal(xapi.pool.crl_install, PEM_NAME, REVOKED) == ["CRL_ALREADY_EXISTS", PEM_NAME]
    xapi.pool.crl_uninstall(PEM_NAME)
    assert refusal(xapi.pool.crl_uninstall, PEM_NAME) == ["CRL_DOES_NOT_EXIST", PEM_NAME]


@pytest.mark.requires("pool.install_trusted_certificate")
def test_a_certificate_is_trusted_for_a_purpose(xapi: Any, made: Made, pool: str) -> None:
    """install_trusted_certificate: a row without a name; TRUSTED_CERTIFICATE_ALREADY_EXISTS [fingerprint] for a second one."""
    xapi.pool.install_trusted_certificate(pool, True, ROOT, ["ldaps"])
    (one,) = [ref for ref, row in xapi.Certificate.get_all_records().items() if row["fingerprint_sha256"] == FINGERPRINT]
    made.later(xapi.pool.uninstall_trusted_certificate, pool, one)
    record = xapi.Certificate.get_record(one)
    assert (record["type"], record["name"], record["purpose"]) == ("ca", "", ["ldaps"])
    assert refusal(xapi.pool.install_trusted_certificate, pool, True, ROOT, []) == ["TRUSTED_CERTIFICATE_ALREADY_EXISTS", FINGERPRINT]


@pytest.mark.requires("pool.install_trusted_certificate")
def test_what_is_not_trusted_for_any_purpose(xapi: Any, pool: str) -> None:
    """TRUSTED_CERTIFICATE_INVALID [], and TRUSTED_CERTIFICATE_EXPIRED [now, until]."""
    assert refusal(xapi.pool.install_trusted_certificate, pool, True, "nonsense", []) == ["TRUSTED_CERTIFICATE_INVALID"]
    told = refusal(xapi.pool.install_trusted_certificate, pool, True, EXPIRED, [])
    assert (told[0], told[2]) == ("TRUSTED_CERTIFICATE_EXPIRED", "2002-01-01T00:00:00Z")


def test_a_host_shows_the_certificate_that_it_serves_with(xapi: Any, host: str) -> None:
    """host.get_server_certificate: PEM, the same each time."""
    pem = xapi.host.get_server_certificate(host)
    assert ssl.PEM_cert_to_DER_cert(pem.strip())
    assert xapi.host.get_server_certificate(host) == pem


@pytest.mark.requires(HAS_ROWS)
def test_the_certificate_of_a_host_has_a_row(xapi: Any, host: str) -> None:
    """Certificate: one of type host with the fingerprint of what the host serves with."""
    der = ssl.PEM_cert_to_DER_cert(xapi.host.get_server_certificate(host).strip())
    fingerprint = hashlib.sha256(der).hexdigest().upper()
    rows = [xapi.Certificate.get_record(one) for one in xapi.host.get_certificates(host)]
    assert [row["fingerprint"].replace(":", "") for row in rows if row["type"] == "host"] == [fingerprint]


@pytest.mark.requires("host.install_server_certificate")
def test_a_key_that_is_none(xapi: Any, host: str) -> None:
    """SERVER_CERTIFICATE_KEY_INVALID []: the key is looked at first; the host keeps its certificate."""
    before = xapi.host.get_server_certificate(host)
    assert refusal(xapi.host.install_server_certificate, host, ROOT, "nonsense", "") == ["SERVER_CERTIFICATE_KEY_INVALID"]
    assert xapi.host.get_server_certificate(host) == before


@pytest.mark.requires("host.emergency_reenable_tls_verification")
def test_checking_cannot_begin_in_an_emergency(xapi: Any, pool: str) -> None:
    """TLS_VERIFICATION_NOT_ENABLED_IN_POOL [] where the pool does not check."""
    if xapi.pool.get_tls_verification_enabled(pool):
        pytest.skip("this pool checks")
    assert refusal(xapi.host.emergency_reenable_tls_verification) == ["TLS_VERIFICATION_NOT_ENABLED_IN_POOL"]
