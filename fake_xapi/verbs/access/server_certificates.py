"""The certificates of hosts: one with which each serves clients, and one for its pool. A host makes its own until it is given another."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from cryptography import x509

from fake_xapi.datamodel.failure import Failure
from fake_xapi.dom0.x509 import BadCertificate, check_server, facts, read_certificate, self_signed
from fake_xapi.lifecycle.editions import require
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.dates import date, moment
from fake_xapi.verbs.hosts import dom0_files

FILES: Mapping[str, str] = {"host": "/etc/xensource/xapi-ssl.pem", "host_internal": "/etc/xensource/xapi-pool-tls.pem"}
"""Type of certificate -> the file with the certificate; its key lies beside it."""


def key_file(kind: str) -> str:
    """The path of the private key of a host's certificate."""
    return FILES[kind].replace(".pem", ".key")


def is_from_the_factory(pem: str | None) -> bool:
    """Whether a host has no certificate of its own yet: none at all, or the one shared by all hosts of an image."""
    certificate = read_certificate(pem) if pem else None
    return certificate is None or certificate.subject.rfc4514_string() == "CN=localhost"


def certificate_of(call: Call, host: Id, kind: str) -> str:
    """The PEM of a host's certificate, which is made now if the host has none."""
    known = dom0_files.read(call.world, FILES[kind], host)
    return renew(call, host, kind) if known is None or is_from_the_factory(known) else known


def renew(call: Call, host: Id, kind: str) -> str:
    """Let a host make itself a new certificate; returns its PEM."""
    with call.world.edit() as edit:
        return put_self_signed(call.world, edit, host, kind, call.now(), key_bits(call.world, host))


def key_bits(world: World, host: Id) -> Callable[[int], int]:
    """The source of a host's next key: it cannot be predicted without the secret of the world."""
    return random.Random(int(world.keyed_text(f"key of {host} after {world.generation}"), 16)).getrandbits


def put_self_signed(world: World, edit: Edit, host: Id, kind: str, now: str, bits: Callable[[int], int]) -> str:
    """Store a new certificate and its key in the files of a host, and in the database; returns its PEM."""
    row = edit[host]
    names = (row["hostname"], row["address"]) if kind == "host" else (world.uuid(host),)
    pem, key = self_signed(bits, names, moment(now))
    put(world, edit, host, kind, pem, key)
    return pem


def put(world: World, edit: Edit, host: Id, kind: str, pem: str, key: str) -> None:
    """Store a certificate and its key in the files of a host; the database forgets the previous one."""
    dom0_files.write(world, edit, FILES[kind], pem, host)
    dom0_files.write(world, edit, key_file(kind), key, host)
    certificate = read_certificate(pem)
    if "Certificate" not in world.personality.classes or certificate is None:
        return
    for old in edit[host]["certificates"]:
        if edit[old]["type"] == kind:
            edit.destroy(old)
    edit.create("Certificate", type=kind, host=host, **columns(certificate))


def columns(certificate: x509.Certificate) -> dict[str, str]:
    """The fields of a certificate's row."""
    told = facts(certificate)
    return {
        "not_before": date(told.not_before),
        "not_after": date(told.not_after),
        "fingerprint": told.sha256,
        "fingerprint_sha256": told.sha256,
        "fingerprint_sha1": told.sha1,
    }


def get_server_certificate(call: Call, host: Id) -> str:
    """The certificate with which a host serves, as PEM."""
    return certificate_of(call, host, "host")


def install(call: Call, host: Id, certificate: str, private_key: str, certificate_chain: str = "") -> None:
    """Give a host a certificate issued elsewhere. SERVER_CERTIFICATE_*; HA_IS_ENABLED [], because the host's daemons restart."""
    _assert_no_ha(call.world)
    try:
        check_server(certificate, private_key, certificate_chain, moment(call.now()))
    except BadCertificate as bad:
        raise Failure(bad.code, *bad.params) from bad
    with call.world.edit() as edit:
        put(call.world, edit, host, "host", certificate, private_key)


def _assert_no_ha(world: World) -> None:
    pool = world.get(POOL)
    if pool is not None and pool["ha_enabled"]:
        raise Failure("HA_IS_ENABLED")


def reset(call: Call, host: Id) -> None:
    """Let a host serve with a self-signed certificate again."""
    _assert_no_ha(call.world)
    renew(call, host, "host")


def emergency_reset(call: Call) -> None:
    """The same for this host, for when nobody trusts it any more."""
    renew(call, call.host, "host")


def refresh(call: Call, host: Id) -> None:
    """Renew the certificate by which the hosts of the pool recognise this one."""
    renew(call, host, "host_internal")


def enable_verification(call: Call) -> None:
    """Let all hosts verify the certificates of those they talk to. LICENCE_RESTRICTION ["Certificate_verification"], HA_IS_ENABLED []."""
    require(call.world, "Certificate_verification")
    _assert_no_ha(call.world)
    with call.world.edit() as edit:
        edit.set(POOL, tls_verification_enabled=True)
        for host in call.world.ids("host"):
            edit.set(host, tls_verification_enabled=True)


def emergency_disable_verification(call: Call) -> None:
    """Stop this host from verifying certificates, and alert its operators."""
    with call.world.edit() as edit:
        edit.set(call.host, tls_verification_enabled=False)
    body = "<body><message>TLS verification was disabled in an emergency</message></body>"
    call.announce("TLS_VERIFICATION_EMERGENCY_DISABLED", call.host, body)


def emergency_reenable_verification(call: Call) -> None:
    """Let this host verify certificates again; TLS_VERIFICATION_NOT_ENABLED_IN_POOL [] where the pool does not."""
    if not call.world[POOL]["tls_verification_enabled"]:
        raise Failure("TLS_VERIFICATION_NOT_ENABLED_IN_POOL")
    with call.world.edit() as edit:
        edit.set(call.host, tls_verification_enabled=True)


VERBS: Mapping[str, Verb] = {
    "host.get_server_certificate": get_server_certificate,
    "host.install_server_certificate": install,
    "host.reset_server_certificate": reset,
    "host.emergency_reset_server_certificate": emergency_reset,
    "host.refresh_server_certificate": refresh,
    "pool.enable_tls_verification": enable_verification,
    "host.emergency_disable_tls_verification": emergency_disable_verification,
    "host.emergency_reenable_tls_verification": emergency_reenable_verification,
}
