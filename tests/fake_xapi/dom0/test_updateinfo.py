"""What repositories say, read."""

from __future__ import annotations

import gzip
import hashlib

import pytest

from fake_xapi.dom0.documents import BadDocument, read_document
from fake_xapi.dom0.downloads import is_loopback
from fake_xapi.dom0.updateinfo import BadRepository, Place, from_bundle, place_of, unpacked, updates_of
from tests.fake_xapi.verbs.kit.repodata import HREF, bundle, files, hash_of, repomd, update, updateinfo

ONE = update("U-1", mandatory="RebootHost EvacuateHost", recommended="RestartVM", full="RestartDeviceModel")


def test_an_update_and_what_it_asks_for() -> None:
    (found,) = updates_of(f"<updates>{ONE}</updates>")
    assert found.id == "U-1"
    assert found.told == {
        "summary": "a fix",
        "description": "of much",
        "special-info": "",
        "URL": "https://example.com/U-1",
        "title": "U-1",
        "type": "security",
        "issued": "2026-01-02T00:00:00Z",
        "severity": "High",
    }
    assert found.guidance == {
        "mandatory": ("reboot_host", "evacuate_host"),
        "recommended": ("restart_vm",),
        "full": ("restart_device_model",),
        "livepatch": (),
    }
    assert found.packages == ("xapi-1-U-1.x86_64",)


def test_a_bundle_is_a_repository_in_a_tar_file() -> None:
    assert from_bundle(bundle(files(ONE))) == (hash_of(ONE), f"<updates>{ONE}</updates>")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ({}, "INVALID_REPOMD_XML"),
        ({"repodata/repomd.xml": b"<repomd>"}, "INVALID_REPOMD_XML"),
        ({"repodata/repomd.xml": b"<repomd/>"}, "INVALID_REPOMD_XML"),
        ({"repodata/repomd.xml": repomd(updateinfo(ONE)).replace(b"repomd", b"other")}, "INVALID_REPOMD_XML"),
        ({"repodata/repomd.xml": repomd(updateinfo(ONE))}, "INVALID_UPDATEINFO_XML"),
        ({"repodata/repomd.xml": repomd(b"x"), HREF: updateinfo(ONE)}, "UPDATEINFO_HASH_MISMATCH"),
        ({"repodata/repomd.xml": repomd(b"\x1f\x8bx"), HREF: b"\x1f\x8bx"}, "INVALID_UPDATEINFO_XML"),
        ({"repodata/repomd.xml": repomd(b"\xff"), HREF: b"\xff"}, "INVALID_UPDATEINFO_XML"),
        (files("<nothing/></updates><a>"), "INVALID_UPDATEINFO_XML"),
        (files(ONE, ONE), "INVALID_UPDATEINFO_XML"),
        (files(update("")), "INVALID_UPDATEINFO_XML"),
        (files(update("U", mandatory="Dance")), "INVALID_UPDATEINFO_XML"),
    ],
)
def test_what_is_no_repository(content: dict[str, bytes], code: str) -> None:
    with pytest.raises(BadRepository) as refused:
        from_bundle(bundle(content))
    assert refused.value.code == code


def test_a_small_file_that_unpacks_to_a_huge_one_is_given_up() -> None:
    bomb = gzip.compress(b" " * (64 << 20))
    with pytest.raises(BadRepository, match="INVALID_UPDATEINFO_XML"):
        unpacked(bomb, Place(HREF, hashlib.sha256(bomb).hexdigest()))


def test_an_index_names_the_updateinfo_among_others() -> None:
    packed = updateinfo(ONE)
    assert place_of(repomd(packed)) == Place(HREF, hashlib.sha256(packed).hexdigest())


@pytest.mark.parametrize("text", [b"", b"<a>", b"text", b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', b"<a>" + b" " * (5 << 20) + b"</a>"])
def test_what_is_no_document_or_could_grow_is_not_read(text: bytes) -> None:
    with pytest.raises(BadDocument):
        read_document(text)


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:8080/repo", True),
        ("http://localhost/repo", True),
        ("http://[::1]/repo", True),
        ("https://127.0.0.1/repo", False),
        ("http://10.0.0.1/repo", False),
        ("http://example.com/repo", False),
        ("http:///repo", False),
        ("http://[", False),
    ],
)
def test_only_this_machine_is_asked(url: str, here: bool) -> None:
    assert is_loopback(url) is here
