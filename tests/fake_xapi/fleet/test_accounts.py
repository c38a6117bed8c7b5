"""The directory of a file: who is in it, who is let in, and what is said of a file that is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fake_xapi.fleet.accounts import Accounts, fits, hash_password, is_hash
from fake_xapi.fleet.accounts_file import BadAccounts, read_accounts
from fake_xapi.verbs.access.directory import DirectoryRefusal, Entry

HASH = hash_password("secret", cost=1 << 10)
GOOD: dict[str, Any] = {
    "domain": "example.com",
    "joiners": [{"name": "Administrator", "password": HASH}],
    "users": [
        {"name": "alice", "password": HASH, "full_name": "Alice A.", "groups": ["admins"]},
        {"name": "bob", "password": HASH, "locked": True},
    ],
    "groups": [{"name": "admins", "groups": ["staff"]}, {"name": "staff"}],
}


def written(folder: Path, content: object) -> Path:
    path = folder / "users.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))
    return path


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    return read_accounts(written(tmp_path, GOOD))


@pytest.mark.parametrize("name", ["alice", "ALICE", "EXAMPLE\\alice", "example\\Alice", "alice@example.com", "Alice@EXAMPLE.COM"])
def test_a_user_has_a_name_in_three_forms(accounts: Accounts, name: str) -> None:
    sid = accounts.find("alice")
    assert (accounts.find(name), accounts.authenticate(name, "secret"), accounts.authenticate(name, "wrong")) == (sid, sid, "")


@pytest.mark.parametrize("name", ["", "carol", "OTHER\\alice", "alice@other.com", "admins"])
def test_nobody_else_is_authenticated(accounts: Accounts, name: str) -> None:
    assert accounts.authenticate(name, "secret") == ""


def test_a_right_password_is_right_again_and_a_wrong_one_stays_wrong(accounts: Accounts) -> None:
    answers = [accounts.authenticate("alice", password) for password in ("secret", "wrong", "secret", "", "wrong")]
    sid = accounts.find("alice")
    assert answers == [sid, "", sid, "", ""]


def test_groups_of_groups_count(accounts: Accounts) -> None:
    assert accounts.groups(accounts.find("alice")) == [accounts.find("admins"), accounts.find("staff")]
    assert accounts.groups("S-1-0") == []


def test_what_is_known_of_a_user_and_of_a_group(accounts: Accounts) -> None:
    alice, bob, admins = (accounts.entry(accounts.find(name)) for name in ("alice", "bob", "admins"))
    assert alice is not None
    assert bob is not None
    assert admins is not None
    assert alice == Entry(accounts.find("alice"), "EXAMPLE\\alice", full_name="Alice A.", groups=(accounts.find("admins"),))
    assert (alice.is_suspended, bob.is_suspended) == (False, True)
    number = alice.identifier.rpartition("-")[2]
    assert accounts.information(alice) == {
        "subject-name": "EXAMPLE\\alice",
        "subject-sid": alice.identifier,
        "subject-uid": number,
        "subject-gid": number,
        "subject-upn": "alice@example.com",
        "subject-gecos": "Alice A.",
        "subject-displayname": "Alice A.",
        "subject-is-group": "false",
        "subject-account-disabled": "false",
        "subject-account-expired": "false",
        "subject-account-locked": "false",
        "subject-password-expired": "false",
    }
    assert accounts.information(admins)["subject-is-group"] == "true"
    assert accounts.entry("S-1-0") is None


def test_identifiers_are_the_same_whenever_the_file_is_read(tmp_path: Path, accounts: Accounts) -> None:
    assert read_accounts(written(tmp_path, GOOD)).find("alice") == accounts.find("alice")
    assert read_accounts(written(tmp_path, {**GOOD, "domain": "example.org"})).find("alice") != accounts.find("alice")


@pytest.mark.parametrize(
    ("service", "config", "tag"),
    [
        ("other.com", {"user": "Administrator", "pass": "secret"}, "DOMAIN_LOOKUP_FAILED"),
        ("example.com", {"user": "Administrator", "pass": "wrong"}, "WRONG_CREDENTIALS"),
        ("example.com", {"user": "alice", "pass": "secret"}, "WRONG_CREDENTIALS"),
        ("example.com", {}, "WRONG_CREDENTIALS"),
    ],
)
def test_who_may_not_let_a_host_join(accounts: Accounts, service: str, config: dict[str, str], tag: str) -> None:
    with pytest.raises(DirectoryRefusal) as refusal:
        accounts.join(service, config)
    assert refusal.value.tag == tag


def test_a_host_that_joins_keeps_no_password(accounts: Accounts) -> None:
    kept = accounts.join("Example.com", {"user": "EXAMPLE\\administrator", "pass": "secret"})
    assert kept == {"domain": "example.com", "user": "EXAMPLE\\administrator", "workgroup": "EXAMPLE", "ldaps": "false"}


def test_a_host_leaves_with_the_right_credentials_or_with_none(accounts: Accounts) -> None:
    accounts.leave({})
    accounts.leave({"user": "Administrator", "pass": "secret"})
    with pytest.raises(DirectoryRefusal):
        accounts.leave({"user": "Administrator", "pass": "wrong"})


def test_a_hash_fits_its_password_alone_and_differs_each_time() -> None:
    assert (fits("secret", HASH), fits("Secret", HASH), is_hash(HASH)) == (True, False, True)
    assert hash_password("secret", cost=1 << 10) != HASH
    assert [is_hash(text) for text in ("secret", "scrypt:1:aa:bb", "scrypt:x:00:00", f"{HASH}0", None, 5)] == [False] * 6


def test_a_directory_for_tests_is_made_of_passwords_and_members() -> None:
    known = Accounts.of("lab.example", {"alice": "a", "bob": "b"}, {"admins": ["alice"], "staff": ["admins", "bob"]})
    assert known.groups(known.authenticate("LAB\\alice", "a")) == [known.find("admins"), known.find("staff")]
    assert known.groups(known.authenticate("bob", "b")) == [known.find("staff")]
    assert known.join("lab.example", {"user": "bob", "pass": "b"})["domain"] == "lab.example"


def changed(**fields: object) -> dict[str, Any]:
    return {**GOOD, **fields}


USER = {"name": "alice", "password": HASH}


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        ("{\n", 2, "not JSON"),
        ([], 1, "the file is not made of objects; write {...}"),
        (changed(domain=""), 2, "domain is missing or not a text; write one"),
        (changed(colour="red"), None, "nothing is called 'colour' here; did you mean"),
        (changed(users={}), 9, "users is not a list; write [{...}, ...]"),
        (changed(users=["alice"]), None, "users is not made of objects"),
        (changed(users=[{"password": HASH}]), None, "name is missing or not a text in users; write one"),
        (
            changed(users=[{**USER, "password": "secret"}]),
            11,
            "the password of alice is no hash; write what `inova sim hash-password` prints",
        ),
        (changed(users=[{**USER, "groups": "admins"}]), None, "the groups of alice are not a list of names"),
        (changed(users=[{**USER, "groups": ["admin"]}]), None, "alice is in admin, which is no group; the groups are: admins"),
        (changed(users=[{**USER, "locked": "no"}]), None, "locked of alice is 'no'; write true or false"),
        (changed(users=[{**USER, "lokced": True}]), None, "nothing is called 'lokced' here; did you mean locked"),
        (changed(users=[USER, {**USER, "name": "ALICE"}]), None, "ALICE is there twice; give one of them another name"),
        (changed(joiners=[{"name": "a", "password": HASH, "groups": []}]), None, "nothing is called 'groups' here"),
        (changed(groups=[{"name": "g", "password": HASH}]), None, "nothing is called 'password' here"),
    ],
)
def test_a_file_that_is_none_is_refused_at_its_line_with_the_cure(tmp_path: Path, content: object, line: int | None, said: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(BadAccounts) as refusal:
        read_accounts(path)
    assert said in str(refusal.value)
    assert str(refusal.value).startswith(f"{path}:{line}:" if line else f"{path}:")
    assert "secret" not in str(refusal.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadAccounts, match="cannot be read"):
        read_accounts(tmp_path / "missing.json")
