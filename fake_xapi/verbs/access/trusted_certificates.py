"""Certificates that a pool trusts for specific purposes, and those by which its hosts recognise each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.dom0.x509 import BadCertificate, check_dates, facts, read_certificate
from fake_xapi.state.ids import NULL, Id
from fake_xapi.state.world import World
from fake_xapi.verbs.access.server_certificates import certificate_of, columns
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.dates import moment
from fake_xapi.verbs.hosts import dom0_files

FOLDER = "/etc/trusted-certs/"
POOL_FOLDER = "/etc/stunnel/certs-pool/"


def install(call: Call, pool: Id, ca: bool, cert: str, purpose: Sequence[str]) -> None:
    """Trust a certificate for some purposes, as a root certificate or as that of one server.

    TRUSTED_CERTIFICATE_INVALID [], TRUSTED_CERTIFICATE_NOT_VALID_YET [now, from], TRUSTED_CERTIFICATE_EXPIRED [now, until],
    TRUSTED_CERTIFICATE_ALREADY_EXISTS [fingerprint].
    """
    _install(call, "ca" if ca else "pinned", cert, purpose)


def _install(call: Call, kind: str, pem: str, purpose: Sequence[str]) -> Id:
    certificate = read_certificate(pem)
    if certificate is None:
        raise Failure("TRUSTED_CERTIFICATE_INVALID")
    try:
        check_dates(certificate, moment(call.now()), "TRUSTED_CERTIFICATE")
    except BadCertificate as bad:
        raise Failure(bad.code, *bad.params) from bad
    fingerprint = facts(certificate).sha256
    if _of_fingerprint(call.world, kind, fingerprint):
        raise Failure("TRUSTED_CERTIFICATE_ALREADY_EXISTS", fingerprint)
    with call.world.edit() as edit:
        made = edit.create("Certificate", type=kind, purpose=tuple(sorted(set(purpose))), **columns(certificate))
        dom0_files.write(call.world, edit, _path(call.world, made), pem)
    return made


def _path(world: World, certificate: Id) -> str:
    return f"{FOLDER}{world.uuid(certificate)}.pem"


def _trusted(world: World) -> list[Id]:
    return [one for one, row in world.rows("Certificate") if row["type"] in ("ca", "pinned") and not row["name"]]


def _of_fingerprint(world: World, kind: str, fingerprint: str) -> Id:
    same = (one for one in _trusted(world) if (world[one]["type"], world[one]["fingerprint_sha256"]) == (kind, fingerprint))
    return next(same, NULL)


def uninstall(call: Call, pool: Id, certificate: Id) -> None:
    """Stop trusting a certificate; NOT_TRUSTED_CERTIFICATE [certificate] for a host's own, or one that was installed by name."""
    if certificate not in _trusted(call.world):
        raise Failure("NOT_TRUSTED_CERTIFICATE", Handle(certificate))
    with call.world.edit() as edit:
        dom0_files.remove(call.world, edit, _path(call.world, certificate))
        edit.destroy(certificate)


def exchange(call: Call, pool: Id, ca: bool, given: Mapping[str, Sequence[str]], export: Sequence[Id]) -> dict[str, list[str]]:
    """Accept the certificates of a joining host, PEM -> purposes, and give it the pool's.

    POOL_JOINING_HOST_TRUSTED_CERTIFICATES_CONFLICT [in the pool, on the host] for one that the pool trusts for other purposes.
    """
    kind = "ca" if ca else "pinned"
    for pem, purpose in sorted(given.items()):
        certificate = read_certificate(pem)
        known = _of_fingerprint(call.world, kind, facts(certificate).sha256) if certificate is not None else NULL
        if not known:
            _install(call, kind, pem, purpose)
        elif set(call.world[known]["purpose"]) != set(purpose):
            raise Failure("POOL_JOINING_HOST_TRUSTED_CERTIFICATES_CONFLICT", Handle(known), "")
    kept = {one: dom0_files.read(call.world, _path(call.world, one)) for one in export}
    return {pem: list(call.world[one]["purpose"]) for one, pem in kept.items() if pem is not None}


def exchange_internal(call: Call, uuid: str, certificate: str) -> dict[str, str]:
    """Accept the certificate of a joining host, and give it those of the pool's hosts, by uuid. INVALID_VALUE for a malformed one."""
    if read_certificate(certificate) is None:
        raise Failure("INVALID_VALUE", "certificate", "<omitted>")
    with call.world.edit() as edit:
        dom0_files.write(call.world, edit, f"{POOL_FOLDER}{uuid}.pem", certificate)
    return {call.world.uuid(host): certificate_of(call, host, "host_internal") for host in sorted(call.world.ids("host"))}


VERBS: Mapping[str, Verb] = {
    "pool.install_trusted_certificate": install,
    "pool.uninstall_trusted_certificate": uninstall,
    "pool.exchange_trusted_certificates_on_join": exchange,
    "pool.exchange_certificates_on_join": exchange_internal,
}
