"""The certificates and revocation lists that a pool trusts by name, as in the releases since 2010."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fake_xapi.datamodel.failure import Failure
from fake_xapi.dom0.x509 import is_revocation_list, read_certificate
from fake_xapi.state.ids import NULL, Id
from fake_xapi.state.world import World
from fake_xapi.verbs.access.server_certificates import columns
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.hosts import dom0_files

FOLDERS: Mapping[str, str] = {"CERTIFICATE": "/etc/stunnel/certs/", "CRL": "/etc/stunnel/crls/"}
"""What errors call a kind of file -> where its files lie."""
_PUNCTUATION = "._-"


def _assert_name(world: World, kind: str, name: str) -> None:
    """Raise CERTIFICATE_NAME_INVALID [name] or CRL_NAME_INVALID [name]; since 2020 names end in ``.pem``."""
    plain = "".join(char for char in name if char not in _PUNCTUATION)
    is_safe = not name.startswith(".") and plain.isascii() and plain.isalnum()
    if not is_safe or ("Certificate" in world.personality.classes and not name.endswith(".pem")):
        raise Failure(f"{kind}_NAME_INVALID", name)


def _put(call: Call, kind: str, name: str, text: str, host: Id = NULL) -> None:
    _assert_name(call.world, kind, name)
    if dom0_files.find(call.world, FOLDERS[kind] + name, host):
        raise Failure(f"{kind}_ALREADY_EXISTS", name)
    with call.world.edit() as edit:
        dom0_files.write(call.world, edit, FOLDERS[kind] + name, text, host)


def _remove(call: Call, kind: str, name: str, host: Id = NULL, *, force: bool = False) -> None:
    _assert_name(call.world, kind, name)
    path = FOLDERS[kind] + name
    if not dom0_files.find(call.world, path, host) and not force:
        raise Failure(f"{kind}_DOES_NOT_EXIST", name)
    with call.world.edit() as edit:
        dom0_files.remove(call.world, edit, path, host)


def _named(kind: str) -> Callable[[Call], list[str]]:
    """Make the verb that lists the files of a kind."""
    return lambda call: [name for name, _ in dom0_files.listed(call.world, FOLDERS[kind])]


def install(call: Call, name: str, cert: str) -> None:
    """Trust a certificate. CERTIFICATE_NAME_INVALID [name], CERTIFICATE_ALREADY_EXISTS [name].

    INVALID_VALUE ["certificate", "<omitted>"] for a malformed one; in releases without rows for certificates, CERTIFICATE_CORRUPT [name].
    """
    certificate, has_rows = read_certificate(cert), "Certificate" in call.world.personality.classes
    if certificate is None and has_rows:
        raise Failure("INVALID_VALUE", "certificate", "<omitted>")
    if certificate is None:
        _assert_name(call.world, "CERTIFICATE", name)
        raise Failure("CERTIFICATE_CORRUPT", name)
    with call.world.edit() as edit:
        _put(call, "CERTIFICATE", name, cert)
        if has_rows:
            edit.create("Certificate", type="ca", name=name, **columns(certificate))


def uninstall(call: Call, name: str, force: bool = False) -> None:
    """Stop trusting a certificate. CERTIFICATE_NAME_INVALID [name], CERTIFICATE_DOES_NOT_EXIST [name].

    With ``force`` a missing file is ignored; INVALID_VALUE ["certificate:name", name] when the database has no such certificate either.
    """
    rows = named(call.world, name)
    with call.world.edit() as edit:
        _remove(call, "CERTIFICATE", name, force=force)
        if not rows and "Certificate" in call.world.personality.classes:
            raise Failure("INVALID_VALUE", "certificate:name", name)
        for row in rows:
            edit.destroy(row)


def install_on_host(call: Call, host: Id, name: str, cert: str) -> None:
    """Trust a certificate on one host only, in releases without rows for certificates. Refusals as for ``install``."""
    _assert_name(call.world, "CERTIFICATE", name)
    if read_certificate(cert) is None:
        raise Failure("CERTIFICATE_CORRUPT", name)
    _put(call, "CERTIFICATE", name, cert, host)


def uninstall_on_host(call: Call, host: Id, name: str) -> None:
    """Stop trusting a certificate on one host. CERTIFICATE_NAME_INVALID [name], CERTIFICATE_DOES_NOT_EXIST [name]."""
    _remove(call, "CERTIFICATE", name, host)


def named(world: World, name: str) -> list[Id]:
    """The rows of the trusted certificates with that name."""
    return [one for one, row in world.rows("Certificate") if row["type"] == "ca" and row["name"] == name]


def install_crl(call: Call, name: str, crl: str) -> None:
    """Install a list of revoked certificates. CRL_NAME_INVALID [name], CRL_CORRUPT [name], CRL_ALREADY_EXISTS [name]."""
    _assert_name(call.world, "CRL", name)
    if not is_revocation_list(crl):
        raise Failure("CRL_CORRUPT", name)
    _put(call, "CRL", name, crl)


def uninstall_crl(call: Call, name: str) -> None:
    """Remove a list of revoked certificates. CRL_NAME_INVALID [name], CRL_DOES_NOT_EXIST [name]."""
    _remove(call, "CRL", name)


def synchronise(call: Call) -> None:
    """Copy the master's files to all hosts: here they share them anyway."""


def exchange_ca(call: Call, given: Mapping[str, str], export: list[Id]) -> dict[str, str]:
    """Accept the certificates of a joining host, and give it the pool's. POOL_JOINING_HOST_CA_CERTIFICATES_CONFLICT []."""
    folder = FOLDERS["CERTIFICATE"]
    theirs = {name: cert for name, cert in given.items() if _is_news(call.world, folder + name, cert)}
    for name, cert in sorted(theirs.items()):
        install(call, name, cert)
    names = [call.world[one]["name"] for one in export]
    return {name: dom0_files.read(call.world, folder + name) or "" for name in names if dom0_files.find(call.world, folder + name)}


def _is_news(world: World, path: str, text: str) -> bool:
    known = dom0_files.read(world, path)
    if known not in (None, text):
        raise Failure("POOL_JOINING_HOST_CA_CERTIFICATES_CONFLICT")
    return known is None


def exchange_crls(call: Call, pool: Id, given: Mapping[str, str], export: list[str]) -> dict[str, str]:
    """Accept the revocation lists of a joining host, and give it the pool's: lists with equal names stay as they are."""
    folder = FOLDERS["CRL"]
    for name, crl in sorted(given.items()):
        if not dom0_files.find(call.world, folder + name):
            install_crl(call, name, crl)
    known = dict(dom0_files.listed(call.world, folder))
    return {name: known[name] for name in export if name in known}


VERBS: Mapping[str, Verb] = {
    "host.certificate_install": install_on_host,
    "host.certificate_uninstall": uninstall_on_host,
    "pool.certificate_install": install,
    "pool.certificate_uninstall": uninstall,
    "pool.certificate_list": _named("CERTIFICATE"),
    "pool.certificate_sync": synchronise,
    "pool.install_ca_certificate": install,
    "pool.uninstall_ca_certificate": uninstall,
    "pool.crl_install": install_crl,
    "pool.crl_uninstall": uninstall_crl,
    "pool.crl_list": _named("CRL"),
    "pool.exchange_ca_certificates_on_join": exchange_ca,
    "pool.exchange_crls_on_join": exchange_crls,
}
