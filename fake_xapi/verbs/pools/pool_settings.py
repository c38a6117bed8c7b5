"""Settings of a pool that affect all its hosts, and the secrets that it keeps."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.lifecycle.editions import require
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.dates import later
from fake_xapi.verbs.hosts import dom0_files
from fake_xapi.verbs.pools.pool_wide import is_live
from fake_xapi.verbs.setters import writes

POOL_SECRET = "/etc/xensource/ptoken"  # the name of a file
NEW_POOL_SECRET = "/etc/xensource/ptoken.new"  # as above
_NO_LOCAL_STORAGE = "no_local_storage"
_TELEMETRY_DAYS = {"daily": 2, "weekly": 14, "monthly": 62}


def disable_ssl_legacy(call: Call, pool: Id) -> None:
    """Allow only the newer versions of TLS, on every host."""
    with call.world.edit() as edit:
        for host in call.world.ids("host"):
            edit.set(host, ssl_legacy=False)


def set_https_only(call: Call, pool: Id, value: bool) -> None:
    """Set whether every host closes port 80."""
    with call.world.edit() as edit:
        for host in call.world.ids("host"):
            edit.set(host, https_only=value)


def enable_client_certificates(call: Call, pool: Id, name: str) -> None:
    """Admit clients with a certificate for that common name; INVALID_VALUE ["name", ""] for an empty one."""
    if not name:
        raise Failure("INVALID_VALUE", "name", name)
    with call.world.edit() as edit:
        edit.set(pool, client_certificate_auth_enabled=True, client_certificate_auth_name=name)


def disable_client_certificates(call: Call, pool: Id) -> None:
    """Admit nobody on the strength of a certificate."""
    with call.world.edit() as edit:
        edit.set(pool, client_certificate_auth_enabled=False, client_certificate_auth_name="")


def set_cache_size(call: Call, pool: Id, value: int) -> None:
    """Set the size of the cache of authentications; INVALID_VALUE ["size", value] below 0."""
    if value < 0:
        raise Failure("INVALID_VALUE", "size", str(value))
    with call.world.edit() as edit:
        edit.set(pool, ext_auth_cache_size=value)


def set_cache_expiry(call: Call, pool: Id, value: int) -> None:
    """Set how many seconds authentications are cached; INVALID_VALUE ["expiry", value] below 1."""
    if value <= 0:
        raise Failure("INVALID_VALUE", "expiry", str(value))
    with call.world.edit() as edit:
        edit.set(pool, ext_auth_cache_expiry=value)


def reset_telemetry_uuid(call: Call, pool: Id) -> None:
    """Give the pool a new identity for telemetry, kept as a secret."""
    old, bits = call.world[pool]["telemetry_uuid"], call.chance("telemetry").getrandbits(128)
    digits = f"{bits:032x}"
    with call.world.edit() as edit:
        if old and edit.get(old) is not None:
            edit.destroy(old)
        number = "-".join((digits[:8], digits[8:12], "4" + digits[13:16], "8" + digits[17:20], digits[20:]))
        edit.set(pool, telemetry_uuid=edit.create("secret", value=number))


def set_telemetry_next(call: Call, pool: Id, value: str) -> None:
    """Set when telemetry is next collected; TELEMETRY_NEXT_COLLECTION_TOO_LATE [date] beyond twice the interval."""
    last = later(call.now(), _TELEMETRY_DAYS[call.world[pool]["telemetry_frequency"]] * 86_400)
    if value > last:
        raise Failure("TELEMETRY_NEXT_COLLECTION_TOO_LATE", value)
    with call.world.edit() as edit:
        edit.set(pool, telemetry_next_collection=value)


def rotate_secret(call: Call) -> None:
    """Replace the secret by which the hosts recognise one another.

    LICENCE_RESTRICTION ["Pool_secret_rotation"], HA_IS_ENABLED [], NOT_SUPPORTED_DURING_UPGRADE [], CANNOT_CONTACT_HOST [host].
    """
    world = call.world
    require(world, "Pool_secret_rotation")
    if world[POOL]["ha_enabled"]:
        raise Failure("HA_IS_ENABLED")
    if "rolling_upgrade_in_progress" in world[POOL]["other_config"]:
        raise Failure("NOT_SUPPORTED_DURING_UPGRADE")
    for host in sorted(world.ids("host")):
        if not is_live(world, host):
            raise Failure("CANNOT_CONTACT_HOST", Handle(host))
    with world.edit() as edit:
        _renew_secret(call)
        edit.set(POOL, is_psr_pending=False)


def _renew_secret(call: Call) -> None:
    """A new secret for the pool, derived from what nobody outside knows."""
    made = "".join(call.world.keyed_text(f"pool secret after {call.world.generation}, {half}") for half in "ab")
    with call.world.edit() as edit:
        dom0_files.write(call.world, edit, POOL_SECRET, made)


def _assert_secret(world: World, host: Id, given: str) -> None:
    known = dom0_files.read(world, POOL_SECRET, host) or dom0_files.read(world, POOL_SECRET)
    if known is not None and known != given:
        raise Failure("INTERNAL_ERROR", "the pool secret is another one")


def accept_secret(call: Call, host: Id, old: str, new: str) -> None:
    """Let a host accept the new secret beside the old one; INTERNAL_ERROR when the old one does not match."""
    _assert_secret(call.world, host, old)
    with call.world.edit() as edit:
        dom0_files.write(call.world, edit, NEW_POOL_SECRET, new, host)


def send_secret(call: Call, host: Id, old: str, new: str) -> None:
    """Let a host use the new secret; INTERNAL_ERROR when it has not accepted it before."""
    if dom0_files.read(call.world, NEW_POOL_SECRET, host) != new:
        raise Failure("INTERNAL_ERROR", "the new pool secret was not accepted")
    with call.world.edit() as edit:
        dom0_files.write(call.world, edit, POOL_SECRET, new, host)


def clean_up_secret(call: Call, host: Id, old: str, new: str) -> None:
    """Let a host forget the old secret; INTERNAL_ERROR when it does not use the new one yet."""
    _assert_secret(call.world, host, new)
    with call.world.edit() as edit:
        dom0_files.remove(call.world, edit, NEW_POOL_SECRET, host)


def enable_binary_storage(call: Call) -> None:
    """Let hosts keep blobs on their own disks."""
    with call.world.edit() as edit:
        for host in call.world.ids("host"):
            edit.drop(host, "other_config", _NO_LOCAL_STORAGE)


def disable_binary_storage(call: Call) -> None:
    """Forbid hosts to keep blobs on their own disks."""
    with call.world.edit() as edit:
        for host in call.world.ids("host"):
            edit.put(host, "other_config", _NO_LOCAL_STORAGE, "true")


def send_test_post(call: Call, address: str, port: int, body: str) -> str:
    """Send a request to a server: none can be reached, so TLS_CONNECTION_FAILED [address, port]."""
    raise Failure("TLS_CONNECTION_FAILED", address, str(port))


VERBS: Mapping[str, Verb] = {
    "pool.disable_ssl_legacy": disable_ssl_legacy,
    "pool.set_https_only": set_https_only,
    "pool.enable_client_certificate_auth": enable_client_certificates,
    "pool.disable_client_certificate_auth": disable_client_certificates,
    "pool.set_ext_auth_cache_enabled": writes("ext_auth_cache_enabled"),
    "pool.set_ext_auth_cache_size": set_cache_size,
    "pool.set_ext_auth_cache_expiry": set_cache_expiry,
    "pool.reset_telemetry_uuid": reset_telemetry_uuid,
    "pool.set_telemetry_next_collection": set_telemetry_next,
    "pool.rotate_secret": rotate_secret,
    "host.notify_accept_new_pool_secret": accept_secret,
    "host.notify_send_new_pool_secret": send_secret,
    "host.cleanup_pool_secret": clean_up_secret,
    "pool.send_test_post": send_test_post,
    "pool.enable_binary_storage": enable_binary_storage,
    "pool.disable_binary_storage": disable_binary_storage,
}
