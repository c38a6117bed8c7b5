"""External authentication: hosts join and leave a directory's domain, one by one or the whole pool."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.state.ids import NULL, Id
from fake_xapi.verbs.access.directory import Directory, DirectoryRefusal
from fake_xapi.verbs.call import Call, Verb

KNOWN_TYPES = frozenset({"AD"})
NON_HOMOGENEOUS = "AUTH_EXTERNAL_POOL_NON_HOMOGENEOUS"
LEFT: Mapping[str, object] = {"external_auth_type": "", "external_auth_service_name": "", "external_auth_configuration": {}}


async def enable_on_host(call: Call, host: Id, config: Mapping[str, str], service_name: str, auth_type: str) -> None:
    """Join a host.

    AUTH_ALREADY_ENABLED [type, service], AUTH_UNKNOWN_TYPE [type], AUTH_ENABLE_FAILED and its kinds (…_WRONG_CREDENTIALS) [message].
    """
    await call.takes("host.enable_external_auth")
    _write(call, host, _joined(call, host, config, service_name, auth_type))
    _tell_difference(call, host)


async def enable_in_pool(call: Call, pool: Id, config: Mapping[str, str], service_name: str, auth_type: str) -> None:
    """Join every host of the pool, or none; subjects that the domain does not know are removed.

    POOL_AUTH_ALREADY_ENABLED [host], POOL_AUTH_ENABLE_FAILED_DUPLICATE_HOSTNAME [host, message], AUTH_UNKNOWN_TYPE [type],
    POOL_AUTH_ENABLE_FAILED and its kinds [host, message].
    """
    await call.takes("host.enable_external_auth")
    hosts = _hosts(call)
    for host in hosts:
        if call.world[host]["external_auth_type"]:
            raise Failure("POOL_AUTH_ALREADY_ENABLED", Handle(host))
    if len({call.world[host]["hostname"] for host in hosts}) < len(hosts):
        message = "At least two hosts in the pool have the same hostname"
        raise Failure("POOL_AUTH_ENABLE_FAILED_DUPLICATE_HOSTNAME", Handle(hosts[0]), message)
    joined = {host: _of_pool(call, host, config, service_name, auth_type) for host in hosts}
    for host, fields in joined.items():
        _write(call, host, fields)
    _forget_strangers(call)


def _of_pool(call: Call, host: Id, config: Mapping[str, str], service_name: str, auth_type: str) -> Mapping[str, object]:
    """Join one host on behalf of the pool; a refusal names the host."""
    try:
        return _joined(call, host, config, service_name, auth_type)
    except Failure as failure:
        if not failure.code.startswith("AUTH_ENABLE_FAILED"):
            raise
        raise _known(call, f"POOL_{failure.code}", "POOL_AUTH_ENABLE_FAILED", Handle(host), *failure.params) from failure


def _joined(call: Call, host: Id, config: Mapping[str, str], service_name: str, auth_type: str) -> Mapping[str, object]:
    """The fields of a host that has joined."""
    row = call.world[host]
    if row["external_auth_type"]:
        raise Failure("AUTH_ALREADY_ENABLED", row["external_auth_type"], row["external_auth_service_name"])
    if auth_type not in KNOWN_TYPES or (call.directory is not None and call.directory.auth_type != auth_type):
        raise Failure("AUTH_UNKNOWN_TYPE", auth_type)
    try:
        kept = _reached(call, service_name).join(service_name, config)
    except DirectoryRefusal as refusal:
        raise _known(call, f"AUTH_ENABLE_FAILED_{refusal.tag}", "AUTH_ENABLE_FAILED", refusal.message) from refusal
    return {"external_auth_type": auth_type, "external_auth_service_name": service_name, "external_auth_configuration": dict(kept)}


def _reached(call: Call, service_name: str) -> Directory:
    if call.directory is None:
        raise DirectoryRefusal("DOMAIN_LOOKUP_FAILED", f"The domain {service_name} cannot be found")
    return call.directory


def _known(call: Call, code: str, otherwise: str, *params: str | Handle) -> Failure:
    """A failure, with a code that the release knows."""
    return Failure(code if code in call.world.personality.errors else otherwise, *params)


async def disable_on_host(call: Call, host: Id, config: Mapping[str, str], force: bool = False) -> None:  # XenAPI's
    """Leave the domain, if the host has joined one. The sessions of the domain's users end.

    AUTH_DISABLE_FAILED and its kinds [message]; with ``force`` the host leaves without the domain's consent.
    """
    await call.takes("host.disable_external_auth")
    _leave(call, host, config, is_forced=force)
    _tell_difference(call, host)


async def disable_in_pool(call: Call, pool: Id, config: Mapping[str, str]) -> None:
    """Let every host leave. POOL_AUTH_DISABLE_FAILED and its kinds [host, message] for the first that could not; the others leave."""
    await call.takes("host.disable_external_auth")
    failures = [failure for host in _hosts(call) if (failure := _left_pool(call, host, config)) is not None]
    if failures:
        raise failures[0]


def _left_pool(call: Call, host: Id, config: Mapping[str, str]) -> Failure | None:
    try:
        _leave(call, host, config, is_forced=False)
    except Failure as failure:
        message = f"{call.world[host]['name_label']}: {failure.params[0]}"
        return _known(call, f"POOL_{failure.code}", "POOL_AUTH_DISABLE_FAILED", Handle(host), message)
    return None


def _leave(call: Call, host: Id, config: Mapping[str, str], *, is_forced: bool) -> None:
    if not call.world[host]["external_auth_type"]:
        return
    try:
        if call.directory is not None and not is_forced:
            call.directory.leave(config)
    except DirectoryRefusal as refusal:
        raise _known(call, f"AUTH_DISABLE_FAILED_{refusal.tag}", "AUTH_DISABLE_FAILED", refusal.message) from refusal
    _write(call, host, LEFT)
    call.end_unwelcome_sessions()


def set_ldaps_on_host(call: Call, host: Id, ldaps: bool, force: bool = False) -> None:  # XenAPI's
    """Switch TLS to the domain on or off. AUTH_IS_DISABLED [], AUTH_NO_TRUSTED_CERTS [message] without a certificate to trust."""
    row = call.world[host]
    if row["external_auth_type"] not in KNOWN_TYPES:
        raise Failure("AUTH_IS_DISABLED")
    configuration, wanted = row["external_auth_configuration"], "true" if ldaps else "false"
    if configuration.get("ldaps", "false") == wanted and not force:
        return
    if ldaps and not any(certificate["type"] == "ca" for _, certificate in call.world.rows("Certificate")):
        raise Failure("AUTH_NO_TRUSTED_CERTS", "No certificate to verify the domain controller with is installed")
    _write(call, host, {"external_auth_configuration": {**configuration, "ldaps": wanted}})


def set_ldaps_in_pool(call: Call, pool: Id, ldaps: bool, force: bool = False) -> None:  # XenAPI's
    """Switch it on or off on every host. AUTH_IS_DISABLED [], AUTH_SET_LDAPS_FAILED [host, message]."""
    for host in _hosts(call):
        try:
            set_ldaps_on_host(call, host, ldaps, force)
        except Failure as failure:
            if failure.code == "AUTH_IS_DISABLED":
                raise
            raise Failure("AUTH_SET_LDAPS_FAILED", Handle(host), str(failure.params[0])) from failure


def detect_nonhomogeneous(call: Call, pool: Id) -> None:
    """Raise an alert for each host that has not joined the same domain as the master."""
    for host in _hosts(call)[1:]:
        _tell_difference(call, host)


def _tell_difference(call: Call, host: Id) -> None:
    """Compare a host with the master; for the master itself, compare all others with it."""
    master = _hosts(call)[0]
    if host == master:
        for other in _hosts(call)[1:]:
            _tell_difference(call, other)
        return
    names = ("external_auth_type", "external_auth_service_name")
    mine, theirs = ({name: call.world[whose][name] for name in names} for whose in (host, master))
    if mine != theirs:
        words = [f"host_{name}={value}" for name, value in mine.items()] + [f"master_{name}={value}" for name, value in theirs.items()]
        call.announce(NON_HOMOGENEOUS, host, ", ".join(words))


def _forget_strangers(call: Call) -> None:
    directory = call.directory
    with call.world.edit() as edit:
        for subject, row in call.world.rows("subject"):
            if directory is not None and directory.entry(row["subject_identifier"]) is None:
                edit.destroy(subject)


def _write(call: Call, host: Id, fields: Mapping[str, object]) -> None:
    with call.world.edit() as edit:
        edit.set(host, **fields)


def _hosts(call: Call) -> list[Id]:
    """The hosts of the pool, the master first."""
    master = next((row["master"] for _, row in call.world.rows("pool")), NULL) or call.host
    return [master, *sorted(host for host in call.world.ids("host") if host != master)]


VERBS: Mapping[str, Verb] = {
    "host.enable_external_auth": enable_on_host,
    "host.disable_external_auth": disable_on_host,
    "host.external_auth_set_ldaps": set_ldaps_on_host,
    "pool.enable_external_auth": enable_in_pool,
    "pool.disable_external_auth": disable_in_pool,
    "pool.external_auth_set_ldaps": set_ldaps_in_pool,
    "pool.detect_nonhomogeneous_external_auth": detect_nonhomogeneous,
}
