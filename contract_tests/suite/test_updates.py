"""Patches, updates and repositories: what every server refuses. A real one applies only what its vendor has signed."""

from __future__ import annotations

import contextlib
from typing import Any
from urllib.parse import urlencode

import pytest

from contract_tests.capabilities import Server
from contract_tests.made import MARK, MIB, Made
from contract_tests.refusals import DEAD, NULL, refusal
from contract_tests.target import Target
from contract_tests.waiting import finished

URL = "https://repo.example.com/contract"


@pytest.fixture
def pool(xapi: Any) -> str:
    """The pool."""
    (one,) = xapi.pool.get_all()
    return str(one)


@pytest.fixture
def introduced(xapi: Any, made: Made) -> Any:
    """Introduce a repository that is forgotten again."""

    def introduce(label: str, url: str, **changes: str) -> str:
        given = {"label": label, "description": "", "binary": url, "source": f"{URL}/source", "gpgkey": "", **changes}
        one: str = xapi.Repository.introduce(given["label"], "", given["binary"], given["source"], True, given["gpgkey"])
        made.later(xapi.Repository.forget, one)
        return one

    return introduce


@pytest.mark.rule("pool_patch")
@pytest.mark.requires("export_raw_vdi")
def test_what_is_no_patch_fails_the_task_of_its_upload(
    target: Target, session: Any, xapi: Any, server: Server, made: Made, sr: str
) -> None:
    """PUT /pool_patch_upload: the client's task says INVALID_PATCH, since Ely INVALID_UPDATE; nothing is left."""
    before = (xapi.pool_patch.get_all(), strange_disks(xapi, sr))
    task = made.task()
    query = urlencode({"session_id": session.handle, "task_id": task, "sr_id": sr})
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        target.request("PUT", f"/pool_patch_upload?{query}", b"no patch" * 1024)
    record = finished(xapi, task)
    assert (record["status"], record["error_info"][:1]) == (
        "failure",
        ["INVALID_UPDATE" if server.has("pool_update.introduce") else "INVALID_PATCH"],
    )
    assert (xapi.pool_patch.get_all(), strange_disks(xapi, sr)) == before


def strange_disks(xapi: Any, sr: str) -> set[str]:
    """The disks of an SR that no test made."""
    disks = xapi.VDI.get_all_records_where('field "type" = "user" and field "managed" = "true"').items()
    return {ref for ref, vdi in disks if vdi["SR"] == sr and MARK not in vdi["other_config"]}


@pytest.mark.rule("pool_update")
@pytest.mark.requires("pool_update.introduce")
def test_a_blank_disk_is_no_update(xapi: Any, made: Made) -> None:
    """pool_update.introduce: INVALID_UPDATE for what cannot be mounted."""
    assert refusal(xapi.pool_update.introduce, made.vdi(8 * MIB)) == ["INVALID_UPDATE", "Please upload a valid package."]


@pytest.mark.rule("pool_patch", "pool_update")
@pytest.mark.parametrize(
    ("message", "params", "cls"),
    [
        ("pool_patch.apply", (DEAD, "{host}"), "pool_patch"),
        ("pool_patch.precheck", (DEAD, "{host}"), "pool_patch"),
        ("pool_patch.pool_apply", (DEAD,), "pool_patch"),
        ("pool_patch.clean", (DEAD,), "pool_patch"),
        ("pool_patch.destroy", (DEAD,), "pool_patch"),
        ("host_patch.destroy", (DEAD,), "host_patch"),
        ("pool_update.apply", (DEAD, "{host}"), "pool_update"),
        ("pool_update.pool_apply", (DEAD,), "pool_update"),
        ("pool_update.destroy", (DEAD,), "pool_update"),
        ("pool_update.introduce", (NULL,), "VDI"),
    ],
)
def test_what_is_not_there_is_not_applied(xapi: Any, server: Server, host: str, message: str, params: tuple[str, ...], cls: str) -> None:
    """HANDLE_INVALID [class, ref] for a patch or update that does not exist."""
    if not server.has(message):
        pytest.skip(f"{server.summary} has no {message}")
    owner, name = message.split(".")
    told = refusal(getattr(getattr(xapi, owner), name), *(param.format(host=host) for param in params))
    assert told == ["HANDLE_INVALID", cls, params[0]]


@pytest.mark.rule("repositories")
@pytest.mark.requires("Repository.introduce")
def test_a_repository_is_as_it_was_introduced(xapi: Any, made: Made, introduced: Any) -> None:
    """Repository.introduce: a row that knows nothing of what is there yet."""
    label = made.name()
    record = xapi.Repository.get_record(introduced(label, f"{URL}/{label}"))
    facts = {name: record[name] for name in ("name_label", "binary_url", "source_url", "update", "hash", "up_to_date")}
    assert facts == {
        "name_label": label,
        "binary_url": f"{URL}/{label}",
        "source_url": f"{URL}/source",
        "update": True,
        "hash": "",
        "up_to_date": False,
    }


