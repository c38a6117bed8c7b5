"""The verbs of Repository, and those of pool that choose repositories, their proxy and the schedule.

A repository's updateinfo is stored in dom0 when it is synchronised; a bundle's as soon as it is uploaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.dom0.downloads import web_address
from fake_xapi.dom0.updateinfo import Update, updates_of
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import NULL, Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.hosts import dom0_files

BUNDLE = "/var/opt/xapi-bundle/updateinfo.xml"
BUNDLE_HASH = "/var/opt/xapi-bundle/hash"


def introduce(call: Call, label: str, description: str, binary: str, source: str, update: bool, gpgkey: str = "") -> Id:
    """Introduce a remote repository. INVALID_BASE_URL [url], INVALID_GPGKEY_PATH [path], REPOSITORY_ALREADY_EXISTS [repository]."""
    for url in (binary, source):
        _assert_url(url)
    _assert_gpgkey(gpgkey)
    _assert_new(call.world, label, binary)
    return _create(call, label, description, binary_url=binary, source_url=source, update=update, gpgkey_path=gpgkey)


def introduce_bundle(call: Call, label: str, description: str) -> Id:
    """Introduce the repository for uploads. REPOSITORY_ALREADY_EXISTS [repository], BUNDLE_REPOSITORY_ALREADY_EXISTS [repository]."""
    _assert_new(call.world, label, None)
    known = next((repository for repository, row in call.world.rows("Repository") if row["origin"] == "bundle"), NULL)
    if known:
        raise Failure("BUNDLE_REPOSITORY_ALREADY_EXISTS", Handle(known))
    return _create(call, label, description, update=True, origin="bundle")


def introduce_remote_pool(call: Call, label: str, description: str, binary: str, certificate: str) -> Id:
    """Introduce another pool's repository: ``https://<coordinator>/repository/enabled``. INVALID_BASE_URL, REPOSITORY_ALREADY_EXISTS."""
    parts = web_address(binary)
    if parts is None or parts.scheme != "https" or parts.path.rstrip("/") != "/repository/enabled":
        raise Failure("INVALID_BASE_URL", binary)
    _assert_new(call.world, label, binary)
    return _create(call, label, description, binary_url=binary, update=True, origin="remote_pool", certificate=certificate)


def _create(call: Call, label: str, description: str, **fields: object) -> Id:
    with call.world.edit() as edit:
        return edit.create("Repository", name_label=label, name_description=description, **fields)


def _assert_url(url: str) -> None:
    if web_address(url) is None:
        raise Failure("INVALID_BASE_URL", url)


def _assert_gpgkey(path: str) -> None:
    if not path.replace("_", "").replace("-", "").isalnum() and path:
        raise Failure("INVALID_GPGKEY_PATH", path)


def _assert_new(world: World, label: str, url: str | None) -> None:
    for repository, row in world.rows("Repository"):
        if row["name_label"] == label or row["binary_url"] == url:
            raise Failure("REPOSITORY_ALREADY_EXISTS", Handle(repository))


def forget(call: Call, repository: Id) -> None:
    """Forget a repository that is not in use; REPOSITORY_IS_IN_USE []."""
    if repository in call.world[POOL]["repositories"]:
        raise Failure("REPOSITORY_IS_IN_USE")
    with call.world.edit() as edit:
        _drop_content(call.world, edit, repository)
        edit.destroy(repository)


def set_gpgkey_path(call: Call, repository: Id, path: str) -> None:
    """Set the key that signs it; INVALID_GPGKEY_PATH [path] for anything but letters, digits, ``_`` and ``-``."""
    _assert_gpgkey(path)
    with call.world.edit() as edit:
        edit.set(repository, gpgkey_path=path)


def content_path(world: World, repository: Id) -> str:
    """The path in dom0 of a repository's content as of its last synchronisation."""
    return f"/var/opt/xapi-repositories/{world.uuid(repository)}/updateinfo.xml"


