"""The storage outside hosts, as data: what a JSON file may say, and what is told when it may not."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from fake_xapi.dom0.arrays import GIB, STANDARD, Lun, StorageNetwork, Target, network_of, read_network


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "storage.json"
    path.write_bytes(msgspec.json.encode(STANDARD))
    assert read_network(path) == STANDARD


def test_a_file_says_only_what_there_is() -> None:
    text = '{"targets": [{"iqn": "iqn.x", "portals": ["a", "b"], "luns": [{"scsi_id": "36", "size": 1073741824}]}]}'
    assert network_of(text) == StorageNetwork(targets=(Target("iqn.x", ("a", "b"), (Lun("36", GIB),)),))
    assert network_of(text).names == {"a", "b"}


@pytest.mark.parametrize("text", ["", "[]", '{"nfs": 7}', '{"nfs": [{"names": ["a"]}]}', "\xff"])
def test_what_cannot_be_read_is_told_with_its_place(tmp_path: Path, text: str) -> None:
    path = tmp_path / "storage.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=r"storage\.json: .*; write an object with any of nfs, smb, targets"):
        read_network(path)


def test_passwords_are_in_no_text() -> None:
    shown = repr(STANDARD)
    assert [secret for secret in ("smbsecret", "chapsecret", "filersecret", "groupsecret", "gatesecret") if secret in shown] == []


def test_the_page_about_storage_names_all_that_there_is() -> None:
    page = (Path(__file__).parents[3] / "docs/how-to/attach-storage.md").read_text(encoding="utf-8")
    servers = (*STANDARD.nfs, *STANDARD.smb, *STANDARD.filers, *STANDARD.groups, *STANDARD.gateways)
    pairs = [(one.user, one.password) for one in servers] + [(target.user, target.password) for target in STANDARD.targets]
    logins = {text for pair in pairs for text in pair if text}
    places = {share for server in servers for share in server.shares} | {target.iqn for target in STANDARD.targets}
    assert sorted(text for text in STANDARD.names | logins | places | set(STANDARD.local_disks) if f"`{text}`" not in page) == []