@pytest.mark.rule("repositories")
@pytest.mark.requires("Repository.introduce")
@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"binary": "ftp://repo.example.com/a"}, ["INVALID_BASE_URL", "ftp://repo.example.com/a"]),
        ({"source": "nowhere"}, ["INVALID_BASE_URL", "nowhere"]),
    ],
)
def test_urls_that_are_none(made: Made, introduced: Any, changes: dict[str, str], told: list[str]) -> None:
    """INVALID_BASE_URL [url] for what is neither http nor https."""
    label = made.name()
    given = {"binary": f"{URL}/{label}", **changes}
    assert refusal(lambda: introduced(label, given["binary"], **{k: v for k, v in changes.items() if k != "binary"})) == told


@pytest.mark.requires("Repository.set_gpgkey_path")
def test_keys_that_are_none(xapi: Any, made: Made, introduced: Any) -> None:
    """INVALID_GPGKEY_PATH [path] for what could lead out of the folder of keys."""
    label = made.name()
    one = introduced(label, f"{URL}/{label}")
    assert refusal(xapi.Repository.set_gpgkey_path, one, "../key") == ["INVALID_GPGKEY_PATH", "../key"]
    xapi.Repository.set_gpgkey_path(one, "RPM-GPG-KEY-contract")
    assert xapi.Repository.get_gpgkey_path(one) == "RPM-GPG-KEY-contract"


@pytest.mark.rule("repositories")
@pytest.mark.requires("Repository.introduce")
@pytest.mark.parametrize("same", ["label", "url"])
def test_a_repository_is_known_once(made: Made, introduced: Any, same: str) -> None:
    """REPOSITORY_ALREADY_EXISTS [repository] for the same name or the same place."""
    label, other = made.name(), made.name()
    one = introduced(label, f"{URL}/{label}")
    again = (label, f"{URL}/{other}") if same == "label" else (other, f"{URL}/{label}")
    assert refusal(lambda: introduced(*again)) == ["REPOSITORY_ALREADY_EXISTS", one]


@pytest.mark.rule("repositories")
@pytest.mark.requires("Repository.introduce", "pool.add_repository")
def test_a_repository_in_use_is_not_forgotten(xapi: Any, made: Made, introduced: Any, pool: str) -> None:
    """REPOSITORY_IS_IN_USE [] while the pool uses it."""
    label = made.name()
    one = introduced(label, f"{URL}/{label}")
    xapi.pool.add_repository(pool, one)
    made.later(xapi.pool.remove_repository, pool, one)
    assert one in xapi.pool.get_repositories(pool)
    assert refusal(xapi.Repository.forget, one) == ["REPOSITORY_IS_IN_USE"]


@pytest.mark.rule("pool.sync_updates")
@pytest.mark.requires("pool.sync_updates")
def test_without_repositories_there_is_nothing_to_synchronise(xapi: Any, pool: str) -> None:
    """NO_REPOSITORIES_CONFIGURED []."""
    if xapi.pool.get_repositories(pool):
        pytest.skip("this pool has repositories")
    assert refusal(xapi.pool.sync_updates, pool, False, "", "") == ["NO_REPOSITORIES_CONFIGURED"]


@pytest.mark.rule("pool.sync_updates")
@pytest.mark.requires("pool.configure_update_sync")
@pytest.mark.parametrize(("frequency", "day"), [("daily", "1"), ("daily", "-1"), ("weekly", "7"), ("weekly", "-1")])
def test_days_that_are_none(xapi: Any, pool: str, frequency: str, day: str) -> None:
    """INVALID_UPDATE_SYNC_DAY [day]: 0 for daily, 0 to 6 for weekly."""
    before = (xapi.pool.get_update_sync_frequency(pool), xapi.pool.get_update_sync_day(pool))
    assert refusal(xapi.pool.configure_update_sync, pool, frequency, day) == ["INVALID_UPDATE_SYNC_DAY", day]
    assert (xapi.pool.get_update_sync_frequency(pool), xapi.pool.get_update_sync_day(pool)) == before


@pytest.mark.requires("pool.configure_repository_proxy")
@pytest.mark.parametrize(
    ("url", "user", "password", "told"),
    [
        ("ftp://proxy", "", "", ["INVALID_REPOSITORY_PROXY_URL", "ftp://proxy"]),
        ("http://proxy", "me", "", ["INVALID_REPOSITORY_PROXY_CREDENTIAL"]),
        ("http://proxy", "", "secret", ["INVALID_REPOSITORY_PROXY_CREDENTIAL"]),
    ],
)
def test_proxies_that_are_none(xapi: Any, pool: str, url: str, user: str, password: str, told: list[str]) -> None:
    """INVALID_REPOSITORY_PROXY_URL [url], and INVALID_REPOSITORY_PROXY_CREDENTIAL [] for half of one."""
    assert refusal(xapi.pool.configure_repository_proxy, pool, url, user, password) == told


@pytest.mark.requires("pool.check_update_readiness")
def test_readiness_is_a_list_of_errors(xapi: Any, pool: str) -> None:
    """pool.check_update_readiness: codes with their parameters, none twice the word of success."""
    found = xapi.pool.check_update_readiness(pool, False)
    assert all(reason and reason[0].isupper() for reason in found)
