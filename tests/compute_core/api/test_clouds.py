"""What a client needs to come in is written whole, for its owner only, and never over somebody else's file."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import yaml

from compute_core.api.clouds import load_accounts, write_clouds
from compute_core.settings import Account, BadSettings

ACCOUNTS = (Account("admin", "admin", ("admin",), 'p"a: #s\\s'), Account("demo", "demo", ("member",), "x"))


def test_the_first_start_makes_passwords_and_the_next_one_has_them(tmp_path: Path) -> None:
    path = tmp_path / "state" / "accounts.json"
    accounts = load_accounts(path)
    assert [(account.user, account.project, account.roles) for account in accounts] == [
        ("admin", "admin", ("admin",)),
        ("demo", "demo", ("member",)),
    ]
    assert len({account.password for account in accounts}) == 2
    assert all(len(account.password) >= 24 for account in accounts)
    assert load_accounts(path) == accounts
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_clouds_file_is_yaml_whatever_a_password_holds(tmp_path: Path) -> None:
    path = tmp_path / "clouds.yaml"
    write_clouds(path, "http://127.0.0.1:8774", "RegionOne", ACCOUNTS)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    common = {"user_domain_name": "Default", "project_domain_name": "Default", "auth_url": "http://127.0.0.1:8774/identity/v3"}
    assert yaml.safe_load(path.read_text()) == {
        "clouds": {
            "inova": {
                "auth": common | {"username": "admin", "password": 'p"a: #s\\s', "project_name": "admin"},
                "identity_api_version": "3",
                "region_name": "RegionOne",
            },
            "inova-demo": {
                "auth": common | {"username": "demo", "password": "x", "project_name": "demo"},
                "identity_api_version": "3",
                "region_name": "RegionOne",
            },
        }
    }


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "clouds.yaml"
    path.write_text("clouds: {mine: {}}\n")
    with pytest.raises(BadSettings, match="is not a file of ours"):
        write_clouds(path, "http://127.0.0.1:1", "RegionOne", ACCOUNTS)
    assert path.read_text() == "clouds: {mine: {}}\n"


def test_our_own_file_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "clouds.yaml"
    write_clouds(path, "http://127.0.0.1:1", "RegionOne", ACCOUNTS)
    write_clouds(path, "http://127.0.0.1:2", "RegionOne", ACCOUNTS[:1])
    assert list(yaml.safe_load(path.read_text())["clouds"]) == ["inova"]