def _drop_content(world: World, edit: Edit, repository: Id) -> None:
    dom0_files.remove(world, edit, content_path(world, repository))
    if world[repository]["origin"] == "bundle":
        dom0_files.remove(world, edit, BUNDLE)
        dom0_files.remove(world, edit, BUNDLE_HASH)


def synced_updates(world: World, repository: Id) -> tuple[Update, ...]:
    """The updates of a repository as of its last synchronisation."""
    return updates_of(dom0_files.read(world, content_path(world, repository)) or "<updates/>")


def enabled_update_repository(world: World) -> Id:
    """The repository that provides updates. NO_REPOSITORY_ENABLED [], MULTIPLE_UPDATE_REPOSITORIES_ENABLED []."""
    enabled = [repository for repository in world[POOL]["repositories"] if world[repository]["update"]]
    if len(enabled) != 1:
        raise Failure("MULTIPLE_UPDATE_REPOSITORIES_ENABLED" if enabled else "NO_REPOSITORY_ENABLED")
    return int(enabled[0])


def set_repositories(call: Call, pool: Id, repositories: Iterable[Id]) -> None:
    """Set which repositories are in use; a removed one loses its content, and hosts are no longer known to be up to date."""
    wanted = tuple(dict.fromkeys(repositories))
    before = call.world[pool]["repositories"]
    with call.world.edit() as edit:
        edit.set(pool, repositories=wanted)
        for repository in before:
            if repository not in wanted:
                _drop_content(call.world, edit, repository)
                edit.set(repository, hash="", up_to_date=False)
        if set(before) != set(wanted):
            for host in call.world.ids("host"):
                edit.set(host, latest_synced_updates_applied="unknown")
        if not wanted:
            edit.set(pool, update_sync_enabled=False)


def add_repository(call: Call, pool: Id, repository: Id) -> None:
    """Use one more repository."""
    set_repositories(call, pool, (*call.world[pool]["repositories"], repository))


def remove_repository(call: Call, pool: Id, repository: Id) -> None:
    """Stop using a repository."""
    set_repositories(call, pool, (one for one in call.world[pool]["repositories"] if one != repository))


def configure_proxy(call: Call, pool: Id, url: str, user: str, password: str) -> None:
    """Set the proxy through which repositories are reached; the password is kept as a secret.

    INVALID_REPOSITORY_PROXY_URL [url], INVALID_REPOSITORY_PROXY_CREDENTIAL [].
    """
    parts = web_address(url)
    if parts is None or parts.username is not None:
        raise Failure("INVALID_REPOSITORY_PROXY_URL", url)
    if bool(user) != bool(password) or any(char in text for char in "\r\n" for text in (user, password)):
        raise Failure("INVALID_REPOSITORY_PROXY_CREDENTIAL")
    with call.world.edit() as edit:
        _drop_password(edit, pool)
        secret = edit.create("secret", value=password) if password else NULL
        edit.set(pool, repository_proxy_url=url, repository_proxy_username=user, repository_proxy_password=secret)


def disable_proxy(call: Call, pool: Id) -> None:
    """Stop using a proxy."""
    with call.world.edit() as edit:
        _drop_password(edit, pool)
        edit.set(pool, repository_proxy_url="", repository_proxy_username="", repository_proxy_password=NULL)


def _drop_password(edit: Edit, pool: Id) -> None:
    old = edit[pool]["repository_proxy_password"]
    if old and edit.get(old) is not None:
        edit.destroy(old)


VERBS: Mapping[str, Verb] = {
    "Repository.introduce": introduce,
    "Repository.introduce_bundle": introduce_bundle,
    "Repository.introduce_remote_pool": introduce_remote_pool,
    "Repository.forget": forget,
    "Repository.set_gpgkey_path": set_gpgkey_path,
    "pool.set_repositories": set_repositories,
    "pool.add_repository": add_repository,
    "pool.remove_repository": remove_repository,
    "pool.configure_repository_proxy": configure_proxy,
    "pool.disable_repository_proxy": disable_proxy,
}
